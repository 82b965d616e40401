-- The operator's reports and changes (trivet ...). Reports name no secret column and no body.

-- name: operator_account_of
SELECT i.account_id, i.id FROM public.identity i WHERE i.platform = $1::public.platform AND (i.platform_id = $2::bigint OR i.email = $3::text);

-- name: operator_user
SELECT a.id, a.display_name, a.language, a.created_at, a.merged_into, a.merged_at, b.xp, b.coins,
       (SELECT r.name FROM public.rank r WHERE r.xp <= b.xp ORDER BY r.xp DESC LIMIT 1) AS rank, a.hidden
FROM public.account a JOIN public.account_balance b ON b.account_id = a.id
WHERE a.id = $1::bigint;

-- name: operator_identities
SELECT i.platform::text, coalesce(i.platform_id::text, i.email), i.username, i.name, i.first_seen, i.last_seen, i.linked_at,
       (SELECT string_agg(r.bot, ',' ORDER BY r.bot) FROM public.identity_reach r WHERE r.identity_id = i.id AND r.can_message)
FROM public.identity i WHERE i.account_id = $1::bigint ORDER BY i.attached_at, i.id;

-- How people came to an account, or to one that became part of it, and left: joinings, undos, unlinks, the newest first. `other` is the account that
-- was joined to `account`, or that stands alone since. People by the numbers in the record; where it has none, by the oldest of their side.
-- name: operator_history
WITH family AS (
    SELECT array_append(ARRAY(SELECT f.account_id FROM public.account_family f WHERE f.survivor_id = $1::bigint), $1::bigint) AS ids
), joined AS (
    SELECT m.* FROM public.merge m
    WHERE m.survivor_id = ANY ((SELECT f.ids FROM family f)::bigint[]) OR m.loser_id = ANY ((SELECT f.ids FROM family f)::bigint[])
), parted AS (
    SELECT p.id FROM public.audit_log p WHERE p.action IN ('unlink', 'link_undo') AND p.account_id = ANY ((SELECT f.ids FROM family f)::bigint[])
    UNION
    SELECT p.id FROM public.audit_log p
    WHERE p.action IN ('unlink', 'link_undo') AND (p.after ->> 'account')::bigint = ANY ((SELECT f.ids FROM family f)::bigint[])
    UNION
    SELECT p.id FROM joined j JOIN public.audit_log p ON p.action = 'link_undo' AND (p.after ->> 'account')::bigint = j.loser_id
                                                     AND (p.before ->> 'merge')::bigint = j.id
), happened AS (
    SELECT j.at, coalesce(a.id, 0) AS place, CASE j.histories WHEN 2 THEN 'merge' ELSE 'link' END AS event,
           coalesce(a.actor, CASE WHEN j.issuer_identity_id IS NULL THEN 'operator' ELSE 'code' END) AS by, j.id AS merge, j.survivor_id AS account,
           j.loser_id AS other, coalesce(a.before -> 'loser' -> 'identities', jsonb_build_array(j.loser_oldest_id)) AS who,
           coalesce(a.before -> 'survivor' -> 'identities', jsonb_build_array(j.survivor_oldest_id)) AS beside
    FROM joined j
    LEFT JOIN public.audit_log a ON a.account_id = j.survivor_id AND a.at = j.at AND a.action = 'link' AND (a.after ->> 'merge')::bigint = j.id
    UNION ALL
    SELECT a.at, a.id, CASE a.action WHEN 'unlink' THEN 'unlink' ELSE 'undo' END, a.actor, m.id, a.account_id, (a.after ->> 'account')::bigint,
           coalesce(a.after -> 'identities', jsonb_build_array(coalesce(a.after -> 'identity', to_jsonb(m.loser_oldest_id)))), NULL
    FROM public.audit_log a
    LEFT JOIN public.merge m ON a.action = 'link_undo' AND m.id = (a.before ->> 'merge')::bigint
    WHERE a.id = ANY (ARRAY(SELECT p.id FROM parted p))
)
SELECT h.at, h.event, h.by, h.merge, h.account, h.other, w.names::text, b.names::text
FROM (SELECT * FROM happened ORDER BY at DESC, place DESC LIMIT $2::bigint) AS h
CROSS JOIN LATERAL (
    SELECT array_agg(coalesce(i.platform || ':' || coalesce(i.platform_id::text, i.email), 'identity:' || e.number) ORDER BY e.place) AS names
    FROM jsonb_array_elements_text(h.who) WITH ORDINALITY AS e(number, place) LEFT JOIN public.identity i ON i.id = e.number::bigint) AS w
