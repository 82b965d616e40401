-- Messages of chats on their way into the queue, and which chats count. Source: decisions.md 13; domain.md, XP rates.

-- For group commit: arrays of text, one element a message. A message that two bots of one group report is one: its key is the message's own.
-- name: activity_append
WITH brought AS (
    SELECT DISTINCT ON (w.key) w.key, w.lane::smallint AS lane, w.platform::public.platform AS platform, w.platform_id::bigint AS platform_id,
           w.source, w.data::jsonb AS data, timestamptz 'epoch' + w.at::bigint * interval '1 microsecond' AS at,
           timestamptz 'epoch' + w.accepted_at::bigint * interval '1 microsecond' AS accepted_at
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
         AS w(key, lane, platform, platform_id, source, data, at, accepted_at)
    ORDER BY w.key
), fresh AS (
    INSERT INTO public.event_key_recent (key, content, at)
    SELECT b.key, '', b.at FROM brought b ORDER BY b.key, b.at
    ON CONFLICT (key, at) DO NOTHING
    RETURNING key
)
INSERT INTO public.event_queue (lane, platform, platform_id, source, type, data, key, at, accepted_at)
SELECT b.lane, b.platform, b.platform_id, b.source, 'message_sent', b.data, b.key, b.at, b.accepted_at
FROM brought b JOIN fresh f ON f.key = b.key;

-- name: activity_chats
SELECT platform::text, chat_id, state = 'registered', multiplier FROM public.chat ORDER BY platform, chat_id;

-- 1 row: nobody has told this chat before.
-- name: activity_tell_chat
INSERT INTO public.chat (platform, chat_id, state, changed_at) VALUES ($1::public.platform, $2::bigint, 'told', $3::timestamptz)
ON CONFLICT (platform, chat_id) DO NOTHING;
