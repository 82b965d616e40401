-- Orders of XP and coins by their keys (service/adjust.h).

-- name: adjustment_find
SELECT account_id, person, xp, coins, reason, xp_after, coins_after, at FROM public.adjustment WHERE key = $1::text;

-- name: adjustment_insert
INSERT INTO public.adjustment (key, account_id, person, xp, coins, reason, xp_after, coins_after, at)
VALUES ($1::text, $2::bigint, $3::bytea, $4::bigint, $5::bigint, $6::bytea, $7::bigint, $8::bigint, $9::timestamptz);
