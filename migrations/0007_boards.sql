-- What the boards in Redis still have to learn, and who keeps them. Source: decisions.md 17; docs/ARCHITECTURE.md, "Boards".

-- Accounts whose places may have changed. The version is the transaction that changed them: what a keeper has written is forgotten only when
-- nobody changed it meanwhile.
CREATE TABLE public.board_dirty (
    account_id bigint PRIMARY KEY,
    version    xid8 NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0,
        autovacuum_vacuum_insert_threshold = 10000);

-- The worker that writes the boards: one at a time, until expires_at (real time). turn is what board:ready in Redis must say; less, or nothing,
-- and the boards are made anew.
CREATE TABLE public.board_keeper (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    owner      uuid,
    expires_at timestamptz NOT NULL DEFAULT '-infinity',
    turn       bigint NOT NULL DEFAULT 1
);
INSERT INTO public.board_keeper DEFAULT VALUES;

-- By triggers, so that no statement that changes a balance can forget the boards. In the order of the accounts, as they are locked.
CREATE FUNCTION public.board_mark_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.board_dirty (account_id, version)
    SELECT f.account_id, pg_catalog.pg_current_xact_id()
    FROM fresh f
    JOIN stale s ON s.account_id = f.account_id
    WHERE (f.xp, f.coins, f.season_no, f.season_xp, f.season_coins, f.week_no, f.week_xp, f.week_coins)
       <> (s.xp, s.coins, s.season_no, s.season_xp, s.season_coins, s.week_no, s.week_xp, s.week_coins)
    ORDER BY f.account_id
    ON CONFLICT (account_id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$;
CREATE TRIGGER board_mark_changed AFTER UPDATE ON public.account_balance REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION public.board_mark_changed();

-- A new account has nothing yet, and no place.
CREATE FUNCTION public.board_mark_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.board_dirty (account_id, version)
    SELECT f.account_id, pg_catalog.pg_current_xact_id()
    FROM fresh f
    WHERE (f.xp, f.coins, f.season_xp, f.season_coins, f.week_xp, f.week_coins) <> (0, 0, 0, 0, 0, 0)
    ORDER BY f.account_id
    ON CONFLICT (account_id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$;
CREATE TRIGGER board_mark_new AFTER INSERT ON public.account_balance REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION public.board_mark_new();

-- Hidden, joined or erased: seldom, and of one row at a time.
CREATE FUNCTION public.board_mark_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.board_dirty (account_id, version) VALUES (new.id, pg_catalog.pg_current_xact_id())
    ON CONFLICT (account_id) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$;
CREATE TRIGGER board_mark_seen AFTER UPDATE OF hidden, merged_into, erased_at ON public.account FOR EACH ROW
    WHEN (old.hidden <> new.hidden OR old.merged_into IS DISTINCT FROM new.merged_into OR old.erased_at IS DISTINCT FROM new.erased_at)
    EXECUTE FUNCTION public.board_mark_seen();

-- Those who were here before.
INSERT INTO public.board_dirty (account_id, version)
SELECT b.account_id, pg_catalog.pg_current_xact_id() FROM public.account_balance b WHERE (b.xp, b.coins) <> (0, 0);