CROSS JOIN LATERAL (
    SELECT array_agg(coalesce(i.platform || ':' || coalesce(i.platform_id::text, i.email), 'identity:' || e.number) ORDER BY e.place) AS names
    FROM jsonb_array_elements_text(h.beside) WITH ORDINALITY AS e(number, place) LEFT JOIN public.identity i ON i.id = e.number::bigint) AS b
ORDER BY h.at DESC, h.place DESC;

-- Of the whole family, as /balance shows it (history_by_identity): rows stay with the account that they were written for.
-- name: operator_ledger
SELECT l.at, l.user_id, l.kind, l.source, l.xp, l.coins, l.xp_after, l.coins_after, l.reason
FROM (SELECT $1::bigint AS account_id UNION SELECT f.account_id FROM public.account_family f WHERE f.survivor_id = $1::bigint) AS w
CROSS JOIN LATERAL (SELECT x.* FROM public.ledger x WHERE x.user_id = w.account_id ORDER BY x.at DESC, x.id DESC LIMIT $2::bigint) AS l
ORDER BY l.at DESC, l.id DESC LIMIT $2::bigint;

-- Of the whole family (migrations/0013): what bots keep of the person, the present ones before those set aside.
-- name: operator_sessions
SELECT s.bot_name, s.version, octet_length(s.session_data::text) + octet_length(s.stats_data::text), s.updated_at, s.aside_at
FROM public.bot_session s
WHERE s.user_id = ANY (array_append(ARRAY(SELECT f.account_id FROM public.account_family f WHERE f.survivor_id = $1::bigint), $1::bigint))
ORDER BY s.bot_name, s.aside_at DESC NULLS FIRST, s.user_id LIMIT 100;

-- held: by how many accounts, those that took it along when they left another included.
-- name: operator_badge_list
SELECT b.code, b.name, b.name_ru, b.description, b.description_ru, b.criteria ->> 'counter', (b.criteria ->> 'at_least')::numeric::bigint, b.xp,
       b.coins, coalesce(h.held, 0)
FROM public.badges b
LEFT JOIN (SELECT a.badge_id, count(*) AS held FROM public.badge_user_association a GROUP BY a.badge_id) AS h ON h.badge_id = b.id
ORDER BY b.id;

-- $6 NULL: without a condition. No row: there are $10 already, as many as programs read.
-- name: operator_badge_new
INSERT INTO public.badges (code, name, name_ru, description, description_ru, criteria, xp, coins)
SELECT $1::text, $2::text, $3::text, $4::text, $5::text,
       CASE WHEN $6::text IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('counter', $6::text, 'at_least', $7::bigint) END, $8::bigint, $9::bigint
WHERE (SELECT count(*) FROM public.badges) < $10::bigint;

-- name: operator_outbox
SELECT o.id, o.platform::text, o.bot, o.recipient::text, o.topic, o.status::text, o.attempts, o.created_at, o.due_at, o.done_at, o.error
FROM public.outbox o
WHERE $1::text IS NULL OR o.status = $1::public.outbox_status
ORDER BY o.id DESC LIMIT $2::bigint;

