-- The unified profile: one row per identity, the same account in each.

-- name: people_by_identity
SELECT a.id, a.created_at, a.language, a.display_name, b.xp, b.coins,
       b.messages_sent, b.voice_seconds, b.games_played, b.games_won, b.achievements, b.daily_streak,
       r.id, r.name, r.xp, n.name, n.xp,
       (SELECT string_agg(g.code, ',' ORDER BY h.earned_at, g.id) FROM public.badge_user_association h
        JOIN public.badges g ON g.id = h.badge_id WHERE h.user_id = a.id),
       i.platform::text, i.platform_id, i.email, i.username, i.name, i.language_hint, i.id
FROM public.identity me
JOIN public.account a ON a.id = me.account_id
JOIN public.account_balance b ON b.account_id = a.id
JOIN public.identity i ON i.account_id = a.id
CROSS JOIN LATERAL (SELECT id, name, xp FROM public.rank WHERE xp <= b.xp ORDER BY xp DESC LIMIT 1) AS r
LEFT JOIN LATERAL (SELECT name, xp FROM public.rank WHERE xp > b.xp ORDER BY xp LIMIT 1) AS n ON true
WHERE me.platform = $1::public.platform AND me.platform_id = $2::bigint
ORDER BY i.attached_at, i.id;
