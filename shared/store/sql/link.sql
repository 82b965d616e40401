-- Codes, joinings, undos. Source: decisions.md 10, 11 and 18.

-- name: code_put
INSERT INTO public.account_code (account_id, code_hash, token_hash, identity_id, bot, expires_at)
VALUES ($1::bigint, $2::bytea, $3::bytea, $4::bigint, $5::text, $6::timestamptz)
ON CONFLICT (account_id) DO UPDATE
SET code_hash = EXCLUDED.code_hash, token_hash = EXCLUDED.token_hash, identity_id = EXCLUDED.identity_id, bot = EXCLUDED.bot,
    expires_at = EXCLUDED.expires_at;

-- name: code_named
SELECT 1 FROM public.account_code WHERE code_hash = $1::bytea AND expires_at > $2::timestamptz;

-- name: code_find
SELECT account_id, code_hash, token_hash, identity_id, bot, expires_at
FROM public.account_code WHERE code_hash = $1::bytea OR token_hash = $1::bytea;

-- name: code_drop
DELETE FROM public.account_code WHERE account_id = $1::bigint;

-- Both forms of a code are used together. 0 rows: used before.
-- name: code_use
INSERT INTO public.code_used (hash, account_id, expires_at)
SELECT h, $3::bigint, $4::timestamptz FROM unnest(ARRAY[$1::bytea, $2::bytea]) AS h ORDER BY h
ON CONFLICT (hash) DO NOTHING;

-- name: code_unuse
DELETE FROM public.code_used WHERE hash IN ($1::bytea, $2::bytea);

-- name: code_is_used
SELECT 1 FROM public.code_used WHERE hash = $1::bytea AND expires_at > $2::timestamptz;

-- What is known before the transaction: was this update answered already, and since when is the person known.
-- name: redeem_before
SELECT EXISTS (SELECT 1 FROM public.inbox WHERE key = $1::text),
       coalesce((SELECT first_seen FROM public.identity WHERE platform = $2::public.platform AND platform_id = $3::bigint),
                (SELECT first_seen FROM public.identity WHERE email = $4::text));

-- name: confirmation_put
INSERT INTO public.link_confirmation (token, issuer_identity_id, redeemer_identity_id, issuer_bot, created_at, expires_at)
VALUES ($1::text, $2::bigint, $3::bigint, $4::text, $5::timestamptz, $6::timestamptz);

-- name: confirmation_take
SELECT issuer_identity_id, redeemer_identity_id, issuer_bot, created_at, expires_at, answer
FROM public.link_confirmation WHERE token = $1::text FOR UPDATE;

-- name: confirmation_answer
UPDATE public.link_confirmation SET answer = $2::text WHERE token = $1::text;

-- Merges of two histories that an account, or one that became part of it, went through since a time, on either side.
-- name: merges_recent
SELECT count(*)
FROM public.merge m, (SELECT array_append(array_agg(account_id), $1::bigint) AS ids FROM public.account_family WHERE survivor_id = $1::bigint) f
WHERE m.histories = 2 AND m.at > $2::timestamptz AND (m.survivor_id = ANY (f.ids) OR m.loser_id = ANY (f.ids));

-- In the order of $4, a microsecond apart: among themselves the oldest stays the oldest.
-- name: identities_move
UPDATE public.identity i
SET account_id = $2::bigint, attached_at = $3::timestamptz + (o.place - 1) * interval '1 microsecond'
FROM unnest($4::bigint[]) WITH ORDINALITY AS o(id, place)
WHERE i.id = o.id AND i.account_id = $1::bigint;

-- name: identities_linked
UPDATE public.identity SET linked_at = $2::timestamptz WHERE account_id = $1::bigint;

-- Two accounts of one family: the loser and all that had become part of it point to the survivor.
-- name: family_join
WITH moved AS (UPDATE public.account_family SET survivor_id = $1::bigint WHERE survivor_id = $2::bigint)
INSERT INTO public.account_family (account_id, survivor_id) VALUES ($2::bigint, $1::bigint);

-- name: account_mark_merged
UPDATE public.account
SET merged_into = $1::bigint, merged_at = $3::timestamptz
WHERE id = $2::bigint;

-- name: account_hide_if
UPDATE public.account SET hidden = true WHERE id = $1::bigint AND NOT hidden AND EXISTS (
    SELECT 1 FROM public.account l WHERE l.id = $2::bigint AND l.hidden);

