-- Discord roles that follow ranks. Source: migrations/0014. A refusal by Discord stands for a day ($: since when it does not count any more).

-- What may be worked on now, changes before the sweep, by the owner of the bot's lease only ($2 owner, $3 real time, $4 our time). $5 people
-- in work; $6 how many; $7 since when refusals count. No identity: a person who was erased, or whom nobody knows.
-- name: role_claim
SELECT m.guild_id, m.user_id, m.mark::text, m.attempts, b.xp
FROM public.sender_lease l
CROSS JOIN public.role_member m
JOIN public.role_guild g ON g.guild_id = m.guild_id
LEFT JOIN public.identity i ON i.platform = 'discord' AND i.platform_id = m.user_id
LEFT JOIN public.account_balance b ON b.account_id = i.account_id
WHERE l.platform = 'discord' AND l.bot = $1::text AND l.owner = $2::uuid AND l.expires_at > $3::timestamptz
  AND m.mark IS NOT NULL AND m.due_at <= $4::timestamptz AND m.user_id <> ALL ($5::bigint[])
  AND (g.refused_at IS NULL OR g.refused_at <= $7::timestamptz)
ORDER BY m.sweep, m.due_at, m.user_id
LIMIT $6::bigint;

-- name: role_rules
SELECT r.guild_id, r.role_id, r.rank_id, r.letter, r.refused_at IS NOT NULL AND r.refused_at > $1::timestamptz
FROM public.role_map r ORDER BY r.guild_id, r.role_id;

-- The next $4 people of one server whose turn it is are marked to be looked at; the last of them end the round, and the next begins at $5.
-- name: role_sweep
WITH guild AS MATERIALIZED (
    SELECT g.guild_id, g.swept_to FROM public.role_guild g
    WHERE g.sweep_at <= $3::timestamptz AND (g.refused_at IS NULL OR g.refused_at <= $6::timestamptz)
      AND EXISTS (SELECT 1 FROM public.sender_lease l WHERE l.platform = 'discord' AND l.bot = $7::text AND l.owner = $1::uuid AND l.expires_at > $2::timestamptz)
    ORDER BY g.sweep_at, g.guild_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
), next AS MATERIALIZED (
    SELECT g.guild_id, n.user_id
    FROM guild g
    CROSS JOIN LATERAL (SELECT i.platform_id AS user_id FROM public.identity i WHERE i.platform = 'discord' AND i.platform_id > g.swept_to
                        ORDER BY i.platform_id LIMIT $4::bigint) AS n
), moved AS (
    UPDATE public.role_guild g
    SET swept_to = CASE WHEN w.count < $4::bigint THEN 0 ELSE w.last END, sweep_at = CASE WHEN w.count < $4::bigint THEN $5::timestamptz ELSE g.sweep_at END
    FROM guild o, (SELECT count(*) AS count, max(next.user_id) AS last FROM next) AS w
    WHERE g.guild_id = o.guild_id
)
INSERT INTO public.role_member AS m (guild_id, user_id, mark, sweep)
SELECT n.guild_id, n.user_id, pg_current_xact_id(), true FROM next n ORDER BY n.guild_id, n.user_id
ON CONFLICT (guild_id, user_id) DO UPDATE SET mark = excluded.mark, sweep = true, due_at = '-infinity', attempts = 0 WHERE m.mark IS NULL;

-- Done with him: what he is to hold and holds now. Who was marked again meanwhile is done again.
-- name: role_settle
UPDATE public.role_member
SET mark = NULL, sweep = false, attempts = 0, wanted = $4::bigint[], applied = $5::bigint[], absent = $6::boolean, checked_at = $7::timestamptz,
    error = NULL
WHERE guild_id = $1::bigint AND user_id = $2::bigint AND mark = $3::xid8;

-- Not done: once more at $4, or not before something changes ($4 NULL). $6: counts as an attempt.
-- name: role_postpone
UPDATE public.role_member
SET mark = CASE WHEN $4::timestamptz IS NOT NULL THEN mark END, due_at = coalesce($4::timestamptz, due_at), error = $5::text,
    attempts = attempts + CASE WHEN $6::boolean THEN 1 ELSE 0 END
WHERE guild_id = $1::bigint AND user_id = $2::bigint AND mark = $3::xid8;

-- Why a role cannot be given or taken ($3 NULL: it can). Answers whether that is news.
-- name: role_refuse
WITH old AS MATERIALIZED (
    SELECT r.refused FROM public.role_map r WHERE r.guild_id = $1::bigint AND r.role_id = $2::bigint FOR NO KEY UPDATE
)
UPDATE public.role_map r SET refused = $3::text, refused_at = CASE WHEN $3::text IS NOT NULL THEN $4::timestamptz END
FROM old WHERE r.guild_id = $1::bigint AND r.role_id = $2::bigint AND (r.refused IS NOT NULL OR $3::text IS NOT NULL)
RETURNING old.refused IS DISTINCT FROM $3::text;

-- The same of a whole server.
-- name: role_guild_refuse
WITH old AS MATERIALIZED (
    SELECT g.refused FROM public.role_guild g WHERE g.guild_id = $1::bigint FOR NO KEY UPDATE
)
UPDATE public.role_guild g SET refused = $2::text, refused_at = CASE WHEN $2::text IS NOT NULL THEN $3::timestamptz END
FROM old WHERE g.guild_id = $1::bigint AND (g.refused IS NOT NULL OR $2::text IS NOT NULL)
RETURNING old.refused IS DISTINCT FROM $2::text;
