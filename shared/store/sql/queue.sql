-- Outbox, leases, jobs and the worker's cleaning. Enum values are cast; names are schema-qualified (search_path is pg_catalog).

-- name: outbox_add
INSERT INTO public.outbox (platform, bot, account_id, recipient, urgent, topic, body, sealed, created_at, due_at, expires_at, give_up_at)
VALUES ($1::public.platform, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- Whoever may be written to for an account: the preferred bot first, then its platform, then what is newest. Telegram needs a known yes;
-- Discord has one bot and is tried when nothing is known.
-- name: outbox_reach
SELECT i.platform::text, coalesce(r.bot, $4), i.platform_id
FROM public.identity i
LEFT JOIN public.identity_reach r ON r.identity_id = i.id
WHERE i.account_id = $1
  AND ((i.platform = 'telegram' AND r.can_message) OR (i.platform = 'discord' AND r.can_message IS NOT false))
ORDER BY (i.platform::text = $2 AND coalesce(r.bot, $4) = $3) DESC NULLS LAST, (i.platform::text = $2) DESC NULLS LAST,
         r.can_message DESC NULLS LAST, i.last_seen DESC, r.changed_at DESC
LIMIT 1;

-- The same for many who want to hear of it, each with his preferred platform and bot. A topic without a switch is for everybody.
-- name: outbox_reach_many
SELECT w.place, r.platform, r.bot, r.recipient
FROM unnest($1::bigint[], $2::text[], $3::text[], $5::text[]) WITH ORDINALITY AS w(account_id, platform, bot, topic, place)
JOIN public.account a ON a.id = w.account_id
                     AND CASE w.topic WHEN 'rank' THEN a.notify_rank WHEN 'season' THEN a.notify_rank WHEN 'badge' THEN a.notify_badges
                                      WHEN 'mission' THEN a.notify_missions WHEN 'reminder' THEN a.notify_reminders ELSE true END
CROSS JOIN LATERAL (
    SELECT i.platform::text AS platform, coalesce(r.bot, $4::text) AS bot, i.platform_id AS recipient
    FROM public.identity i
    LEFT JOIN public.identity_reach r ON r.identity_id = i.id
    WHERE i.account_id = w.account_id
      AND ((i.platform = 'telegram' AND r.can_message) OR (i.platform = 'discord' AND r.can_message IS NOT false))
    ORDER BY (i.platform::text = w.platform AND coalesce(r.bot, $4::text) = w.bot) DESC NULLS LAST,
             (i.platform::text = w.platform) DESC NULLS LAST, r.can_message DESC NULLS LAST, i.last_seen DESC, r.changed_at DESC
    LIMIT 1) AS r
ORDER BY w.place;

-- Plain notices: nothing urgent, nothing sealed.
-- name: outbox_add_many
INSERT INTO public.outbox (platform, bot, account_id, recipient, topic, body, created_at, due_at, give_up_at)
SELECT w.platform::public.platform, w.bot, nullif(w.account_id, 0), w.recipient, w.topic, w.body, $7::timestamptz, $7::timestamptz, $8::timestamptz
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[]) AS w(platform, bot, account_id, recipient, body, topic);

-- Takes or renews the leases of $2 that are free, ours or over. Times are real time.
-- name: lease_take
INSERT INTO public.sender_lease AS l (platform, bot, owner, expires_at)
SELECT $1::public.platform, b.bot, $3::uuid, $5::timestamptz FROM unnest($2::text[]) AS b(bot) ORDER BY b.bot
ON CONFLICT (platform, bot) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
WHERE l.owner = excluded.owner OR l.expires_at <= $4::timestamptz
RETURNING l.bot;

-- name: lease_release
DELETE FROM public.sender_lease WHERE platform = $1::public.platform AND owner = $2::uuid;

-- Rows in work that nobody here works on: of a dead owner (then they may have been sent: uncertain), or of a claim whose commit was not
-- heard of (then they were not: pending).
-- name: outbox_recover
UPDATE public.outbox SET status = $4::public.outbox_status
WHERE platform = $1::public.platform AND bot = $2 AND status = 'processing' AND id <> ALL ($3::bigint[]);