-- name: operator_events
SELECT f.id, f.platform::text, f.platform_id::text, f.type, f.key, f.accepted_at, f.state, f.error
FROM (SELECT q.id, q.platform, q.platform_id, q.type, q.key, q.accepted_at, 'set aside' AS state, q.error
      FROM public.event_queue q WHERE q.attempts >= 5
      UNION ALL
      SELECT e.id, e.platform, NULL, e.type, e.key, e.accepted_at, 'rejected', e.rejected
      FROM public.event e WHERE e.rejected IS NOT NULL) AS f
ORDER BY f.accepted_at DESC, f.id DESC LIMIT $1::bigint;

-- Updates of platforms that were authentic and could not be worked.
-- name: operator_updates_aside
SELECT u.id, u.platform::text, u.bot, u.at, u.reason, u.size FROM public.update_aside u ORDER BY u.id DESC LIMIT $1::bigint;

-- Back in their lanes, at the place they had; $1 NULL: all that stand aside.
-- name: operator_events_retry
UPDATE public.event_queue SET attempts = 0, error = NULL WHERE attempts >= 5 AND ($1::bigint IS NULL OR id = $1::bigint);

-- Given up, and still with words to send. $1 NULL: all of them. What has an end and is past it stays.
-- name: operator_outbox_retry
UPDATE public.outbox
SET status = 'pending', attempts = 0, doubts = 0, behind = false, error = NULL, done_at = NULL, due_at = $2::timestamptz, give_up_at = $2::timestamptz + interval '24 hours'
WHERE status IN ('failed', 'permanent') AND body IS NOT NULL AND (expires_at IS NULL OR expires_at > $2::timestamptz)
  AND ($1::bigint IS NULL OR id = $1::bigint);

-- name: operator_count_accounts
SELECT count(*) FROM public.account_balance;

-- name: operator_apikey_new
INSERT INTO public.api_key (name, hash, scopes, bot, platform, trust, created_at, per_minute, in_flight)
VALUES ($1, $2, $3::text[], $4, $5::public.platform, $6, $7::timestamptz, $8::integer, $9::integer);

-- name: operator_apikey_list
SELECT k.name, k.scopes::text, k.bot, k.platform::text, k.trust, k.per_minute, k.in_flight, k.created_at, k.last_used_at, k.revoked_at, u.today, u.days_30,
       u.refused_30
FROM public.api_key k
LEFT JOIN LATERAL (
    SELECT coalesce(sum(requests) FILTER (WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date), 0)::bigint AS today, coalesce(sum(requests), 0)::bigint AS days_30,
           coalesce(sum(refused), 0)::bigint AS refused_30
    FROM public.api_key_usage
    WHERE api_key_id = k.id AND day > ($1::timestamptz AT TIME ZONE 'UTC')::date - 30) AS u ON true
ORDER BY k.name;

-- name: operator_apikey_usage
SELECT u.day::text, u.route, u.requests, u.refused
FROM public.api_key k JOIN public.api_key_usage u ON u.api_key_id = k.id
WHERE k.name = $1 AND u.day > ($2::timestamptz AT TIME ZONE 'UTC')::date - 30
ORDER BY u.day DESC, u.requests DESC, u.route;

-- $2: whether the rate changes; $3 NULL: to none. $4 NULL: stays.
-- name: operator_apikey_limit
UPDATE public.api_key SET per_minute = CASE WHEN $2::boolean THEN $3::integer ELSE per_minute END, in_flight = coalesce($4::integer, in_flight)
WHERE name = $1 AND revoked_at IS NULL;

-- name: operator_apikey_revoke
UPDATE public.api_key SET revoked_at = $2::timestamptz WHERE name = $1 AND revoked_at IS NULL;

-- name: operator_chat_add
INSERT INTO public.chat AS c (platform, chat_id, title, state, changed_at)
VALUES ($1::public.platform, $2, $3, 'registered', $4::timestamptz)
ON CONFLICT (platform, chat_id) DO UPDATE SET state = 'registered', title = coalesce(excluded.title, c.title), changed_at = excluded.changed_at;

