-- Keys of the service API as they are used; the operator's statements about them stand in operator.sql.

-- name: apikey_find
SELECT id, name, array_to_string(scopes, ' '), bot, platform::text, trust, in_flight, per_minute
FROM public.api_key WHERE hash = $1::bytea AND revoked_at IS NULL;

-- Locked in one order: several programs write at once.
-- name: apikey_last_used
WITH used AS (SELECT u.id, max(u.at) AS at FROM unnest($1::bigint[], $2::timestamptz[]) AS u (id, at) GROUP BY u.id),
     locked AS (SELECT k.id FROM public.api_key k WHERE k.id IN (SELECT id FROM used) ORDER BY k.id FOR NO KEY UPDATE)
UPDATE public.api_key k SET last_used_at = u.at
FROM used u JOIN locked l ON l.id = u.id
WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < u.at);

-- A key that somebody has deleted meanwhile must not keep the others' counts from being written.
-- name: apikey_usage_add
INSERT INTO public.api_key_usage AS t (api_key_id, day, route, requests, refused)
SELECT u.id, (u.at AT TIME ZONE 'UTC')::date, u.route, sum(u.requests), sum(u.refused)
FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::bigint[], $5::bigint[]) AS u (id, at, route, requests, refused)
JOIN public.api_key k ON k.id = u.id
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
ON CONFLICT (api_key_id, day, route) DO UPDATE SET requests = t.requests + excluded.requests, refused = t.refused + excluded.refused;