-- A queue is empty one minute and full the next: a plan kept from the one is ruinous in the other, so the claim is planned each time that
-- something waits.
-- name: outbox_claim_fresh
SELECT public.outbox_waits($1::public.platform, $2::text[], $3::timestamptz),
    set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true);

-- The rows to be sent now, marked as being in work: per bot of $2 as many as $3 says ($11 when they are not urgent), urgent ones first; of one recipient only the first,
-- and none while another of his is in work, but urgent ones only wait for urgent ones. What was scheduled for later does not hold up what
-- comes after it; what was tried and waits does. $4 and $5 are recipients that must wait, with their bots. $6 false: only those whose
-- direct channel is known. $7 owner, $8 real time, $9 our time.
-- At most $10 rows per bot are looked at. Those that must wait for an older one are set behind, so the next look sees others; outbox_ahead
-- brings them back when it is done. First column: how many were set behind; always at least one row, without an id when nothing was claimed.
-- "(SELECT 1 .. LIMIT 1) IS NULL" and not NOT EXISTS: it stays a look-up per row by outbox_recipient, and never becomes a join of all rows
-- with all rows.
-- name: outbox_claim
WITH bot AS MATERIALIZED (
    SELECT b.bot, b.room, b.ordinary_room
    FROM unnest($2::text[], $3::bigint[], $11::bigint[]) AS b(bot, room, ordinary_room)
    JOIN public.sender_lease l ON l.platform = $1::public.platform AND l.bot = b.bot AND l.owner = $7::uuid AND l.expires_at > $8::timestamptz
), held AS MATERIALIZED (
    SELECT h.bot, h.recipient FROM unnest($4::text[], $5::bigint[]) AS h(bot, recipient)
), look AS MATERIALIZED (
    SELECT bot.room, bot.ordinary_room, w.*
    FROM bot
    CROSS JOIN LATERAL (
        (SELECT o.id, o.bot, o.recipient, o.status, o.urgent, o.due_at
         FROM public.outbox o
         WHERE o.platform = $1::public.platform AND o.bot = bot.bot AND o.urgent AND o.due_at <= $9::timestamptz
           AND o.status IN ('pending', 'processing', 'uncertain') AND o.status <> 'processing'
           AND NOT EXISTS (SELECT 1 FROM held WHERE held.bot = o.bot AND held.recipient = o.recipient)
         ORDER BY o.due_at, o.id
         LIMIT $10::bigint)
        UNION ALL
        (SELECT o.id, o.bot, o.recipient, o.status, o.urgent, o.due_at
         FROM public.outbox o
         WHERE o.platform = $1::public.platform AND o.bot = bot.bot AND NOT o.urgent AND NOT o.behind AND o.due_at <= $9::timestamptz
           AND o.status IN ('pending', 'processing', 'uncertain') AND o.status <> 'processing'
           AND NOT EXISTS (SELECT 1 FROM held WHERE held.bot = o.bot AND held.recipient = o.recipient)
           AND ($6::boolean OR (SELECT r.channel_id FROM public.identity i JOIN public.identity_reach r ON r.identity_id = i.id AND r.bot = o.bot
                                WHERE i.platform = $1::public.platform AND i.platform_id = o.recipient) IS NOT NULL)
         ORDER BY o.due_at, o.id
         LIMIT $10::bigint)
    ) AS w
), judged AS MATERIALIZED (
    SELECT look.*,
           (SELECT 1 FROM public.outbox e
            WHERE e.platform = $1::public.platform AND e.bot = look.bot AND e.recipient = look.recipient AND e.id <> look.id
              AND e.status IN ('pending', 'processing', 'uncertain')
              AND CASE WHEN look.urgent
                  THEN e.urgent AND (e.status = 'processing' OR (e.id < look.id AND (e.due_at <= $9::timestamptz OR e.error IS NOT NULL)))
                  ELSE e.status = 'processing' OR (e.due_at <= $9::timestamptz AND (e.urgent OR e.id < look.id)) OR (e.error IS NOT NULL AND e.id < look.id)
                  END
            ORDER BY e.platform, e.bot, e.recipient, e.id
            LIMIT 1) IS NOT NULL AS waits
    FROM look
), pick AS MATERIALIZED (
    SELECT p.id, p.status
    FROM (SELECT j.id, j.status, j.urgent, j.room, j.ordinary_room, row_number() OVER (PARTITION BY j.bot ORDER BY j.urgent DESC, j.due_at, j.id) AS place
          FROM judged j WHERE NOT j.waits) AS p
    WHERE p.place <= CASE WHEN p.urgent THEN p.room ELSE p.ordinary_room END
), parked AS (
    UPDATE public.outbox o SET behind = true FROM judged j WHERE o.id = j.id AND j.waits AND NOT j.urgent RETURNING 1
), claimed AS (
    UPDATE public.outbox o SET status = 'processing' FROM pick WHERE o.id = pick.id AND o.status = pick.status RETURNING o.*
)
SELECT (SELECT count(*) FROM parked), o.id, o.bot, o.recipient, o.urgent, o.body, o.sealed, o.attempts, o.doubts, o.plain, o.expires_at, o.give_up_at,
    coalesce((SELECT coalesce(s.language, a.language) FROM public.account a LEFT JOIN public.account s ON s.id = a.merged_into WHERE a.id = o.account_id),
             (SELECT c.language FROM public.chat c WHERE o.account_id IS NULL AND c.platform = o.platform AND c.chat_id = o.recipient)),
    (SELECT i.language_hint FROM public.identity i WHERE i.platform = o.platform AND i.platform_id = o.recipient),
    (SELECT r.channel_id FROM public.identity i JOIN public.identity_reach r ON r.identity_id = i.id
     WHERE i.platform = o.platform AND i.platform_id = o.recipient AND r.bot = o.bot)
