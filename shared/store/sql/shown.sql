-- What members are shown of their economy: one SELECT each. The first six columns are the reader (store/shown.c, read_viewer).

-- How somebody got what he has, the newest first: $3 rows at most, of all accounts that became one. Of badges and missions their names. Each account's
-- newest are taken by the index; OFFSET 0 in front of the names, so that they are looked up for those rows only.
-- name: history_by_identity
SELECT a.id, a.language, me.username, me.name, me.language_hint, me.last_seen,
       b.coins, h.kind, h.xp, h.coins, h.reason, h.at, coalesce(g.name_ru, m.name_ru), coalesce(g.name, m.name)
FROM public.identity me
JOIN public.account a ON a.id = me.account_id
JOIN public.account_balance b ON b.account_id = a.id
LEFT JOIN LATERAL (
    SELECT l.id, l.kind, l.xp, l.coins, l.reason, l.at
    FROM (SELECT a.id AS account_id UNION SELECT f.account_id FROM public.account_family f WHERE f.survivor_id = a.id) AS w
    CROSS JOIN LATERAL (SELECT x.id, x.kind, x.xp, x.coins, x.reason, x.at FROM public.ledger x WHERE x.user_id = w.account_id
                        ORDER BY x.at DESC, x.id DESC LIMIT $3::bigint) AS l
    ORDER BY l.at DESC, l.id DESC
    LIMIT $3::bigint OFFSET 0) AS h ON true
LEFT JOIN public.badges g ON h.kind = 'badge' AND g.code = h.reason
LEFT JOIN public.missions m ON h.kind = 'mission_completed' AND m.code = h.reason
WHERE me.platform = $1::public.platform AND me.platform_id = $2::bigint
ORDER BY h.at DESC, h.id DESC;

-- Every badge, held or not, beside all that a condition may count. Columns of the balance: store/balance.c.
-- name: badges_by_identity
SELECT a.id, a.language, me.username, me.name, me.language_hint, me.last_seen,
       b.xp, b.coins, b.season_no, b.season_xp, b.season_coins, b.week_no, b.week_xp, b.week_coins, b.messages_sent, b.voice_seconds,
       b.games_played, b.games_won, b.achievements, b.daily_streak, b.last_daily, b.wins_in_row, b.wins_best, b.dailies,
       b.tickets_opened, b.promos_used, b.referrals, b.links, b.profile_complete, b.day_no, b.day_games_played, b.day_games_won,
       b.day_dailies, b.week_games_played, b.week_games_won, b.week_wins_in_row, b.week_wins_best, b.xp_day_no, b.day_message_xp,
       b.day_voice_xp, b.last_message_at, b.last_text, b.voice_rest, b.voice_session, b.voice_session_xp, b.rank_paid,
       g.name_ru, g.name, g.description_ru, g.description, g.criteria ->> 'counter', (g.criteria ->> 'at_least')::numeric::bigint, e.earned_at
FROM public.identity me
JOIN public.account a ON a.id = me.account_id
JOIN public.account_balance b ON b.account_id = a.id
LEFT JOIN LATERAL (SELECT * FROM public.badges x ORDER BY x.id LIMIT $3::bigint) AS g ON true
LEFT JOIN public.badge_user_association e ON e.user_id = a.id AND e.badge_id = g.id
WHERE me.platform = $1::public.platform AND me.platform_id = $2::bigint
ORDER BY e.earned_at DESC NULLS LAST, g.id;

-- name: notify_by_identity
SELECT a.id, a.language, me.username, me.name, me.language_hint, me.last_seen,
       a.notify_rank, a.notify_badges, a.notify_missions, a.notify_reminders
FROM public.identity me
JOIN public.account a ON a.id = me.account_id
WHERE me.platform = $1::public.platform AND me.platform_id = $2::bigint;

-- name: notify_set
UPDATE public.account
SET notify_rank = CASE $2::text WHEN 'rank' THEN $3::boolean ELSE notify_rank END,
    notify_badges = CASE $2::text WHEN 'badges' THEN $3::boolean ELSE notify_badges END,
    notify_missions = CASE $2::text WHEN 'missions' THEN $3::boolean ELSE notify_missions END,
    notify_reminders = CASE $2::text WHEN 'reminders' THEN $3::boolean ELSE notify_reminders END
WHERE id = $1::bigint AND merged_into IS NULL
RETURNING notify_rank, notify_badges, notify_missions, notify_reminders;

-- name: account_set_name
UPDATE public.account SET display_name = $2::text WHERE id = $1::bigint AND merged_into IS NULL AND erased_at IS NULL
RETURNING language IS NOT NULL;

-- Who of $1 may be told of in his group $2, and by which name: the chat wants it, he neither hides nor wants to hear nothing of his rank.
-- name: announce_where
SELECT w.place, coalesce(a.display_name, (SELECT n.name FROM public.identity n WHERE n.account_id = a.id AND n.name IS NOT NULL
                                          ORDER BY n.attached_at, n.id LIMIT 1))
FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS w(account_id, chat_id, place)
JOIN public.account a ON a.id = w.account_id AND a.notify_rank AND NOT a.hidden
JOIN public.chat c ON c.platform = 'telegram' AND c.chat_id = w.chat_id AND c.state = 'registered' AND c.announce
ORDER BY w.place;
