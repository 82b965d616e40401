-- Linked Roles: people's consent, their sealed tokens, and what Discord shows of them. Source: migrations/0014.

-- A consent, first or renewed: told at once.
-- name: linked_role_put
INSERT INTO public.linked_role AS g (identity_id, sealed, expires_at, granted_at, version)
VALUES ($1::bigint, $2::bytea, $3::timestamptz, $4::timestamptz, pg_current_xact_id())
ON CONFLICT (identity_id) DO UPDATE
SET sealed = excluded.sealed, expires_at = excluded.expires_at, granted_at = excluded.granted_at, generation = g.generation + 1, ended_at = NULL,
    ended = NULL, pushed_at = NULL, pushed_rank = NULL, pushed_xp = NULL, pushed_days = NULL, due_at = '-infinity', version = excluded.version,
    attempts = 0, error = NULL;

-- What is to be looked at, by the owner of the bot's lease only ($2 owner, $3 real time, $4 our time). $5 those in work; $6 how many.
-- name: linked_role_claim
SELECT g.identity_id, i.platform_id, g.sealed, g.expires_at, g.generation, g.version::text, g.attempts, g.pushed_at, g.pushed_rank, g.pushed_xp,
       g.pushed_days, b.xp, a.created_at
FROM public.sender_lease l
CROSS JOIN public.linked_role g
JOIN public.identity i ON i.id = g.identity_id
JOIN public.account a ON a.id = i.account_id
JOIN public.account_balance b ON b.account_id = a.id
WHERE l.platform = 'discord' AND l.bot = $1::text AND l.owner = $2::uuid AND l.expires_at > $3::timestamptz
  AND g.sealed IS NOT NULL AND g.due_at <= $4::timestamptz AND g.identity_id <> ALL ($5::bigint[])
ORDER BY g.due_at, g.identity_id
LIMIT $6::bigint;

-- New tokens for those of generation $2. 0 rows: somebody else has renewed, or ended it.
-- name: linked_role_tokens
UPDATE public.linked_role SET sealed = $3::bytea, expires_at = $4::timestamptz, generation = generation + 1
WHERE identity_id = $1::bigint AND generation = $2::bigint AND sealed IS NOT NULL;

-- Discord shows it. What changed meanwhile ($2 is not the version any more) is looked at again at once.
-- name: linked_role_shown
UPDATE public.linked_role
SET pushed_at = $3::timestamptz, pushed_rank = $4::smallint, pushed_xp = $5::bigint, pushed_days = $6::integer, attempts = 0, error = NULL,
    due_at = CASE WHEN version = $2::xid8 THEN $7::timestamptz ELSE '-infinity' END
WHERE identity_id = $1::bigint AND sealed IS NOT NULL;

-- Not now: not before $3, unless it changes. $4 why; $5: counts as an attempt.
-- name: linked_role_later
UPDATE public.linked_role
SET due_at = CASE WHEN version = $2::xid8 OR $4::text IS NOT NULL THEN $3::timestamptz ELSE due_at END, error = $4::text,
    attempts = attempts + CASE WHEN $5::boolean THEN 1 ELSE 0 END
WHERE identity_id = $1::bigint AND sealed IS NOT NULL;

-- Over: the tokens are wiped.
-- name: linked_role_end
UPDATE public.linked_role SET sealed = NULL, expires_at = NULL, ended_at = $4::timestamptz, ended = $3::text, generation = generation + 1
WHERE identity_id = $1::bigint AND generation = $2::bigint AND sealed IS NOT NULL;
