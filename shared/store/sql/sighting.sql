-- Names and last seen of people who only read (decisions.md 7).

-- For group commit: arrays of text, one element a sighting; of one person the latest.
-- name: sighting_append
INSERT INTO public.identity_seen AS s (platform, platform_id, username, name, language_hint, bot, private, at)
SELECT DISTINCT ON (w.person) split_part(w.person, ':', 1)::public.platform, split_part(w.person, ':', 2)::bigint, w.username, w.name,
       w.language_hint, w.bot, w.private::boolean, timestamptz 'epoch' + w.at::bigint * interval '1 microsecond'
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
     AS w(person, username, name, language_hint, bot, private, at)
ORDER BY w.person, w.at::bigint DESC
ON CONFLICT (platform, platform_id) DO UPDATE
SET username = EXCLUDED.username, name = EXCLUDED.name, language_hint = EXCLUDED.language_hint, bot = EXCLUDED.bot,
    private = EXCLUDED.private, at = EXCLUDED.at
WHERE s.at <= EXCLUDED.at;

-- A portion of them becomes what identity says. A block that came later stands (identity_reach.changed_at).
-- name: sighting_apply
WITH taken AS (
    DELETE FROM public.identity_seen WHERE (platform, platform_id) IN (
        SELECT platform, platform_id FROM public.identity_seen ORDER BY platform, platform_id LIMIT $1::bigint FOR UPDATE SKIP LOCKED)
    RETURNING platform, platform_id, username, name, language_hint, bot, private, at
), reached AS (
    INSERT INTO public.identity_reach AS r (identity_id, bot, can_message, changed_at)
    SELECT i.id, t.bot, true, t.at
    FROM taken t JOIN public.identity i ON i.platform = t.platform AND i.platform_id = t.platform_id
    WHERE t.private ORDER BY i.id
    ON CONFLICT (identity_id, bot) DO UPDATE SET can_message = true, changed_at = EXCLUDED.changed_at
    WHERE r.can_message IS DISTINCT FROM true AND r.changed_at <= EXCLUDED.changed_at
), shown AS (
    UPDATE public.identity i
    SET username = t.username, name = t.name, language_hint = coalesce(t.language_hint, i.language_hint), last_seen = greatest(i.last_seen, t.at)
    FROM taken t WHERE i.platform = t.platform AND i.platform_id = t.platform_id AND i.last_seen <= t.at
)
SELECT count(*) FROM taken;
