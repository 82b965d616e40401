-- The economy's numbers, and what accounts hold of it. Source: migrations/0005.

-- name: catalogue_rates
SELECT message_gap_s, message_xp_day, voice_step_s, voice_xp_session, voice_xp_day, daily_xp, daily_coins, daily_again_s, daily_keep_s,
       season_days, season_start
FROM public.economy_setting;

-- name: catalogue_ranks
SELECT id, name, xp, coins FROM public.rank ORDER BY xp LIMIT $1::bigint;

-- name: catalogue_lengths
SELECT length, xp FROM public.message_xp ORDER BY length LIMIT $1::bigint;

-- name: catalogue_badges
SELECT id, code, name_ru, name, criteria ->> 'counter', (criteria ->> 'at_least')::numeric::bigint, xp, coins
FROM public.badges ORDER BY id LIMIT $1::bigint;

-- name: catalogue_missions
SELECT id, code, name_ru, name, counter, goal, xp, coins, period FROM public.missions WHERE active ORDER BY id LIMIT $1::bigint;

-- Marks: what was given once. Their accounts are locked.
-- name: badges_held
SELECT user_id, badge_id FROM public.badge_user_association WHERE user_id = ANY ($1::bigint[]) ORDER BY user_id;

-- Numbers of days and weeks are far apart, so that none is taken for the other. Which of them counts for a mission is the catalogue's to say.
-- name: missions_completed
SELECT user_id, mission_id, period_no FROM public.mission_progress
WHERE user_id = ANY ($1::bigint[]) AND period_no IN (0, $2::integer, $3::integer) ORDER BY user_id;

-- name: badges_earn
INSERT INTO public.badge_user_association (user_id, badge_id, earned_in_bot, earned_at)
SELECT w.user_id, w.badge_id, w.source, $4::timestamptz
FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS w(user_id, badge_id, source) ORDER BY w.user_id, w.badge_id;

-- Those that are done once (period 0) have been paid at completion.
-- name: missions_complete
INSERT INTO public.mission_progress (user_id, mission_id, period_no, completed_at, claimed_at)
SELECT w.user_id, w.mission_id, w.period_no, $4::timestamptz, CASE WHEN w.period_no = 0 THEN $4::timestamptz END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS w(user_id, mission_id, period_no) ORDER BY w.user_id, w.period_no, w.mission_id;

-- Of $1, which becomes part of $2: united.
-- name: badges_move
WITH gone AS (
    DELETE FROM public.badge_user_association WHERE user_id = $1::bigint RETURNING badge_id, earned_in_bot, earned_at, copied
)
INSERT INTO public.badge_user_association AS b (user_id, badge_id, earned_in_bot, earned_at, copied)
SELECT $2::bigint, g.badge_id, g.earned_in_bot, g.earned_at, g.copied FROM gone g ORDER BY g.badge_id
ON CONFLICT (user_id, badge_id) DO UPDATE
SET earned_in_bot = CASE WHEN excluded.earned_at < b.earned_at THEN excluded.earned_in_bot ELSE b.earned_in_bot END,
    earned_at = least(b.earned_at, excluded.earned_at), copied = b.copied AND excluded.copied;

-- Claimed if either was; what only one may still claim stays his.
-- name: missions_move
WITH gone AS (
    DELETE FROM public.mission_progress WHERE user_id = $1::bigint RETURNING mission_id, period_no, completed_at, claimed_at, copied
)
INSERT INTO public.mission_progress AS m (user_id, mission_id, period_no, completed_at, claimed_at, copied)
SELECT $2::bigint, g.mission_id, g.period_no, g.completed_at, g.claimed_at, g.copied FROM gone g ORDER BY g.period_no, g.mission_id
ON CONFLICT (user_id, period_no, mission_id) DO UPDATE
SET completed_at = least(m.completed_at, excluded.completed_at), claimed_at = coalesce(m.claimed_at, excluded.claimed_at),
    copied = m.copied AND excluded.copied;

-- Of $1, on to $2, which leaves it: both have them, only $1 has them to show for and to claim.
-- name: badges_copy
INSERT INTO public.badge_user_association (user_id, badge_id, earned_in_bot, earned_at, copied)
SELECT $2::bigint, b.badge_id, b.earned_in_bot, b.earned_at, true
FROM public.badge_user_association b WHERE b.user_id = $1::bigint ORDER BY b.badge_id
ON CONFLICT (user_id, badge_id) DO NOTHING;

-- Of the day $3 and the week $4; of later ones, too: a clock that is ahead may have begun them. No week has as high a number as 2 * $4, no day as low.
-- name: missions_copy
INSERT INTO public.mission_progress (user_id, mission_id, period_no, completed_at, claimed_at, copied)
SELECT $2::bigint, m.mission_id, m.period_no, m.completed_at, m.claimed_at, true
FROM public.mission_progress m
WHERE m.user_id = $1::bigint AND (m.period_no = 0 OR m.period_no >= $3::integer OR m.period_no BETWEEN $4::integer AND 2 * $4::integer)
ORDER BY m.period_no, m.mission_id
ON CONFLICT (user_id, period_no, mission_id) DO NOTHING;

-- Of a code, and since when $1 holds it.
-- name: badge_by_code
SELECT b.id, h.earned_at
FROM public.badges b LEFT JOIN public.badge_user_association h ON h.badge_id = b.id AND h.user_id = $1::bigint
WHERE b.code = $2::text;

-- name: badges_count
SELECT count(*) FROM public.badge_user_association WHERE user_id = $1::bigint;

-- name: badges_own
SELECT EXISTS (SELECT 1 FROM public.badge_user_association b WHERE b.user_id = $1::bigint AND NOT b.copied);