FROM (SELECT 1) AS one LEFT JOIN claimed o ON true;

-- The next of each recipient ($2 bots, $3 recipients) whose row is done comes into sight again.
-- name: outbox_ahead
UPDATE public.outbox SET behind = false
WHERE id IN (
    SELECT (SELECT o.id FROM public.outbox o
            WHERE o.platform = $1::public.platform AND o.bot = r.bot AND o.recipient = r.recipient AND o.behind
              AND o.status IN ('pending', 'processing', 'uncertain')
            ORDER BY o.platform, o.bot, o.recipient, o.id LIMIT 1)
    FROM (SELECT DISTINCT u.bot, u.recipient FROM unnest($2::text[], $3::bigint[]) AS u(bot, recipient)) AS r);

-- The same for every recipient, after rows were done by another hand (expiry, patience, the operator): who still waits is set behind again.
-- name: outbox_ahead_all
UPDATE public.outbox SET behind = false
WHERE id IN (SELECT DISTINCT ON (o.platform, o.bot, o.recipient) o.id FROM public.outbox o
             WHERE o.behind AND o.status IN ('pending', 'processing', 'uncertain')
             ORDER BY o.platform, o.bot, o.recipient, o.id);

-- Outcomes, one element per row. Delivered is delivered whoever says so; anything else only by the owner of the lease ($12 owner, $13 real
-- time), since a row of a lost lease is in other hands.
-- name: outbox_settle
UPDATE public.outbox o
SET status = s.status, attempts = o.attempts + s.attempt, doubts = o.doubts + s.doubt, due_at = coalesce(s.due_at, o.due_at),
    plain = o.plain OR s.plain <> 0, recipient = s.recipient, message_id = coalesce(nullif(s.message_id, 0), o.message_id), error = s.error,
    done_at = CASE WHEN s.status IN ('sent', 'failed', 'permanent') THEN $11::timestamptz END,
    sealed = CASE WHEN s.status IN ('sent', 'permanent') OR (s.status = 'failed' AND o.expires_at IS NULL) THEN NULL ELSE o.sealed END,
    body = CASE WHEN s.wipe <> 0 THEN NULL ELSE o.body END