-- name: operator_chat_ignore
INSERT INTO public.chat (platform, chat_id, state, changed_at) VALUES ($1::public.platform, $2, 'ignored', $3::timestamptz)
ON CONFLICT (platform, chat_id) DO UPDATE SET state = 'ignored', changed_at = excluded.changed_at;

-- name: operator_chat_multiply
UPDATE public.chat SET multiplier = $3, changed_at = $4::timestamptz WHERE platform = $1::public.platform AND chat_id = $2;

-- name: operator_chat_announce
UPDATE public.chat SET announce = $3::boolean, language = coalesce($4::text, language), changed_at = $5::timestamptz
WHERE platform = $1::public.platform AND chat_id = $2;

-- name: operator_chat_list
SELECT platform::text, chat_id::text, title, state, multiplier, announce, language, changed_at FROM public.chat ORDER BY platform, chat_id;

-- A word that is the name of a rank, or the letter of several. What was refused is tried again, and everybody is looked at.
-- name: operator_role_map
WITH what AS (
    SELECT w.rank_id, w.letter
    FROM (SELECT 1 AS place, r.id AS rank_id, NULL::text AS letter FROM public.rank r WHERE lower(r.name) = lower($3::text)
          UNION ALL
          SELECT 2, NULL, split_part(r.name, ' ', 1) FROM public.rank r WHERE lower(split_part(r.name, ' ', 1)) = lower($3::text)) AS w
    ORDER BY w.place LIMIT 1
), guild AS (
    INSERT INTO public.role_guild AS g (guild_id) SELECT $1::bigint FROM what
    ON CONFLICT (guild_id) DO UPDATE SET swept_to = 0, sweep_at = '-infinity', refused = NULL, refused_at = NULL
)
INSERT INTO public.role_map AS m (guild_id, role_id, rank_id, letter, changed_at)
SELECT $1::bigint, $2::bigint, w.rank_id, w.letter, $4::timestamptz FROM what w
ON CONFLICT (guild_id, role_id) DO UPDATE
SET rank_id = excluded.rank_id, letter = excluded.letter, changed_at = excluded.changed_at, refused = NULL, refused_at = NULL;

-- Who holds the role keeps it. With a server's last role go its marks.
-- name: operator_role_unmap
WITH last AS (
    SELECT m.guild_id FROM public.role_map m
    WHERE m.guild_id = $1::bigint AND m.role_id = $2::bigint
      AND NOT EXISTS (SELECT 1 FROM public.role_map o WHERE o.guild_id = $1::bigint AND o.role_id <> $2::bigint)
), members AS (
    DELETE FROM public.role_member WHERE guild_id IN (SELECT guild_id FROM last)
), guilds AS (
    DELETE FROM public.role_guild WHERE guild_id IN (SELECT guild_id FROM last)
)
DELETE FROM public.role_map WHERE guild_id = $1::bigint AND role_id = $2::bigint;

-- name: operator_role_list
SELECT m.guild_id::text, m.role_id::text, coalesce(r.name, m.letter),
       (SELECT count(*) FROM public.role_member h WHERE h.guild_id = m.guild_id AND m.role_id = ANY (h.applied)),
       (SELECT count(*) FROM public.role_member h WHERE h.guild_id = m.guild_id AND m.role_id = ANY (h.wanted) AND NOT h.absent AND m.role_id <> ALL (h.applied)),
       coalesce(g.refused, m.refused), coalesce(g.refused_at, m.refused_at)
FROM public.role_map m
JOIN public.role_guild g ON g.guild_id = m.guild_id
LEFT JOIN public.rank r ON r.id = m.rank_id
ORDER BY m.guild_id, coalesce(r.xp, (SELECT min(l.xp) FROM public.rank l WHERE split_part(l.name, ' ', 1) = m.letter)), m.role_id;
