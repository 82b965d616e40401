-- Events: keys, queue, lanes, archive; each statement serves a whole request or batch. Source: decisions.md 13 to 15.

-- Queue and tables are empty one day and full the next, so a plan kept from the one must not be ruinous in the other: all access below is by
-- index (arrays and scalar subqueries instead of joins with what may be large), whatever the statistics say.
-- name: event_plan
SELECT set_config('plan_cache_mode', $1, true), set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true);

-- Keys of events are kept apart from those of our own postings, so that no program can take one of those.
-- name: event_keys_find
SELECT k.key, k.content FROM public.event_key_recent k WHERE k.key = ANY ($1::text[])
UNION ALL
SELECT substr(k.key, 7), k.content FROM public.event_key k WHERE k.key = ANY (ARRAY(SELECT 'event:' || w.key FROM unnest($1::text[]) AS w(key)));

-- What is returned is ours; what is not was taken by another in the meantime.
-- name: event_keys_claim_recent
INSERT INTO public.event_key_recent (key, content, at)
SELECT w.key, w.content, w.at FROM unnest($1::text[], $2::bytea[], $3::timestamptz[]) AS w(key, content, at) ORDER BY w.key COLLATE "C", w.at
ON CONFLICT (key, at) DO NOTHING;

-- name: event_keys_claim
INSERT INTO public.event_key (key, content, at)
SELECT 'event:' || w.key, w.content, w.at FROM unnest($1::text[], $2::bytea[], $3::timestamptz[]) AS w(key, content, at)
ORDER BY w.key COLLATE "C"
ON CONFLICT (key) DO NOTHING;

-- People of a list who have no account yet.
-- name: identities_missing
SELECT w.platform::text, w.platform_id
FROM (SELECT DISTINCT platform, platform_id FROM unnest($1::public.platform[], $2::bigint[]) AS u(platform, platform_id)) AS w
WHERE (SELECT i.id FROM public.identity i WHERE i.platform = w.platform AND i.platform_id = w.platform_id) IS NULL;

-- Accounts for those of them whom no other transaction makes at the same time (for whom it waits).
-- name: identities_create
WITH fresh AS MATERIALIZED (
    SELECT w.platform, w.platform_id, nextval('public.account_id_seq') AS account_id
    FROM (SELECT DISTINCT platform, platform_id FROM unnest($1::public.platform[], $2::bigint[]) AS u(platform, platform_id)) AS w
), mine AS (
    INSERT INTO public.identity (account_id, platform, platform_id, first_seen, last_seen, attached_at)
    SELECT f.account_id, f.platform, f.platform_id, $3::timestamptz, $3::timestamptz, $3::timestamptz
    FROM fresh f ORDER BY f.platform, f.platform_id
    ON CONFLICT (platform, platform_id) DO NOTHING
    RETURNING account_id
), made AS (
    INSERT INTO public.account (id, created_at) SELECT m.account_id, $3::timestamptz FROM mine m RETURNING id
)
INSERT INTO public.account_balance (account_id, last_active) SELECT m.id, $3::timestamptz FROM made m;

-- The ids follow the order of the list.
-- name: event_queue_add
INSERT INTO public.event_queue (lane, platform, platform_id, source, type, data, key, at, accepted_at)
SELECT w.lane, w.platform, w.platform_id, $8::text, w.type, w.data, w.key, w.at, $9::timestamptz
FROM unnest($1::bigint[], $2::public.platform[], $3::bigint[], $4::text[], $5::jsonb[], $6::text[], $7::timestamptz[])
    WITH ORDINALITY AS w(lane, platform, platform_id, type, data, key, at, place)
ORDER BY w.place;

-- The lane that has waited longest of those that no other worker holds; $1: this one or none; NULL: any.
-- name: event_lane_take
SELECT l.lane
FROM public.event_lane l
CROSS JOIN LATERAL (SELECT q.id FROM public.event_queue q WHERE q.lane BETWEEN l.lane AND l.lane AND q.attempts < 5
                    ORDER BY q.lane, q.id LIMIT 1) AS oldest
WHERE $1::bigint IS NULL OR l.lane = $1::bigint
ORDER BY oldest.id
LIMIT 1
FOR UPDATE OF l SKIP LOCKED;

-- The lane's oldest. Never from a certain id on: ids commit out of order. Never SKIP LOCKED: it would change the order.
-- name: event_queue_oldest
-- The lane as a range of one, so that only the index of lanes can give this order.
SELECT q.id, q.platform::text, q.platform_id, q.source, q.type, q.data::text, q.key, q.at,
       (SELECT i.account_id FROM public.identity i WHERE i.platform = q.platform AND i.platform_id = q.platform_id)
FROM public.event_queue q
WHERE q.lane BETWEEN $1::smallint AND $1::smallint AND q.attempts < 5
ORDER BY q.lane, q.id
LIMIT $2::bigint;

-- Like account_lock, but says which of them are alive.
-- name: event_accounts_lock
SELECT id FROM public.account WHERE id = ANY ($1::bigint[]) AND merged_into IS NULL AND erased_at IS NULL ORDER BY id FOR NO KEY UPDATE;

-- Asked again under the accounts' locks: who is where now. By event id.
-- name: event_accounts_now
SELECT q.id, (SELECT i.account_id FROM public.identity i WHERE i.platform = q.platform AND i.platform_id = q.platform_id)
FROM public.event_queue q
WHERE q.id = ANY ($1::bigint[])
ORDER BY q.id;

