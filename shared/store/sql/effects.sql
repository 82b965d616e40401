-- Effects once, and the partitions that they are written to. Source: decisions.md 7 to 10 and 13.

-- No row: the key was claimed before, by a transaction that has committed.
-- name: inbox_claim
INSERT INTO public.inbox (key, at) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING;

-- name: inbox_store
UPDATE public.inbox SET reply = $2, sealed = $3, sealed_until = $4, language = $5 WHERE key = $1;

-- name: inbox_get
SELECT reply, sealed, sealed_until, language FROM public.inbox WHERE key = $1;

-- $1: today, as a date or a timestamp in UTC.
-- name: make_partitions
SELECT public.make_partitions($1::date);
