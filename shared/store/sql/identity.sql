-- Accounts and identities. Column lists of member_* are read by one function (store/identity.c, read_member).

-- name: member_by_identity
SELECT a.id, a.created_at, a.language, a.display_name, a.hidden, a.merged_into,
       b.xp, b.coins, b.season_no, b.season_xp, b.season_coins, b.week_no, b.week_xp, b.week_coins, b.messages_sent, b.voice_seconds,
       b.games_played, b.games_won, b.achievements, b.daily_streak, b.last_daily, b.wins_in_row, b.wins_best, b.dailies,
       b.tickets_opened, b.promos_used, b.referrals, b.links, b.profile_complete, b.day_no, b.day_games_played, b.day_games_won,
       b.day_dailies, b.week_games_played, b.week_games_won, b.week_wins_in_row, b.week_wins_best, b.xp_day_no, b.day_message_xp,
       b.day_voice_xp, b.last_message_at, b.last_text, b.voice_rest, b.voice_session, b.voice_session_xp, b.rank_paid,
       i.id, i.platform, i.platform_id, i.email, i.username, i.name, i.language_hint,
       i.first_seen, i.last_seen, i.attached_at, i.linked_at, coalesce(f.survivor_id, i.detached_from), i.detached_at
FROM public.identity me
JOIN public.account a ON a.id = me.account_id
JOIN public.account_balance b ON b.account_id = a.id
JOIN public.identity i ON i.account_id = a.id
LEFT JOIN public.account_family f ON f.account_id = i.detached_from
WHERE me.platform = $1::public.platform AND me.platform_id = $2::bigint
ORDER BY i.attached_at, i.id;

-- name: member_by_account
SELECT a.id, a.created_at, a.language, a.display_name, a.hidden, a.merged_into,
       b.xp, b.coins, b.season_no, b.season_xp, b.season_coins, b.week_no, b.week_xp, b.week_coins, b.messages_sent, b.voice_seconds,
       b.games_played, b.games_won, b.achievements, b.daily_streak, b.last_daily, b.wins_in_row, b.wins_best, b.dailies,
       b.tickets_opened, b.promos_used, b.referrals, b.links, b.profile_complete, b.day_no, b.day_games_played, b.day_games_won,
       b.day_dailies, b.week_games_played, b.week_games_won, b.week_wins_in_row, b.week_wins_best, b.xp_day_no, b.day_message_xp,
       b.day_voice_xp, b.last_message_at, b.last_text, b.voice_rest, b.voice_session, b.voice_session_xp, b.rank_paid,
       i.id, i.platform, i.platform_id, i.email, i.username, i.name, i.language_hint,
       i.first_seen, i.last_seen, i.attached_at, i.linked_at, coalesce(f.survivor_id, i.detached_from), i.detached_at
FROM public.account a
JOIN public.account_balance b ON b.account_id = a.id
LEFT JOIN public.identity i ON i.account_id = a.id
LEFT JOIN public.account_family f ON f.account_id = i.detached_from
WHERE a.id = $1::bigint
ORDER BY i.attached_at, i.id;

-- What /profile and /rank show, of several people at once; each is looked up by himself, whatever the planner thinks of their number. Which
-- rank their XP is follows from the catalogue (service/profile.c).
-- name: profiles_by_identity
SELECT p.*, w.place
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS w(platform, platform_id, place)
CROSS JOIN LATERAL (
    SELECT a.id, a.language, me.username, me.name, me.language_hint, me.last_seen, -- the reader: store/shown.c
           a.display_name, b.xp, b.coins,
           (SELECT string_agg(i.platform::text, ',' ORDER BY i.attached_at, i.id) FROM public.identity i WHERE i.account_id = a.id) AS platforms,
           a.hidden
    FROM public.identity me
    JOIN public.account a ON a.id = me.account_id
    JOIN public.account_balance b ON b.account_id = a.id
    WHERE me.platform = w.platform::public.platform AND me.platform_id = w.platform_id
    OFFSET 0) p;

