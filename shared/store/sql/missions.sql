-- Missions of a person, claims, and what is to be paid when a day or week has ended. Source: migrations/0005; docs/LEDGER.md.

-- All that a person can see, with his balance: what is active, and what he completed before it was ended. $2 the running day, $3 the week.
-- name: missions_of
SELECT m.id, m.code, m.name_ru, m.name, m.period, m.counter, m.goal, m.xp, m.coins, p.user_id IS NOT NULL, p.claimed_at IS NOT NULL OR p.copied,
       b.xp, b.coins, b.season_no, b.season_xp, b.season_coins, b.week_no, b.week_xp, b.week_coins, b.messages_sent, b.voice_seconds,
       b.games_played, b.games_won, b.achievements, b.daily_streak, b.last_daily, b.wins_in_row, b.wins_best, b.dailies,
       b.tickets_opened, b.promos_used, b.referrals, b.links, b.profile_complete, b.day_no, b.day_games_played, b.day_games_won,
       b.day_dailies, b.week_games_played, b.week_games_won, b.week_wins_in_row, b.week_wins_best, b.xp_day_no, b.day_message_xp,
       b.day_voice_xp, b.last_message_at, b.last_text, b.voice_rest, b.voice_session, b.voice_session_xp, b.rank_paid
FROM public.account_balance b
CROSS JOIN public.missions m
LEFT JOIN public.mission_progress p ON p.user_id = b.account_id AND p.mission_id = m.id
    AND p.period_no = CASE m.period WHEN 'daily' THEN $2::integer WHEN 'weekly' THEN $3::integer ELSE 0 END
WHERE b.account_id = $1::bigint AND (m.active OR (p.user_id IS NOT NULL AND p.claimed_at IS NULL AND NOT p.copied))
ORDER BY CASE m.period WHEN 'daily' THEN 1 WHEN 'weekly' THEN 2 ELSE 3 END, m.id
LIMIT $4::bigint;

-- The accounts of the list are locked.
-- name: missions_mark_claimed
UPDATE public.mission_progress p SET claimed_at = $4::timestamptz
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS w(user_id, mission_id, period_no)
WHERE p.user_id = w.user_id AND p.mission_id = w.mission_id AND p.period_no = w.period_no AND p.claimed_at IS NULL AND NOT p.copied;

-- By the index, in its order, whatever the statistics say: nobody waits one minute, ten million the next.
-- name: missions_due_plan
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true);

-- What was completed in a period that has ended and was not claimed, the oldest first. $1 the running day, $2 the week. Numbers of weeks are far
-- below those of days, so what is due stands in two ranges of the index, each behind (period, account, mission): weeks behind $3 to $5, days
-- behind $6 to $8. What runs lies between them and is not even looked at; a lower bound beside the row comparison would not be used. The period
-- that a mission has today is not asked: staff may have changed it since.
-- name: missions_due
SELECT p.user_id, p.mission_id, p.period_no, m.code, m.xp, m.coins
FROM (
    (SELECT w.user_id, w.mission_id, w.period_no FROM public.mission_progress w
     WHERE w.claimed_at IS NULL AND NOT w.copied AND w.period_no < $2::integer
       AND (w.period_no, w.user_id, w.mission_id) > ($3::integer, $4::bigint, $5::smallint)
     ORDER BY w.period_no, w.user_id, w.mission_id LIMIT $9::bigint)
    UNION ALL
    (SELECT d.user_id, d.mission_id, d.period_no FROM public.mission_progress d
     WHERE d.claimed_at IS NULL AND NOT d.copied AND d.period_no < $1::integer
       AND (d.period_no, d.user_id, d.mission_id) > ($6::integer, $7::bigint, $8::smallint)
     ORDER BY d.period_no, d.user_id, d.mission_id LIMIT $9::bigint)
) AS p
JOIN public.missions m ON m.id = p.mission_id
ORDER BY p.period_no, p.user_id, p.mission_id
LIMIT $9::bigint;
