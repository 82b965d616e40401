-- Keys of the service API as they are used; the operator's statements about them stand in operator.sql.

-- name: apikey_find
SELECT id, name, array_to_string(scopes, ' '), bot, platform::text, trust, in_flight, last_used_at
FROM public.api_key WHERE hash = $1::bytea AND revoked_at IS NULL;

-- name: apikey_used
UPDATE public.api_key SET last_used_at = $2::timestamptz WHERE id = $1::bigint AND (last_used_at IS NULL OR last_used_at < $3::timestamptz);
