-- The close of seasons. Source: docs/LEDGER.md, "Seasons".

-- name: season_hold
SELECT public.season_hold();

-- What became of seasons that no close has begun for: the loser's results are the survivor's from now on. Those of the others stay as they are.
-- name: season_results_join
WITH gone AS (
    DELETE FROM public.season_result r WHERE r.user_id = $1::bigint AND r.season_no >= public.season_next()
    RETURNING r.season_no, r.xp, r.coins
)
INSERT INTO public.season_result AS r (user_id, season_no, xp, coins)
SELECT $2::bigint, g.season_no, g.xp, g.coins FROM gone g ORDER BY g.season_no
ON CONFLICT (user_id, season_no) DO UPDATE SET xp = r.xp + excluded.xp, coins = r.coins + excluded.coins;

-- The close that goes on, unless another closer is at it: one at a time.
-- name: season_take
SELECT s.no, s.counted_to, s.counted_at IS NOT NULL, s.placed_xp, s.placed_user, s.placed, s.place, s.place_xp
FROM public.season s WHERE s.closed_at IS NULL ORDER BY s.no LIMIT 1 FOR UPDATE SKIP LOCKED;

-- The season to close next, and whether a close is going on.
-- name: season_next
SELECT public.season_next(), EXISTS (SELECT 1 FROM public.season WHERE closed_at IS NULL);

-- Who waits for this lock makes all who earn wait behind him: not for long.
-- name: season_begin_patience
SELECT set_config('lock_timeout', $1::bigint || 'ms', true);

-- Waits for all who may still count something for the season; whoever comes later sees its row.
-- name: season_begin_alone
SELECT pg_advisory_xact_lock(hashtext('season'));

-- name: season_begin
INSERT INTO public.season (no, starts_at, ends_at) VALUES ($1::integer, $2::timestamptz, $3::timestamptz) ON CONFLICT DO NOTHING;

-- The next $2 accounts after $1: the last of them; NULL: there are none.
-- name: season_window
SELECT max(w.account_id) FROM (SELECT b.account_id FROM public.account_balance b WHERE b.account_id > $1::bigint
                               ORDER BY b.account_id LIMIT $2::bigint) AS w;

-- Those of them who still have the season's sums in their balance, under their locks: else one who moves on at the same time, and this close,
-- could wait for each other.
-- name: season_window_lock
SELECT a.id FROM public.account a
WHERE a.id = ANY (ARRAY(SELECT b.account_id FROM public.account_balance b
                        WHERE b.account_id > $1::bigint AND b.account_id <= $2::bigint AND b.season_no = $3::integer
                          AND (b.season_xp > 0 OR b.season_coins > 0)))
ORDER BY a.id FOR NO KEY UPDATE;

-- To what they left behind before, if they came back since (migrations/0017).
-- name: season_window_count
INSERT INTO public.season_result AS r (user_id, season_no, xp, coins)
SELECT b.account_id, b.season_no, b.season_xp, b.season_coins
FROM public.account_balance b
WHERE b.account_id > $1::bigint AND b.account_id <= $2::bigint AND b.season_no = $3::integer AND (b.season_xp > 0 OR b.season_coins > 0)
ORDER BY b.account_id
ON CONFLICT (user_id, season_no) DO UPDATE SET xp = r.xp + excluded.xp, coins = r.coins + excluded.coins;

-- name: season_counted_to
UPDATE public.season SET counted_to = $2::bigint WHERE no = $1::integer;

-- name: season_counted
UPDATE public.season SET counted_at = $2::timestamptz WHERE no = $1::integer;

-- name: season_prizes
SELECT place_from, place_to, coins, badge_code FROM public.season_reward ORDER BY place_from LIMIT $1::bigint;

-- From the top down, after ($2, $3): whose result it is, who he is now, and whether he may be seen and still is somebody.
-- name: season_results
SELECT r.user_id, a.id, r.xp, NOT a.hidden, a.erased_at IS NULL
FROM (SELECT x.user_id, x.xp FROM public.season_result x
      WHERE x.season_no = $1::integer AND x.xp > 0 AND (x.xp, x.user_id) < ($2::bigint, $3::bigint)
      ORDER BY x.xp DESC, x.user_id DESC LIMIT $4::bigint) AS r
JOIN public.account a ON a.id = coalesce((SELECT f.survivor_id FROM public.account_family f WHERE f.account_id = r.user_id), r.user_id)
ORDER BY r.xp DESC, r.user_id DESC;

-- name: season_places
UPDATE public.season_result r SET place = w.place
FROM unnest($2::bigint[], $3::bigint[]) AS w(user_id, place)
WHERE r.user_id = w.user_id AND r.season_no = $1::integer AND w.place > 0;

-- name: season_placed
UPDATE public.season SET placed_xp = $2::bigint, placed_user = $3::bigint, placed = $4::bigint, place = $5::bigint, place_xp = $6::bigint,
    participants = participants + $7::bigint
WHERE no = $1::integer;

-- name: season_close
UPDATE public.season SET closed_at = $2::timestamptz WHERE no = $1::integer AND closed_at IS NULL RETURNING participants, placed;

-- For the operator: seasons that are over, the newest first.
-- name: season_list
SELECT s.no, s.starts_at, s.ends_at, s.closed_at, s.participants, s.placed,
       (SELECT count(*) FROM public.season_result r WHERE r.season_no = s.no AND r.place = 1) AS winners,
       (SELECT max(r.xp) FROM public.season_result r WHERE r.season_no = s.no AND r.place = 1) AS winners_xp
FROM public.season s ORDER BY s.no DESC LIMIT $1::bigint;