-- In the order of struct balance (store/balance.c).
-- name: event_balances
SELECT account_id, last_active, xp, coins, season_no, season_xp, season_coins, week_no, week_xp, week_coins, messages_sent,
       voice_seconds, games_played, games_won, achievements, daily_streak, last_daily, wins_in_row, wins_best, dailies,
       tickets_opened, promos_used, referrals, links, profile_complete, day_no, day_games_played, day_games_won, day_dailies,
       week_games_played, week_games_won, week_wins_in_row, week_wins_best, xp_day_no, day_message_xp, day_voice_xp, last_message_at,
       last_text, voice_rest, voice_session, voice_session_xp, rank_paid
FROM public.account_balance WHERE account_id = ANY ($1::bigint[]) ORDER BY account_id;

-- name: event_balances_set
UPDATE public.account_balance b
SET xp = w.xp, coins = w.coins, season_no = w.season_no, season_xp = w.season_xp, season_coins = w.season_coins, week_no = w.week_no,
    week_xp = w.week_xp, week_coins = w.week_coins, messages_sent = w.messages_sent, voice_seconds = w.voice_seconds, games_played =
    w.games_played, games_won = w.games_won, achievements = w.achievements, daily_streak = w.daily_streak, last_daily = w.last_daily,
    wins_in_row = w.wins_in_row, wins_best = w.wins_best, dailies = w.dailies, tickets_opened = w.tickets_opened, promos_used =
    w.promos_used, referrals = w.referrals, links = w.links, profile_complete = w.profile_complete, day_no = w.day_no,
    day_games_played = w.day_games_played, day_games_won = w.day_games_won, day_dailies = w.day_dailies, week_games_played =
    w.week_games_played, week_games_won = w.week_games_won, week_wins_in_row = w.week_wins_in_row, week_wins_best = w.week_wins_best,
    xp_day_no = w.xp_day_no, day_message_xp = w.day_message_xp, day_voice_xp = w.day_voice_xp, last_message_at = w.last_message_at,
    last_text = w.last_text, voice_rest = w.voice_rest, voice_session = w.voice_session, voice_session_xp = w.voice_session_xp,
    rank_paid = w.rank_paid, last_active = greatest(b.last_active, w.last_active)
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::bigint[], $6::bigint[], $7::integer[], $8::bigint[],
            $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::integer[],
            $16::timestamptz[], $17::integer[], $18::integer[], $19::integer[], $20::integer[], $21::integer[], $22::integer[],
            $23::smallint[], $24::smallint[], $25::integer[], $26::integer[], $27::integer[], $28::integer[], $29::integer[],
            $30::integer[], $31::integer[], $32::integer[], $33::integer[], $34::integer[], $35::integer[], $36::timestamptz[],
            $37::bigint[], $38::integer[], $39::bigint[], $40::integer[], $41::smallint[], $42::timestamptz[])
    AS w(account_id, xp, coins, season_no, season_xp, season_coins, week_no, week_xp, week_coins, messages_sent, voice_seconds,
         games_played, games_won, achievements, daily_streak, last_daily, wins_in_row, wins_best, dailies, tickets_opened,
         promos_used, referrals, links, profile_complete, day_no, day_games_played, day_games_won, day_dailies, week_games_played,
         week_games_won, week_wins_in_row, week_wins_best, xp_day_no, day_message_xp, day_voice_xp, last_message_at, last_text,
         voice_rest, voice_session, voice_session_xp, rank_paid, last_active)
WHERE b.account_id = w.account_id AND b.account_id = ANY ($1::bigint[]);

-- The projection is written by event_balances_set, in the same transaction.
-- name: ledger_insert_many
INSERT INTO public.ledger (user_id, idempotency_key, kind, source, xp, coins, xp_after, coins_after, reason, at)
SELECT w.user_id, w.key, w.kind, w.source, w.xp, w.coins, w.xp_after, w.coins_after, w.reason, $10::timestamptz
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[])
    WITH ORDINALITY AS w(user_id, key, kind, source, xp, coins, xp_after, coins_after, reason, place)
ORDER BY w.place;

-- name: event_archive
WITH gone AS (
    DELETE FROM public.event_queue q WHERE q.id = ANY ($1::bigint[])
    RETURNING q.id, q.platform, q.type, q.data, q.key, q.at, q.accepted_at
)
INSERT INTO public.event (id, user_id, platform, type, data, key, at, accepted_at, applied_at, rejected)
SELECT g.id, w.user_id, g.platform, g.type, g.data, g.key, g.at, g.accepted_at, $4::timestamptz, w.rejected
FROM gone g
JOIN unnest($1::bigint[], $2::bigint[], $3::text[]) AS w(id, user_id, rejected) ON w.id = g.id
ORDER BY g.id;

-- name: event_attempt
UPDATE public.event_queue SET attempts = attempts + 1, error = $2::text WHERE id = $1::bigint RETURNING attempts;

-- How many were accepted ever, for a rate.
-- name: event_accepted
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.event_queue_id_seq;

-- Since when the oldest event waits that is not set aside; NULL: none does.
-- name: event_oldest
SELECT q.accepted_at
FROM public.event_lane l
CROSS JOIN LATERAL (SELECT e.accepted_at FROM public.event_queue e WHERE e.lane BETWEEN l.lane AND l.lane AND e.attempts < 5
                    ORDER BY e.lane, e.id LIMIT 1) AS q
ORDER BY q.accepted_at
LIMIT 1;
