-- Boards: what their keeper reads, and names beside places. Source: decisions.md 17.

-- The season that is on at $1, as periods_running() tells it: never one whose close has begun; a time before the first belongs to it.
-- name: board_season
SELECT greatest(public.season_next(), floor(extract(epoch FROM $1::timestamptz - s.season_start) / (s.season_days * 86400)))::bigint,
       s.season_days
FROM public.economy_setting s;

-- Who somebody is and what he has: $3 season, $4 week that are on.
-- name: board_person
SELECT a.id, coalesce(a.display_name, (SELECT n.name FROM public.identity n WHERE n.account_id = a.id AND n.name IS NOT NULL
                                       ORDER BY n.attached_at, n.id LIMIT 1)),
       (SELECT r.name FROM public.rank r WHERE r.xp <= b.xp ORDER BY r.xp DESC LIMIT 1),
       a.hidden, b.xp, b.coins, b.season_no, b.season_xp, b.season_coins, b.week_no, b.week_xp, b.week_coins
FROM public.identity i
JOIN public.account a ON a.id = i.account_id
JOIN public.account_balance b ON b.account_id = a.id
WHERE i.platform = $1::public.platform AND i.platform_id = $2::bigint;

-- Names and ranks of those who may be seen, whatever the store of places still holds.
-- name: board_names
SELECT a.id, coalesce(a.display_name, (SELECT n.name FROM public.identity n WHERE n.account_id = a.id AND n.name IS NOT NULL
                                       ORDER BY n.attached_at, n.id LIMIT 1)),
       (SELECT r.name FROM public.rank r WHERE r.xp <= b.xp ORDER BY r.xp DESC LIMIT 1)
FROM public.account a
JOIN public.account_balance b ON b.account_id = a.id
WHERE a.id = ANY ($1::bigint[]) AND NOT a.hidden AND a.merged_into IS NULL AND a.erased_at IS NULL;

-- ---- the keeper; its lease runs by real time ----

-- name: board_keeper_take
UPDATE public.board_keeper SET owner = $1::uuid, expires_at = $3::timestamptz WHERE owner = $1::uuid OR owner IS NULL OR expires_at <= $2::timestamptz;

-- name: board_keeper_release
UPDATE public.board_keeper SET owner = NULL, expires_at = '-infinity' WHERE owner = $1::uuid;

-- name: board_keeper_turn
SELECT k.turn FROM public.board_keeper k WHERE k.owner = $1::uuid AND k.expires_at > $2::timestamptz;

-- $2: as the owner knows it.
-- name: board_keeper_turned
UPDATE public.board_keeper SET turn = $3::bigint WHERE owner = $1::uuid AND turn = $2::bigint;

-- Further than any turn that Redis can have seen.
-- name: board_keeper_again
UPDATE public.board_keeper SET turn = turn + 1000000 RETURNING turn;

-- name: board_keeper_state
SELECT k.turn, k.owner IS NOT NULL AND k.expires_at > $1::timestamptz FROM public.board_keeper k;

-- Marks after account $1, so that busy accounts with low numbers do not hold up the others. OFFSET 0: a look-up each, however the planner
-- estimates tables that are empty one day and full the next; a merge of both tables would read all that lies before $1.
-- name: board_dirty_read
SELECT d.account_id, d.version::text, a.visible, b.xp, b.coins, b.season_no, b.season_xp, b.season_coins, b.week_no, b.week_xp, b.week_coins
FROM (SELECT m.account_id, m.version FROM public.board_dirty m WHERE m.account_id > $1::bigint ORDER BY m.account_id LIMIT $2::bigint) AS d
LEFT JOIN LATERAL (SELECT NOT x.hidden AND x.merged_into IS NULL AND x.erased_at IS NULL AS visible
                   FROM public.account x WHERE x.id = d.account_id OFFSET 0) AS a ON true
LEFT JOIN LATERAL (SELECT * FROM public.account_balance x WHERE x.account_id = d.account_id OFFSET 0) AS b ON true
ORDER BY d.account_id;

-- Only marks that are as they were read. One that somebody is renewing is passed over: it will be another one.
-- name: board_dirty_forget
WITH same AS MATERIALIZED (
    SELECT d.account_id FROM public.board_dirty d
    JOIN unnest($1::bigint[], $2::xid8[]) AS w(account_id, version) ON w.account_id = d.account_id AND w.version = d.version
    FOR UPDATE OF d SKIP LOCKED
)
DELETE FROM public.board_dirty d USING same s WHERE d.account_id = s.account_id;

-- Everybody, in portions.
-- name: board_balances_read
SELECT b.account_id, NULL, a.visible, b.xp, b.coins, b.season_no, b.season_xp, b.season_coins, b.week_no, b.week_xp, b.week_coins
FROM (SELECT * FROM public.account_balance x WHERE x.account_id > $1::bigint ORDER BY x.account_id LIMIT $2::bigint) AS b
LEFT JOIN LATERAL (SELECT NOT x.hidden AND x.merged_into IS NULL AND x.erased_at IS NULL AS visible
                   FROM public.account x WHERE x.id = b.account_id OFFSET 0) AS a ON true
ORDER BY b.account_id;
