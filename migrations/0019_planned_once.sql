-- Functions that commands call again and again in PL/pgSQL, which plans a statement once for a connection; in SQL functions that are not inlined
-- each call planned it anew, for longer than it ran. Source: docs/PERFORMANCE.md, "Where the time goes".

-- The season that no close has begun for, at least; for a statement that may be a moment behind.
CREATE OR REPLACE FUNCTION public.season_next() RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(max(s.no) + 1, 0) FROM public.season s);
END $$;

-- For the arrays below the server would plan anew each time: it reckons with ten elements for one that it does not know yet.

-- In the order of the key, as every writer of these rows.
CREATE OR REPLACE FUNCTION public.role_mark(people bigint[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    INSERT INTO public.role_member AS m (guild_id, user_id, mark)
    SELECT g.guild_id, p.user_id, pg_catalog.pg_current_xact_id()
    FROM public.role_guild g CROSS JOIN (SELECT DISTINCT u.user_id FROM unnest(people) AS u(user_id)) AS p
    ORDER BY g.guild_id, p.user_id
    ON CONFLICT (guild_id, user_id) DO UPDATE
    SET mark = excluded.mark, sweep = false, due_at = '-infinity', attempts = 0, error = NULL;
END $$;

-- $1 identities: looked at at once, or some time after the last showing (core/linked_role.h says how long; this is no later).
CREATE OR REPLACE FUNCTION public.linked_role_mark(people bigint[], at_once boolean) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    UPDATE public.linked_role g
    SET version = pg_catalog.pg_current_xact_id(),
        due_at = CASE WHEN at_once THEN '-infinity' ELSE least(g.due_at, coalesce(g.pushed_at + interval '5 minutes', '-infinity')) END
    WHERE g.identity_id IN (SELECT l.identity_id FROM public.linked_role l WHERE l.identity_id = ANY (people) AND l.sealed IS NOT NULL
                            ORDER BY l.identity_id FOR NO KEY UPDATE);
END $$;

-- First contact: who was not here before has given no consent either. Of one row at a time, as what follows.
CREATE FUNCTION public.role_mark_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.role_mark(ARRAY[new.platform_id]);
    RETURN NULL;
END $$;
DROP TRIGGER role_mark_identity ON public.identity;
CREATE TRIGGER role_mark_new AFTER INSERT ON public.identity FOR EACH ROW WHEN (new.platform = 'discord')
    EXECUTE FUNCTION public.role_mark_new();

-- Linking, unlinking, undoing.
ALTER FUNCTION public.role_mark_identity() RENAME TO role_mark_moved;

-- Whether there is something to send for one of the bots: asked many times a second, and mostly there is not. By index, though it be planned
-- while the table is empty.
CREATE FUNCTION public.outbox_waits(sender public.platform, bots text[], now timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
BEGIN
    RETURN EXISTS (
        SELECT 1 FROM unnest(bots) AS b(bot)
        WHERE (SELECT o.id FROM public.outbox o
               WHERE o.platform = sender AND o.bot = b.bot AND o.urgent AND o.due_at <= now
                 AND o.status IN ('pending', 'processing', 'uncertain') AND o.status <> 'processing'
               ORDER BY o.due_at, o.id LIMIT 1) IS NOT NULL
           OR (SELECT o.id FROM public.outbox o
               WHERE o.platform = sender AND o.bot = b.bot AND NOT o.urgent AND NOT o.behind AND o.due_at <= now
                 AND o.status IN ('pending', 'processing', 'uncertain') AND o.status <> 'processing'
               ORDER BY o.due_at, o.id LIMIT 1) IS NOT NULL);
END $$;
