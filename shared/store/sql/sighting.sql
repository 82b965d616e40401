-- Names and last seen of people who only read, or write in groups (decisions.md 7).

-- One element a person. Whom somebody else is changing is left to the next sight of him; a block that came later stands
-- (identity_reach.changed_at). Who writes in a group is noted with every message: where nothing is new nothing is written.
-- name: sighting_store
WITH seen AS (
    SELECT s.platform::public.platform AS platform, s.platform_id, s.username, s.name, s.language_hint, s.bot, s.private::boolean AS private, s.at
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
         AS s(platform, platform_id, username, name, language_hint, bot, private, at)
), held AS (
    SELECT i.id, s.username, s.name, s.language_hint, s.bot, s.private, s.at
    FROM seen s JOIN public.identity i ON i.platform = s.platform AND i.platform_id = s.platform_id
    WHERE (i.last_seen <= s.at OR i.name IS NULL)
      AND (s.private OR i.last_seen < s.at - interval '1 hour' OR (i.username, i.name) IS DISTINCT FROM (s.username, s.name)
           OR i.language_hint <> s.language_hint OR (i.language_hint IS NULL AND s.language_hint IS NOT NULL))
    ORDER BY i.id FOR NO KEY UPDATE OF i SKIP LOCKED
), reached AS (
    INSERT INTO public.identity_reach AS r (identity_id, bot, can_message, changed_at)
    SELECT h.id, h.bot, true, h.at FROM held h WHERE h.private ORDER BY h.id
    ON CONFLICT (identity_id, bot) DO UPDATE SET can_message = true, changed_at = EXCLUDED.changed_at
    WHERE r.can_message IS DISTINCT FROM true AND r.changed_at <= EXCLUDED.changed_at
)
UPDATE public.identity i
SET username = h.username, name = h.name, language_hint = coalesce(h.language_hint, i.language_hint), last_seen = greatest(i.last_seen, h.at)
FROM held h WHERE i.id = h.id;

-- Who acted on Discord has his roles looked at (service/roles.h).
-- name: sighting_mark_roles
SELECT public.role_mark(ARRAY(SELECT w.platform_id FROM unnest($1::text[], $2::bigint[]) AS w(platform, platform_id) WHERE w.platform = 'discord'));
