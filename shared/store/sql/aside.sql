-- Authentic updates that could not be read (contract.md 3).

-- name: aside_insert
INSERT INTO public.update_aside (platform, bot, at, reason, size, head)
VALUES ($1::public.platform, $2::text, $3::timestamptz, $4::text, $5::bigint, $6::bytea);
