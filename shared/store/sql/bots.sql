-- What bots keep of people, and the trainings they report. Source: migrations/0013.
-- A row of bot_session stays with the account that had it first; those of one person are the rows of his whole family (account_family).

-- Whoever is meant, and the sessions of his family for one bot: the present one first, then what joinings have set aside, the newest first.
-- One row without a session when there is none.
-- name: bot_sessions_read
SELECT me.account_id, s.user_id, s.session_data::text, s.stats_data::text, s.version, s.updated_at, s.aside_at
FROM public.identity me
LEFT JOIN LATERAL (
    SELECT b.* FROM public.bot_session b
    WHERE b.bot_name = $3::text
      AND b.user_id = ANY (array_append(ARRAY(SELECT f.account_id FROM public.account_family f WHERE f.survivor_id = me.account_id), me.account_id))
    ORDER BY b.aside_at DESC NULLS FIRST, b.version DESC LIMIT $4::bigint) AS s ON true
WHERE me.platform = $1::public.platform AND me.platform_id = $2::bigint
ORDER BY s.aside_at DESC NULLS FIRST, s.version DESC;

-- name: bot_person
SELECT account_id FROM public.identity WHERE platform = $1::public.platform AND platform_id = $2::bigint;

-- The present version, asked under the account's lock.
-- name: bot_session_version
SELECT b.user_id, b.version FROM public.bot_session b
WHERE b.bot_name = $2::text AND b.aside_at IS NULL
  AND b.user_id = ANY (array_append(ARRAY(SELECT f.account_id FROM public.account_family f WHERE f.survivor_id = $1::bigint), $1::bigint));

-- name: bot_session_insert
INSERT INTO public.bot_session (user_id, bot_name, session_data, stats_data, updated_at)
VALUES ($1::bigint, $2::text, coalesce($3::json, '{}'), coalesce($4::json, '{}'), $5::timestamptz);

-- What is NULL stays as it is. 0 rows: it has changed meanwhile (the cleaning holds no account's lock).
-- name: bot_session_update
UPDATE public.bot_session
SET session_data = coalesce($4::json, session_data), stats_data = coalesce($5::json, stats_data), updated_at = $6::timestamptz,
    version = nextval('public.bot_session_version')
WHERE user_id = $1::bigint AND bot_name = $2::text AND version = $3::bigint AND aside_at IS NULL;

-- $1 has just taken others into its family: of two sessions of one bot the later update stays, the other is set aside.
-- name: bot_sessions_join
WITH present AS (
    SELECT b.user_id, b.bot_name, row_number() OVER (PARTITION BY b.bot_name ORDER BY b.updated_at DESC, b.version DESC) AS place,
           count(*) OVER (PARTITION BY b.bot_name) AS sides
    FROM public.bot_session b
    WHERE b.aside_at IS NULL
      AND b.user_id = ANY (array_append(ARRAY(SELECT f.account_id FROM public.account_family f WHERE f.survivor_id = $1::bigint), $1::bigint))
)
UPDATE public.bot_session b
SET aside_at = CASE WHEN p.place > 1 THEN $2::timestamptz END, version = nextval('public.bot_session_version')
FROM present p WHERE b.user_id = p.user_id AND b.bot_name = p.bot_name AND p.sides > 1;

-- $1 and $2 have just become two families again: each has its own sessions, and where the present one went with the other side, the latest of
-- those that were set aside comes back.
-- name: bot_sessions_part
WITH family AS MATERIALIZED (
    SELECT w.id AS holder, w.id AS account_id FROM unnest(ARRAY[$1::bigint, $2::bigint]) AS w(id)
    UNION ALL
    SELECT f.survivor_id, f.account_id FROM public.account_family f WHERE f.survivor_id IN ($1::bigint, $2::bigint)
), ranked AS (
    SELECT b.user_id, b.bot_name, count(*) OVER (PARTITION BY b.bot_name) AS sides,
           row_number() OVER (PARTITION BY f.holder, b.bot_name ORDER BY b.aside_at IS NOT NULL, b.updated_at DESC, b.version DESC) AS place
    FROM family f JOIN public.bot_session b ON b.user_id = f.account_id
)
UPDATE public.bot_session b
SET aside_at = CASE WHEN r.place > 1 THEN b.aside_at END, version = nextval('public.bot_session_version')
FROM ranked r WHERE b.user_id = r.user_id AND b.bot_name = r.bot_name AND r.sides > 1;

-- What was set aside 30 days ago goes, and the session that it stood behind is another one without it. The count is of those that went.
-- name: clean_bot_sessions
WITH old AS MATERIALIZED (
    SELECT b.user_id, b.bot_name, coalesce(f.survivor_id, b.user_id) AS holder
    FROM public.bot_session b LEFT JOIN public.account_family f ON f.account_id = b.user_id
    WHERE b.aside_at <= $1::timestamptz - interval '30 days' ORDER BY b.aside_at LIMIT 10000
), changed AS (
    UPDATE public.bot_session b SET version = nextval('public.bot_session_version')
    FROM (SELECT DISTINCT o.bot_name, m.id FROM old o CROSS JOIN LATERAL (
              SELECT o.holder AS id UNION ALL SELECT f.account_id FROM public.account_family f WHERE f.survivor_id = o.holder) AS m) AS k
    WHERE b.user_id = k.id AND b.bot_name = k.bot_name AND b.aside_at IS NULL
)
DELETE FROM public.bot_session b USING old o
WHERE b.user_id = o.user_id AND b.bot_name = o.bot_name AND b.aside_at <= $1::timestamptz - interval '30 days';

-- The person is there: identities_ensure came before. No row: the key is taken.
-- name: training_insert
INSERT INTO public.training_history (user_id, bot_name, kind, score, details, at, platform, platform_id, source, idempotency_key, created_at)
SELECT i.account_id, $3::text, $4::text, $5::numeric, $6::jsonb, $7::timestamptz, i.platform, i.platform_id, $8::text, $9::text, $10::timestamptz
FROM public.identity i WHERE i.platform = $1::public.platform AND i.platform_id = $2::bigint
ON CONFLICT (bot_name, idempotency_key) DO NOTHING
RETURNING id;

-- The training of a key that is taken, and what of it differs from what comes now; an empty text: nothing.
-- name: training_compare
SELECT t.id, concat_ws(', ', CASE WHEN t.platform <> $1::public.platform THEN 'platform' END, CASE WHEN t.platform_id <> $2::bigint THEN 'platform_id' END,
                       CASE WHEN t.kind <> $4::text THEN 'kind' END, CASE WHEN t.score IS DISTINCT FROM $5::numeric THEN 'score' END,
                       CASE WHEN t.details <> $6::jsonb THEN 'details' END, CASE WHEN t.at <> $7::timestamptz THEN 'at' END)
FROM public.training_history t WHERE t.bot_name = $3::text AND t.idempotency_key = $8::text;