-- The sums in the order of balance_sums[] (core/account.c), here and in merge_get.
-- name: merge_insert
INSERT INTO public.merge (survivor_id, loser_id, issuer_identity_id, redeemer_identity_id, survivor_oldest_id, loser_oldest_id, identity_ids,
                          histories, xp, coins, season_no, week_no, day_no, season_xp, season_coins, week_xp, week_coins,
                          messages_sent, voice_seconds, games_played, games_won, dailies, tickets_opened, promos_used, referrals,
                          day_games_played, day_games_won, day_dailies, week_games_played, week_games_won, at,
                          brought_streak, brought_daily, brought_wins, kept_streak, kept_daily, kept_wins)
VALUES ($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint[],
        $8::smallint, $9::bigint, $10::bigint, $11::integer, $12::integer, $13::integer, $14::bigint, $15::bigint, $16::bigint,
        $17::bigint, $18::bigint, $19::bigint, $20::bigint, $21::bigint, $22::bigint, $23::bigint, $24::bigint, $25::bigint,
        $26::bigint, $27::bigint, $28::bigint, $29::bigint, $30::bigint, $31::timestamptz,
        $32::integer, $33::timestamptz, $34::integer, $35::integer, $36::timestamptz, $37::integer)
RETURNING id;

-- `later`: the joinings that carried this one's data on, from its survivor up to the account that lives.
-- The last columns: what was still there when each of them happened, the smallest counts. What was spent before is nobody's to give back.
-- name: merge_get
WITH RECURSIVE later AS (
    SELECT c.* FROM public.merge m JOIN public.merge c ON c.loser_id = m.survivor_id AND c.undone_at IS NULL WHERE m.id = $1::bigint
    UNION ALL
    SELECT c.* FROM later l JOIN public.merge c ON c.loser_id = l.survivor_id AND c.undone_at IS NULL
)
SELECT m.id, m.survivor_id, m.loser_id, m.issuer_identity_id, m.redeemer_identity_id, m.survivor_oldest_id, m.loser_oldest_id,
       m.identity_ids[1], m.identity_ids[2], m.identity_ids[3], m.histories, m.season_no, m.week_no, m.day_no,
       m.at, m.undone_at, coalesce(f.survivor_id, m.survivor_id),
       m.brought_streak, m.brought_daily, m.brought_wins, m.kept_streak, m.kept_daily, m.kept_wins,
       least(m.xp, min(l.xp)), least(m.coins, min(l.coins)), least(m.season_xp, min(l.season_xp)), least(m.season_coins,
       min(l.season_coins)), least(m.week_xp, min(l.week_xp)), least(m.week_coins, min(l.week_coins)), least(m.messages_sent,
       min(l.messages_sent)), least(m.voice_seconds, min(l.voice_seconds)), least(m.games_played, min(l.games_played)),
       least(m.games_won, min(l.games_won)), least(m.dailies, min(l.dailies)), least(m.tickets_opened, min(l.tickets_opened)),
       least(m.promos_used, min(l.promos_used)), least(m.referrals, min(l.referrals)), least(m.day_games_played,
       min(l.day_games_played)), least(m.day_games_won, min(l.day_games_won)), least(m.day_dailies, min(l.day_dailies)),
       least(m.week_games_played, min(l.week_games_played)), least(m.week_games_won, min(l.week_games_won))
FROM public.merge m LEFT JOIN public.account_family f ON f.account_id = m.survivor_id LEFT JOIN later l ON true
WHERE m.id = $1::bigint
GROUP BY m.id, f.survivor_id;

-- Brought back to life: it points to nobody, and what had become part of it points to it again.
-- name: family_leave
DELETE FROM public.account_family WHERE account_id = $1::bigint;

-- Those that had joined `loser` before it was joined: found by following merges that were not undone.
-- name: family_return
WITH RECURSIVE part AS (
    SELECT m.loser_id AS id FROM public.merge m WHERE m.survivor_id = $1::bigint AND m.undone_at IS NULL
    UNION
    SELECT m.loser_id FROM public.merge m JOIN part p ON m.survivor_id = p.id WHERE m.undone_at IS NULL
)
UPDATE public.account_family SET survivor_id = $1::bigint WHERE account_id IN (SELECT id FROM part);

-- name: account_mark_alive
UPDATE public.account SET merged_into = NULL, merged_at = NULL WHERE id = $1::bigint;

