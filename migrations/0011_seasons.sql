-- Seasons end: what an account had when its season was over, and how far the close has come. Source: docs/LEDGER.md, "Seasons".

-- A row from the moment its close begins; from then on nothing counts for that season any more. closed_at is set last, once.
ALTER TABLE public.season
    ALTER COLUMN closed_at DROP NOT NULL,
    ADD COLUMN counted_to   bigint NOT NULL DEFAULT 0,  -- accounts up to this one are counted
    ADD COLUMN counted_at   timestamptz,                -- all are: places are given now, from the top
    ADD COLUMN placed_xp    bigint,                     -- the result that was looked at last; NULL: none yet
    ADD COLUMN placed_user  bigint,
    ADD COLUMN placed       bigint NOT NULL DEFAULT 0,  -- how many have a place
    ADD COLUMN place        bigint NOT NULL DEFAULT 0,  -- the last one, and what it was given for
    ADD COLUMN place_xp     bigint NOT NULL DEFAULT 0,
    ADD COLUMN participants bigint NOT NULL DEFAULT 0;  -- with any XP
CREATE UNIQUE INDEX season_open ON public.season ((closed_at IS NULL)) WHERE closed_at IS NULL;

-- A result may come before its season's row: it is written by whoever first moves an account on to the next season. So nothing that earns
-- waits for the close either, which locks that row.
ALTER TABLE public.season_result DROP CONSTRAINT season_result_season_no_fkey;
CREATE INDEX season_result_xp ON public.season_result (season_no, xp, user_id);

-- The season that no close has begun for, at least; for a statement that may be a moment behind.
CREATE FUNCTION public.season_next() RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(s.no) + 1, 0) FROM public.season s;
$$;

-- The same for who moves sums of a season: it stays so until his transaction ends. A close begins under the same lock, exclusively; being a
-- statement of its own, the look at the table comes after the lock.
CREATE FUNCTION public.season_hold() RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtext('season'));
    RETURN public.season_next();
END $$;

-- Balances keep the sums of one season. By a trigger, so that no statement that moves an account on can forget those of the one before. What
-- a close has counted already stays as it is: since it began nothing was added.
CREATE FUNCTION public.season_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.season_result (user_id, season_no, xp, coins)
    VALUES (old.account_id, old.season_no, old.season_xp, old.season_coins)
    ON CONFLICT (user_id, season_no) DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER season_keep AFTER UPDATE ON public.account_balance FOR EACH ROW
    WHEN (old.season_no <> new.season_no AND (old.season_xp > 0 OR old.season_coins > 0))
    EXECUTE FUNCTION public.season_keep();

-- season_xp: of the season that is on.
CREATE OR REPLACE VIEW public.unified_users AS
SELECT a.id,
       t.platform_id AS telegram_id,
       d.platform_id AS discord_id,
       w.email AS website_email,
       coalesce(t.username, d.username) AS username,
       coalesce(a.display_name, t.name, d.name) AS display_name,
       b.xp,
       b.coins,
       greatest(1, b.xp / 100) AS level,
       (SELECT max(r.id) FROM public.rank r WHERE r.xp <= b.xp) AS rank_id,
       b.games_played,
       b.games_won,
       b.voice_seconds AS total_voice_time,
       b.messages_sent,
       b.achievements,
       CASE WHEN b.season_no >= (SELECT public.season_next()) THEN b.season_xp ELSE 0 END AS season_xp,
       array_remove(ARRAY[CASE WHEN t.id IS NOT NULL THEN 'telegram' END, CASE WHEN d.id IS NOT NULL THEN 'discord' END,
                          CASE WHEN w.id IS NOT NULL THEN 'website' END], NULL) AS platforms,
       (SELECT i.platform::text FROM public.identity i WHERE i.account_id = a.id ORDER BY i.attached_at, i.id LIMIT 1) AS primary_platform,
       t.photo_id,
       coalesce(t.photo_url, d.photo_url) AS photo_url,
       b.daily_streak,
       b.last_daily,
       a.created_at,
       b.last_active
FROM public.account a
JOIN public.account_balance b ON b.account_id = a.id
LEFT JOIN public.identity t ON t.account_id = a.id AND t.platform = 'telegram'
LEFT JOIN public.identity d ON d.account_id = a.id AND d.platform = 'discord'
LEFT JOIN public.identity w ON w.account_id = a.id AND w.platform = 'website'
WHERE a.merged_into IS NULL;
