-- Discord roles that follow ranks, and Linked Roles. Source: domain.md, "Ranks"; docs/ARCHITECTURE.md, "Roles".

-- Servers with a mapping, and how far the sweep through their people has come. Refused: the server does not let the bot in.
CREATE TABLE public.role_guild (
    guild_id   bigint PRIMARY KEY CHECK (guild_id >= 1),
    swept_to   bigint NOT NULL DEFAULT 0,                    -- a Discord user; 0: at the beginning
    sweep_at   timestamptz NOT NULL DEFAULT '-infinity',     -- not before
    refused    text,
    refused_at timestamptz,
    CHECK ((refused IS NULL) = (refused_at IS NULL))
);

-- A role stands for one rank, or for all ranks of a letter. Refused: Discord does not let the bot give or take it; tried again a day later.
CREATE TABLE public.role_map (
    guild_id   bigint NOT NULL REFERENCES public.role_guild (guild_id),
    role_id    bigint NOT NULL CHECK (role_id >= 1),
    rank_id    smallint REFERENCES public.rank (id),
    letter     text CHECK (letter ~ '^[^ ]+$'),
    refused    text,
    refused_at timestamptz,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (guild_id, role_id),
    CHECK ((rank_id IS NULL) <> (letter IS NULL)),
    CHECK ((refused IS NULL) = (refused_at IS NULL))
);

-- What a person shall hold of the mapped roles, and what he held when the bot was last done with him. mark: something may have changed; it
-- names the transaction, so what was done is forgotten only when nobody marked him meanwhile.
CREATE TABLE public.role_member (
    guild_id   bigint NOT NULL,
    user_id    bigint NOT NULL,                          -- of Discord; he may have no identity any more
    mark       xid8,
    sweep      boolean NOT NULL DEFAULT false,           -- only looked after: behind all whose rank changed
    due_at     timestamptz NOT NULL DEFAULT '-infinity', -- of the mark
    attempts   smallint NOT NULL DEFAULT 0,
    wanted     bigint[] NOT NULL DEFAULT '{}',
    applied    bigint[] NOT NULL DEFAULT '{}',
    absent     boolean NOT NULL DEFAULT false,           -- not on the server
    checked_at timestamptz,
    error      text,
    PRIMARY KEY (guild_id, user_id)
);
CREATE INDEX role_member_due ON public.role_member (sweep, due_at, user_id) WHERE mark IS NOT NULL;

-- A person's consent to show his rank on Discord (Linked Roles). Without sealed tokens it has ended; ended says why.
CREATE TABLE public.linked_role (
    identity_id bigint PRIMARY KEY REFERENCES public.identity (id) ON DELETE CASCADE,
    sealed      bytea,                                   -- access and refresh token
    expires_at  timestamptz,                             -- of the access token
    generation  bigint NOT NULL DEFAULT 1,               -- of the tokens: who read older ones ends nothing
    granted_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    ended       text,
    pushed_at   timestamptz,                             -- what Discord shows, and since when
    pushed_rank smallint,
    pushed_xp   bigint,
    pushed_days integer,
    due_at      timestamptz NOT NULL DEFAULT '-infinity',
    version     xid8 NOT NULL,                           -- the transaction that last changed what is to be shown
    attempts    smallint NOT NULL DEFAULT 0,
    error       text,
    CHECK ((sealed IS NULL) = (ended_at IS NOT NULL)),
    CHECK ((ended IS NULL) = (ended_at IS NULL)),
    CHECK (sealed IS NULL OR expires_at IS NOT NULL)
);
CREATE INDEX linked_role_due ON public.linked_role (due_at) WHERE sealed IS NOT NULL;

