-- The ledger and its projection, changed together in one statement; the caller holds the account's lock.

-- name: ledger_insert
WITH projection AS (
    UPDATE public.account_balance SET xp = $6::bigint, coins = $7::bigint WHERE account_id = $1::bigint
)
INSERT INTO public.ledger (user_id, idempotency_key, kind, source, xp, coins, xp_after, coins_after, reason, at)
VALUES ($1::bigint, $2::text, $3::text, $8::text, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $9::text, $10::timestamptz);

-- name: event_key_claim
INSERT INTO public.event_key (key, content, at) VALUES ($1::text, $2::bytea, $3::timestamptz) ON CONFLICT (key) DO NOTHING;

-- Keys of many postings; fewer rows than keys: one of them was done before.
-- name: event_keys_claim_own
INSERT INTO public.event_key (key, content, at)
SELECT w.key, w.content, $3::timestamptz FROM unnest($1::text[], $2::bytea[]) AS w(key, content) ORDER BY w.key COLLATE "C"
ON CONFLICT (key) DO NOTHING;
