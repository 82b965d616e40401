-- What keeps the tables bounded, what proves the ledger, what the operator is told of both. The work itself is done by functions of
-- migrations/0015_growth.sql, a partition at a time. Source: decisions.md 13; docs/LEDGER.md, "Folding".

-- A step may work for long, but whoever writes must never wait for it long.
-- name: upkeep_patience
SELECT set_config('lock_timeout', '100ms', true), set_config('statement_timeout', '10min', true), set_config('jit', 'off', true);

-- The commit of a step need not wait for the disk while others wait for it: lost in a crash, the whole step is, and is done again.
-- name: upkeep_light
SELECT set_config('synchronous_commit', 'off', true);

-- Each does the oldest thing that is due and says which; NULL: nothing is.
-- name: upkeep_drop_keys
SELECT public.drop_recent_keys(($1::timestamptz AT TIME ZONE 'UTC')::date);

-- name: upkeep_fold_ledger
SELECT public.fold_ledger(($1::timestamptz AT TIME ZONE 'UTC')::date, $1::timestamptz);

-- name: upkeep_thin_events
SELECT public.thin_events(($1::timestamptz AT TIME ZONE 'UTC')::date, $1::timestamptz);

-- name: upkeep_join_ledger
SELECT public.join_month('ledger', ($1::timestamptz AT TIME ZONE 'UTC')::date);

-- name: upkeep_join_events
SELECT public.join_month('event', ($1::timestamptz AT TIME ZONE 'UTC')::date);

-- $1 is not used: all steps are called alike.
-- name: upkeep_drop_gone
SELECT public.drop_gone() FROM (SELECT $1::timestamptz) AS now;

-- ---- proving ----

-- Where open rows begin: what is older is in the checkpoints. Read before the rows: a day that is sealed meanwhile is only read in vain.
-- name: ledger_open_from
SELECT coalesce(least(min(s.day) FILTER (WHERE s.reopened), max(s.day) + 1)::timestamp AT TIME ZONE 'UTC', '-infinity'),
       max(s.day)::text, count(*)
FROM public.ledger_seal s;

-- Every account about whom rows (from $2 on; NULL: all), checkpoint and projection do not say the same. What is wrong, the first that fits:
--   no balance   rows of nobody
--   checkpoint   it is not what the sealed rows add up to (only when all are read)
--   balance      checkpoint and open rows do not add up to it
--   order        the sums fit, but some row's xp_after or coins_after does not follow from the row before it
-- name: ledger_differences
SELECT d.account_id, d.xp, d.coins, least(greatest(d.rows_xp, -9223372036854775807), 9223372036854775807)::bigint,
       least(greatest(d.rows_coins, -9223372036854775807), 9223372036854775807)::bigint, d.what
FROM (
    SELECT coalesce(b.account_id, l.user_id, c.account_id) AS account_id, b.xp, b.coins,
           coalesce(c.xp, 0) + coalesce(l.xp, 0) AS rows_xp, coalesce(c.coins, 0) + coalesce(l.coins, 0) AS rows_coins,
           CASE
           WHEN b.account_id IS NULL THEN 'no balance'
           WHEN $2::timestamptz IS NULL AND (coalesce(c.xp, 0) <> coalesce(l.sealed_xp, 0) OR coalesce(c.coins, 0) <> coalesce(l.sealed_coins, 0)) THEN 'checkpoint'
           WHEN coalesce(c.xp, 0) + coalesce(l.xp, 0) <> b.xp OR coalesce(c.coins, 0) + coalesce(l.coins, 0) <> b.coins THEN 'balance'
           WHEN coalesce(c.chain, 0) + coalesce(l.chain, 0) <> public.ledger_place(b.xp, b.coins)::numeric - public.ledger_place(0, 0) THEN 'order'
           END AS what
    FROM public.account_balance b
    FULL JOIN public.ledger_checkpoint c ON c.account_id = b.account_id
    FULL JOIN (
        SELECT r.user_id, sum(r.xp) FILTER (WHERE r.sealed IS NULL) AS xp, sum(r.coins) FILTER (WHERE r.sealed IS NULL) AS coins,
               sum(public.ledger_place(r.xp_after, r.coins_after)::numeric - public.ledger_place(r.xp_after - r.xp, r.coins_after - r.coins))
                   FILTER (WHERE r.sealed IS NULL) AS chain,
               sum(r.xp) FILTER (WHERE r.sealed IS NOT NULL) AS sealed_xp, sum(r.coins) FILTER (WHERE r.sealed IS NOT NULL) AS sealed_coins
        FROM public.ledger r
        WHERE r.at >= coalesce($2::timestamptz, '-infinity')
        GROUP BY r.user_id
    ) AS l ON l.user_id = coalesce(b.account_id, c.account_id)
) AS d
WHERE d.what IS NOT NULL
ORDER BY d.account_id
LIMIT $1::bigint;

-- Sealed days whose rows are not those that were sealed.
-- name: ledger_seal_differences
SELECT coalesce(s.day, r.day)::text, coalesce(s.row_count, 0), coalesce(r.row_count, 0)
FROM public.ledger_seal s
FULL JOIN (
    SELECT (l.at AT TIME ZONE 'UTC')::date AS day, count(*) AS row_count, sum(l.xp) AS xp, sum(l.coins) AS coins,
           sum(public.ledger_row_number(l.id, l.user_id, l.idempotency_key, l.kind, l.source, l.xp, l.coins, l.xp_after, l.coins_after, l.reason, l.at,
                                        l.sealed)) AS digest
    FROM public.ledger l
    WHERE l.sealed IS NOT NULL
    GROUP BY 1
) AS r ON r.day = s.day
WHERE (s.row_count, s.xp, s.coins, s.digest) IS DISTINCT FROM (coalesce(r.row_count, 0), coalesce(r.xp, 0), coalesce(r.coins, 0), coalesce(r.digest, 0))
ORDER BY 1
LIMIT $1::bigint;

-- ---- what the operator is told ----

-- name: upkeep_faults
SELECT f.parent, f.fault, f.detail FROM public.partition_faults(($1::timestamptz AT TIME ZONE 'UTC')::date) f;

-- Events rejected and updates set aside since $1; whether a deadlock is told as one before our lock_timeout is over.
-- name: upkeep_troubles
SELECT (SELECT count(*) FROM public.event e WHERE e.rejected IS NOT NULL AND e.accepted_at >= $1::timestamptz),
       (SELECT count(*) FROM public.update_aside u WHERE u.at >= $1::timestamptz),
       current_setting('deadlock_timeout'),
       current_setting('deadlock_timeout')::interval < current_setting('lock_timeout')::interval;

-- name: event_aside_count
SELECT count(*) FROM public.event_queue q WHERE q.attempts >= 5;