-- $5: whether they must wait before they join another account, as after an unlink; a wait from before goes on.
-- name: identities_return
UPDATE public.identity i
SET account_id = $2::bigint, attached_at = $4::timestamptz + (o.place - 1) * interval '1 microsecond', linked_at = NULL,
    detached_from = CASE WHEN $5::boolean THEN $1::bigint ELSE i.detached_from END,
    detached_at = CASE WHEN $5::boolean THEN $4::timestamptz ELSE i.detached_at END
FROM unnest($3::bigint[]) WITH ORDINALITY AS o(id, place)
WHERE i.id = o.id AND i.account_id = $1::bigint;

-- Nobody came new to those who stay.
-- name: identities_unlinked
UPDATE public.identity i SET linked_at = NULL FROM public.merge m WHERE m.id = $2::bigint AND i.account_id = $1::bigint AND i.linked_at = m.at;

-- name: merge_mark_undone
UPDATE public.merge SET undone_at = $2::timestamptz, undone_by = $3::text WHERE id = $1::bigint;

-- The later joinings that carried it on have that much less to give back, whatever was left of it, and nobody of it to take along.
-- name: merge_reduce
WITH RECURSIVE later AS (
    SELECT c.id, c.survivor_id FROM public.merge m JOIN public.merge c ON c.loser_id = m.survivor_id AND c.undone_at IS NULL
    WHERE m.id = $1::bigint
    UNION ALL
    SELECT c.id, c.survivor_id FROM later l JOIN public.merge c ON c.loser_id = l.survivor_id AND c.undone_at IS NULL
)
UPDATE public.merge c
SET xp = greatest(0, c.xp - m.xp), coins = greatest(0, c.coins - m.coins),
    season_xp = CASE WHEN c.season_no = m.season_no THEN greatest(0, c.season_xp - m.season_xp) ELSE c.season_xp END,
    season_coins = CASE WHEN c.season_no = m.season_no THEN greatest(0, c.season_coins - m.season_coins) ELSE c.season_coins END,
    week_xp = CASE WHEN c.week_no = m.week_no THEN greatest(0, c.week_xp - m.week_xp) ELSE c.week_xp END,
    week_coins = CASE WHEN c.week_no = m.week_no THEN greatest(0, c.week_coins - m.week_coins) ELSE c.week_coins END,
    messages_sent = greatest(0, c.messages_sent - m.messages_sent), voice_seconds = greatest(0, c.voice_seconds - m.voice_seconds),
    games_played = greatest(0, c.games_played - m.games_played), games_won = greatest(0, c.games_won - m.games_won),
    dailies = greatest(0, c.dailies - m.dailies), tickets_opened = greatest(0, c.tickets_opened - m.tickets_opened),
    promos_used = greatest(0, c.promos_used - m.promos_used), referrals = greatest(0, c.referrals - m.referrals),
    day_games_played = CASE WHEN c.day_no = m.day_no THEN greatest(0, c.day_games_played - m.day_games_played) ELSE c.day_games_played END,
    day_games_won = CASE WHEN c.day_no = m.day_no THEN greatest(0, c.day_games_won - m.day_games_won) ELSE c.day_games_won END,
    day_dailies = CASE WHEN c.day_no = m.day_no THEN greatest(0, c.day_dailies - m.day_dailies) ELSE c.day_dailies END,
    week_games_played = CASE WHEN c.week_no = m.week_no THEN greatest(0, c.week_games_played - m.week_games_played) ELSE c.week_games_played END,
    week_games_won = CASE WHEN c.week_no = m.week_no THEN greatest(0, c.week_games_won - m.week_games_won) ELSE c.week_games_won END,
    identity_ids = ARRAY(SELECT u.id FROM unnest(c.identity_ids) WITH ORDINALITY AS u(id, place)
                         WHERE u.id <> ALL (m.identity_ids) ORDER BY u.place)
FROM public.merge m
WHERE m.id = $1::bigint AND c.id IN (SELECT id FROM later);

-- name: identity_detach
UPDATE public.identity
SET account_id = $2::bigint, attached_at = $4::timestamptz, detached_from = $3::bigint, detached_at = $4::timestamptz, linked_at = NULL
WHERE id = $1::bigint;

-- Who has left an account by himself left its data there: no undo of a joining takes him along when he comes back some day.
-- name: merge_forget_identity
UPDATE public.merge SET identity_ids = array_remove(identity_ids, $1::bigint)
WHERE undone_at IS NULL AND identity_ids @> ARRAY[$1::bigint] AND survivor_id IN (
    SELECT $2::bigint UNION SELECT account_id FROM public.account_family WHERE survivor_id = $2::bigint);