-- One statement, so that a person is never half made. A second maker of the same identity gets 23505.
-- name: identity_create
WITH made AS (INSERT INTO public.account (created_at) VALUES ($7::timestamptz) RETURNING id),
     sums AS (INSERT INTO public.account_balance (account_id, last_active) SELECT id, $7::timestamptz FROM made)
INSERT INTO public.identity (account_id, platform, platform_id, email, username, name, language_hint, first_seen, last_seen, attached_at)
SELECT id, $1::public.platform, $2::bigint, $3::text, $4::text, $5::text, $6::text, $7::timestamptz, $7::timestamptz, $7::timestamptz
FROM made
RETURNING id, account_id;

-- name: identity_touch
UPDATE public.identity
SET username = $2::text, name = $3::text, language_hint = coalesce($4::text, language_hint), last_seen = greatest(last_seen, $5::timestamptz)
WHERE id = $1::bigint;

-- name: identity_account
SELECT account_id FROM public.identity WHERE id = $1::bigint;

-- name: identity_reach_set
INSERT INTO public.identity_reach AS r (identity_id, bot, can_message, changed_at)
VALUES ($1::bigint, $2::text, $3::boolean, $4::timestamptz)
ON CONFLICT (identity_id, bot) DO UPDATE SET can_message = EXCLUDED.can_message, changed_at = EXCLUDED.changed_at
WHERE r.can_message IS DISTINCT FROM EXCLUDED.can_message;

-- name: identity_reach_get
SELECT can_message FROM public.identity_reach WHERE identity_id = $1::bigint AND bot = $2::text AND can_message IS NOT NULL;

-- Alive accounts only, always in the order of their ids (decisions.md 11).
-- name: account_lock
SELECT id FROM public.account WHERE id = ANY($1::bigint[]) AND merged_into IS NULL AND erased_at IS NULL ORDER BY id FOR NO KEY UPDATE;

-- As account_lock, and then says whether both are chosen now that make a profile.
-- name: account_set_language
UPDATE public.account SET language = $2::text WHERE id = $1::bigint AND merged_into IS NULL AND erased_at IS NULL
RETURNING coalesce(display_name, '') <> '';

-- name: account_create
WITH made AS (INSERT INTO public.account (created_at, language, display_name, hidden)
              SELECT $2::timestamptz, a.language, NULL, a.hidden FROM public.account a WHERE a.id = $1::bigint RETURNING id)
INSERT INTO public.account_balance (account_id, last_active) SELECT id, $2::timestamptz FROM made RETURNING account_id;

-- All sums but XP and coins, which only the ledger's statements change. In the order of struct balance (store/balance.c).
-- name: balance_set_sums
UPDATE public.account_balance
SET season_no = $2::integer, season_xp = $3::bigint, season_coins = $4::bigint, week_no = $5::integer, week_xp = $6::bigint,
    week_coins = $7::bigint, messages_sent = $8::bigint, voice_seconds = $9::bigint, games_played = $10::bigint, games_won =
    $11::bigint, achievements = $12::bigint, daily_streak = $13::integer, last_daily = $14::timestamptz, wins_in_row = $15::integer,
    wins_best = $16::integer, dailies = $17::integer, tickets_opened = $18::integer, promos_used = $19::integer, referrals =
    $20::integer, links = $21::smallint, profile_complete = $22::smallint, day_no = $23::integer, day_games_played = $24::integer,
    day_games_won = $25::integer, day_dailies = $26::integer, week_games_played = $27::integer, week_games_won = $28::integer,
    week_wins_in_row = $29::integer, week_wins_best = $30::integer, xp_day_no = $31::integer, day_message_xp = $32::integer,
    day_voice_xp = $33::integer, last_message_at = $34::timestamptz, last_text = $35::bigint, voice_rest = $36::integer, voice_session
    = $37::bigint, voice_session_xp = $38::integer, rank_paid = $39::smallint
WHERE account_id = $1::bigint;

-- name: audit_insert
INSERT INTO public.audit_log (at, actor, action, account_id, before, after, reason)
VALUES ($1::timestamptz, $2::text, $3::text, $4::bigint, $5::jsonb, $6::jsonb, $7::text);