FROM unnest($1::bigint[], $2::public.outbox_status[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::text[], $10::bigint[])
    AS s(id, status, attempt, doubt, due_at, plain, recipient, message_id, error, wipe)
WHERE o.id = s.id
  AND o.status IN ('processing', 'uncertain', 'pending')
  AND (s.status = 'sent' OR (o.status = 'processing' AND EXISTS (
      SELECT 1 FROM public.sender_lease l
      WHERE l.platform = o.platform AND l.bot = o.bot AND l.owner = $12::uuid AND l.expires_at > $13::timestamptz)));

-- A group that became another: what waits for it follows.
-- name: outbox_move
UPDATE public.outbox SET recipient = $4, behind = false
WHERE platform = $1::public.platform AND bot = $2 AND recipient = $3 AND status IN ('pending', 'uncertain');

-- name: reach_set
INSERT INTO public.identity_reach AS r (identity_id, bot, can_message, channel_id, changed_at)
SELECT i.id, $3, $4::boolean, $5::bigint, $6::timestamptz
FROM public.identity i WHERE i.platform = $1::public.platform AND i.platform_id = $2
ON CONFLICT (identity_id, bot) DO UPDATE
SET can_message = coalesce(excluded.can_message, r.can_message), channel_id = coalesce(excluded.channel_id, r.channel_id),
    changed_at = excluded.changed_at;

-- Past its own end: dropped and wiped, also while its chat or its bot waits. One that had failed keeps its reason.
-- name: outbox_expire
UPDATE public.outbox
SET status = CASE status WHEN 'failed' THEN status ELSE 'permanent' END, error = CASE status WHEN 'failed' THEN error ELSE 'expired' END,
    body = NULL, sealed = NULL, done_at = coalesce(done_at, $1::timestamptz)
WHERE expires_at <= $1::timestamptz AND status IN ('pending', 'uncertain', 'failed') AND body IS NOT NULL;

-- What could not even be tried any more.
-- name: outbox_give_up
UPDATE public.outbox SET status = 'failed', error = coalesce(error, 'the platform could not be reached in time'), done_at = $1::timestamptz
WHERE give_up_at <= $1::timestamptz AND status IN ('pending', 'uncertain');

-- name: outbox_waiting
SELECT count(*) FROM public.outbox WHERE status IN ('pending', 'processing', 'uncertain');

-- name: job_lock
SELECT pg_try_advisory_xact_lock(hashtext('trivet job ' || $1));

-- name: clean_inbox
DELETE FROM public.inbox WHERE key IN (SELECT key FROM public.inbox WHERE at < $1::timestamptz - interval '3 days' LIMIT 10000);

-- name: clean_sealed
UPDATE public.inbox SET sealed = NULL, sealed_until = NULL WHERE sealed_until <= $1::timestamptz;

-- name: clean_outbox
DELETE FROM public.outbox WHERE id IN (SELECT id FROM public.outbox WHERE done_at < $1::timestamptz - interval '30 days' LIMIT 10000);

-- name: clean_code_used
DELETE FROM public.code_used WHERE hash IN (SELECT hash FROM public.code_used WHERE expires_at < $1::timestamptz LIMIT 10000);

-- name: clean_account_code
DELETE FROM public.account_code WHERE expires_at < $1::timestamptz - interval '1 day';

-- name: clean_jobs
DELETE FROM public.job WHERE expires_at < $1::timestamptz;

-- name: clean_confirmations
DELETE FROM public.link_confirmation WHERE expires_at < $1::timestamptz - interval '1 day';

-- name: clean_api_key_usage
DELETE FROM public.api_key_usage WHERE day < ($1::timestamptz AT TIME ZONE 'UTC')::date - 400;

-- name: clean_aside
DELETE FROM public.update_aside WHERE at < $1::timestamptz - interval '30 days';
