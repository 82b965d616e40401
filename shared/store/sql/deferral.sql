-- Commands whose row defers: kept sealed until the worker has answered (decisions.md 4).

-- name: deferral_put
INSERT INTO public.job (kind, key, payload, sealed, due_at, expires_at, created_at)
VALUES ('command', $1::text, $2::bytea, $3::bytea, $4::timestamptz, $5::timestamptz, $4::timestamptz)
ON CONFLICT (key) DO NOTHING;

-- The oldest that is due; whoever takes it has until $2 before another may.
-- name: deferral_take
UPDATE public.job SET attempts = attempts + 1, due_at = $2::timestamptz
WHERE id = (SELECT id FROM public.job WHERE kind = 'command' AND due_at <= $1::timestamptz AND attempts < 5
            ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, payload, sealed, attempts, expires_at;

-- name: deferral_drop
DELETE FROM public.job WHERE id = $1::bigint;