-- In the order of the key, as every writer of these rows.
CREATE FUNCTION public.role_mark(people bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO public.role_member AS m (guild_id, user_id, mark)
    SELECT g.guild_id, p.user_id, pg_catalog.pg_current_xact_id()
    FROM public.role_guild g CROSS JOIN (SELECT DISTINCT u.user_id FROM unnest(people) AS u(user_id)) AS p
    ORDER BY g.guild_id, p.user_id
    ON CONFLICT (guild_id, user_id) DO UPDATE
    SET mark = excluded.mark, sweep = false, due_at = '-infinity', attempts = 0, error = NULL;
$$;

-- $1 identities: looked at at once, or some time after the last showing (core/linked_role.h says how long; this is no later).
CREATE FUNCTION public.linked_role_mark(people bigint[], at_once boolean) RETURNS void LANGUAGE sql AS $$
    UPDATE public.linked_role g
    SET version = pg_catalog.pg_current_xact_id(),
        due_at = CASE WHEN at_once THEN '-infinity' ELSE least(g.due_at, coalesce(g.pushed_at + interval '5 minutes', '-infinity')) END
    WHERE g.identity_id IN (SELECT l.identity_id FROM public.linked_role l WHERE l.identity_id = ANY (people) AND l.sealed IS NOT NULL
                            ORDER BY l.identity_id FOR NO KEY UPDATE);
$$;

-- By triggers, so that no statement that changes XP or an identity's account can forget the roles. A mark says only "look": which roles a
-- person is to hold is decided in C. A rank is passed, up or down, when its threshold lies between the two.
CREATE FUNCTION public.role_mark_ranks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    roles   boolean := EXISTS (SELECT 1 FROM public.role_guild);
    links   boolean := EXISTS (SELECT 1 FROM public.linked_role);
    moved   bigint[];
    passed  bigint[];
BEGIN
    IF NOT roles AND NOT links THEN
        RETURN NULL;
    END IF;
    passed := ARRAY(
        SELECT f.account_id FROM fresh f JOIN stale s ON s.account_id = f.account_id
        WHERE f.xp <> s.xp AND EXISTS (SELECT 1 FROM public.rank r WHERE r.xp > least(f.xp, s.xp) AND r.xp <= greatest(f.xp, s.xp)));
    IF roles AND passed <> '{}' THEN
        PERFORM public.role_mark(ARRAY(SELECT i.platform_id FROM public.identity i WHERE i.account_id = ANY (passed) AND i.platform = 'discord'));
    END IF;
    IF links THEN
        moved := ARRAY(SELECT f.account_id FROM fresh f JOIN stale s ON s.account_id = f.account_id WHERE f.xp <> s.xp AND f.account_id <> ALL (passed));
        PERFORM public.linked_role_mark(ARRAY(SELECT i.id FROM public.identity i WHERE i.account_id = ANY (moved) AND i.platform = 'discord'), false);
        PERFORM public.linked_role_mark(ARRAY(SELECT i.id FROM public.identity i WHERE i.account_id = ANY (passed) AND i.platform = 'discord'), true);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER role_mark_ranks AFTER UPDATE ON public.account_balance REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION public.role_mark_ranks();

-- First contact, linking, unlinking, undoing; of one row at a time.
CREATE FUNCTION public.role_mark_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.role_mark(ARRAY[new.platform_id]);
    PERFORM public.linked_role_mark(ARRAY[new.id], true);
    RETURN NULL;
END $$;
CREATE TRIGGER role_mark_identity AFTER INSERT ON public.identity FOR EACH ROW WHEN (new.platform = 'discord')
    EXECUTE FUNCTION public.role_mark_identity();
CREATE TRIGGER role_mark_moved AFTER UPDATE OF account_id ON public.identity FOR EACH ROW
    WHEN (new.platform = 'discord' AND old.account_id <> new.account_id) EXECUTE FUNCTION public.role_mark_identity();

-- Erased: he keeps no role for a rank that nobody has any more.
CREATE FUNCTION public.role_mark_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.role_mark(ARRAY[old.platform_id]);
    RETURN NULL;
END $$;
CREATE TRIGGER role_mark_gone AFTER DELETE ON public.identity FOR EACH ROW WHEN (old.platform = 'discord')
    EXECUTE FUNCTION public.role_mark_gone();
