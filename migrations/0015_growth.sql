-- What keeps the tables bounded: old keys are dropped, old days are folded and sealed, folded days joined to months.
-- Source: decisions.md 13; docs/LEDGER.md, "Folding"; docs/OPERATING.md, "What is kept how long".

-- How many rows a row stands for since its day was sealed; NULL: its day is open.
ALTER TABLE public.ledger ADD COLUMN sealed integer;

-- A day is rebuilt aside and put in the old one's place; a foreign key would hold all changes of accounts meanwhile. Accounts are never
-- deleted (their balances refer to them), and `trivet verify` names rows without a balance.
ALTER TABLE public.ledger DROP CONSTRAINT ledger_user_id_fkey;

-- Append-only. Folding needs no exception: it puts a new partition in the place of an old one.
CREATE FUNCTION public.ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: a mistake is mended by another row' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE ON public.ledger FOR EACH ROW EXECUTE FUNCTION public.ledger_refuse_change();

-- Days whose rows are folded. A row that comes to such a day afterwards (a clock was set back) is open like any other: it is not in the
-- checkpoints, and the day is `reopened` until it is folded again.
CREATE TABLE public.ledger_seal (
    day       date PRIMARY KEY,
    row_count bigint NOT NULL,
    xp        numeric NOT NULL,
    coins     numeric NOT NULL,
    digest    numeric NOT NULL,  -- sum of ledger_row_number() over the sealed rows
    sealed_at timestamptz NOT NULL,
    reopened  boolean NOT NULL DEFAULT false
);

-- What the sealed rows of an account come to. chain: the sum of ledger_place() after each row less the one before it; over all rows of an
-- account, in whatever order, that is its present place less that of an empty account.
CREATE TABLE public.ledger_checkpoint (
    account_id bigint PRIMARY KEY,
    xp         bigint NOT NULL,
    coins      bigint NOT NULL,
    chain      numeric NOT NULL
) WITH (fillfactor = 80);

-- A number for a pair of sums.
CREATE FUNCTION public.ledger_place(xp bigint, coins bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT pg_catalog.hashint8extended(xp, coins)
$$;

-- A number for a whole row. md5, because it must be the same after a restore into a newer PostgreSQL.
CREATE FUNCTION public.ledger_row_number(id bigint, user_id bigint, key text, kind text, source text, xp bigint, coins bigint, xp_after bigint,
                                         coins_after bigint, reason text, at timestamptz, sealed integer) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT ('x' || pg_catalog.left(pg_catalog.md5(pg_catalog.concat_ws(E'\x1f', id, user_id, key, kind, source, xp, coins, xp_after, coins_after,
                                                                      extract(epoch FROM at), sealed, coalesce(reason, E'\x1e'))), 15))::bit(60)::bigint
$$;

CREATE FUNCTION public.ledger_reopen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.ledger_seal s SET reopened = true WHERE s.day = (new.at AT TIME ZONE 'UTC')::date AND NOT s.reopened;
    RETURN new;
END $$;

-- For the operator's lists and counts.
CREATE INDEX event_rejected ON public.event (accepted_at, id) WHERE rejected IS NOT NULL;
CREATE INDEX event_queue_aside ON public.event_queue (id) WHERE attempts >= 5;

-- Days of `event` that keep only what lives on.
CREATE TABLE public.event_thinned (day date PRIMARY KEY, thinned_at timestamptz NOT NULL);

-- The partitions of one day, by name: those of a month are called <parent>_YYYYMM.
CREATE FUNCTION public.day_partitions(parent text) RETURNS TABLE (name text, day date) LANGUAGE sql STABLE AS $$
    SELECT c.relname::text, to_date(pg_catalog.right(c.relname::text, 8), 'YYYYMMDD')
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = ('public.' || quote_ident(parent))::regclass AND c.relname ~ ('^' || parent || '_[0-9]{8}$')
$$;

-- As in 0002, but a day that stands in a month already is left alone.
CREATE OR REPLACE FUNCTION public.make_day_partitions(parent text, today date, back integer, ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    day date;
    made integer := 0;
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('make_day_partitions'));
    FOR day IN SELECT generate_series(today - back, today + ahead, interval '1 day')::date LOOP
        IF pg_catalog.to_regclass(format('public.%I', parent || to_char(day, '_YYYYMMDD'))) IS NULL
           AND pg_catalog.to_regclass(format('public.%I', parent || to_char(day, '_YYYYMM'))) IS NULL THEN
            -- Made apart and attached: that takes a lock which lets others go on writing to the parent.
            EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)',
                           parent || to_char(day, '_YYYYMMDD'), parent);
            EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                           parent, parent || to_char(day, '_YYYYMMDD'),
                           day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

-- Keys are kept for the 7 days within which their events are accepted, and a day more for clocks that differ and requests on their way.
CREATE OR REPLACE FUNCTION public.make_partitions(today date) RETURNS integer
LANGUAGE sql AS $$
    SELECT public.make_day_partitions('ledger', today, 30, 7)
         + public.make_day_partitions('event', today, 30, 7)
         + public.make_day_partitions('event_key_recent', today, 8, 3)
$$;

-- Alone with a partitioned table until the transaction's end. Whoever writes waits behind us while we wait, so each wait is short (the
-- session's lock_timeout) and is tried again after a pause in which they go on.
CREATE FUNCTION public.hold_parent(parent text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR attempt IN 1..50 LOOP
        BEGIN
            EXECUTE format('LOCK TABLE ONLY public.%I IN ACCESS EXCLUSIVE MODE', parent);
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_catalog.pg_sleep(0.2);
        END;
    END LOOP;
    RAISE EXCEPTION '% is never free', parent USING ERRCODE = 'lock_not_available';
END $$;

-- Takes a partition out. Only its name goes now: a transaction that removes a file must wait for the disk while it holds the parent.
CREATE FUNCTION public.take_out(parent text, old text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE public.%I DETACH PARTITION public.%I', parent, old);
    EXECUTE format('ALTER TABLE public.%I RENAME TO %I', old, format('%s_%s_gone', old, format('public.%I', old)::regclass::oid));
END $$;

-- What was taken out goes from the disk, one table at a time.
CREATE FUNCTION public.drop_gone() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    gone text;
BEGIN
    SELECT c.relname INTO gone
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
      AND c.relname ~ '^(ledger|event|event_key_recent)_[0-9]{8}_[0-9]+_gone$'
    ORDER BY c.relname LIMIT 1;
    IF gone IS NOT NULL THEN
        EXECUTE format('DROP TABLE public.%I', gone);
    END IF;
    RETURN gone;
END $$;

-- The oldest day of keys that nobody may send again is dropped. Returns what was dropped; NULL: nothing is due.
CREATE FUNCTION public.drop_recent_keys(today date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    old text;
BEGIN
    SELECT p.name INTO old FROM public.day_partitions('event_key_recent') p WHERE p.day < today - 8 ORDER BY p.day LIMIT 1;
    IF old IS NOT NULL THEN
        PERFORM public.hold_parent('event_key_recent');
        PERFORM public.take_out('event_key_recent', old);
    END IF;
    RETURN old;
END $$;

-- A table for the days from `first` to before `past`, filled by the SELECT `picked`, fit to be attached. Returns its name.
CREATE FUNCTION public.build_partition(parent text, first date, past date, picked text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    old text;
    made text := parent || to_char(first, '_YYYYMMDD') || '_new';
    stamp text := CASE parent WHEN 'event' THEN 'applied_at' ELSE 'at' END;
BEGIN
    -- Nobody writes to days so old. Should somebody (a clock was set back), he waits for the outcome.
    FOR old IN SELECT p.name FROM public.day_partitions(parent) p WHERE p.day >= first AND p.day < past ORDER BY p.day LOOP
        EXECUTE format('LOCK TABLE public.%I IN SHARE MODE', old);
    END LOOP;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', made, parent);
    -- With this ATTACH need not look at the rows.
    EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT within CHECK (%I >= %L AND %I < %L)', made, stamp, first::text || ' 00:00:00+00', stamp,
                   past::text || ' 00:00:00+00');
    EXECUTE format('INSERT INTO public.%I %s', made, picked);
    RETURN made;
END $$;

-- Puts a table that build_partition() made in the place of the days that it was made from, under the name of its day or month.
CREATE FUNCTION public.place_partition(parent text, made text, first date, past date, reopens boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    old text;
    name text := parent || CASE WHEN past = first + 1 THEN to_char(first, '_YYYYMMDD') ELSE to_char(first, '_YYYYMM') END;
BEGIN
    PERFORM public.hold_parent(parent);
    FOR old IN SELECT p.name FROM public.day_partitions(parent) p WHERE p.day >= first AND p.day < past ORDER BY p.day LOOP
        PERFORM public.take_out(parent, old);
    END LOOP;
    EXECUTE format('ALTER TABLE public.%I RENAME TO %I', made, name);
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', parent, name,
                   first::text || ' 00:00:00+00', past::text || ' 00:00:00+00');
    EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT within', name);
    IF reopens THEN
        EXECUTE format('CREATE TRIGGER ledger_reopen BEFORE INSERT ON public.%I FOR EACH ROW EXECUTE FUNCTION public.ledger_reopen()', name);
    END IF;
END $$;

-- Rows of a day as they are after folding: messages and voice one per account and kind, with the number, the time and the sums of the last of
-- them; all others as they are. Folding again what is folded changes nothing.
CREATE FUNCTION public.folded_day(first date) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format($picked$
        SELECT f.* FROM (
            SELECT l.id, l.user_id, l.idempotency_key, l.kind, l.source, l.xp, l.coins, l.xp_after, l.coins_after, l.reason, l.at,
                   coalesce(l.sealed, 1) AS sealed
            FROM public.ledger l
            WHERE l.at >= %1$L AND l.at < %2$L AND l.kind NOT IN ('message_sent', 'voice_time')
            UNION ALL
            SELECT l.id, l.user_id, CASE g.rows WHEN 1 THEN l.idempotency_key ELSE 'fold:' || l.kind || ':' || l.user_id || ':' || %3$L END, l.kind,
                   CASE g.source WHEN g.other_source THEN g.source ELSE 'several' END, g.xp, g.coins, l.xp_after, l.coins_after,
                   CASE g.rows WHEN 1 THEN l.reason END, l.at, g.sealed
            FROM (SELECT max(m.id) AS id, count(*) AS rows, min(m.source) AS source, max(m.source) AS other_source, sum(m.xp)::bigint AS xp,
                         sum(m.coins)::bigint AS coins, sum(coalesce(m.sealed, 1))::integer AS sealed
                  FROM public.ledger m
                  WHERE m.at >= %1$L AND m.at < %2$L AND m.kind IN ('message_sent', 'voice_time')
                  GROUP BY m.user_id, m.kind) AS g
            JOIN public.ledger l ON l.id = g.id AND l.at >= %1$L AND l.at < %2$L) AS f
        ORDER BY f.user_id, f.id$picked$,
        first::text || ' 00:00:00+00', (first + 1)::text || ' 00:00:00+00', to_char(first, 'YYYYMMDD'))
$$;

-- Folds and seals the oldest day that is due, in one transaction. Returns its partition; NULL: none is due.
CREATE FUNCTION public.fold_ledger(today date, now timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    old text;
    due date;
    made text;
BEGIN
    SELECT p.name, p.day INTO old, due
    FROM public.day_partitions('ledger') p
    WHERE p.day < today - 35 AND NOT EXISTS (SELECT 1 FROM public.ledger_seal s WHERE s.day = p.day AND NOT s.reopened)
    ORDER BY p.day LIMIT 1;
    IF old IS NULL THEN
        RETURN NULL;
    END IF;
    made := public.build_partition('ledger', due, due + 1, public.folded_day(due));
    INSERT INTO public.ledger_checkpoint AS c (account_id, xp, coins, chain)
    SELECT l.user_id, sum(l.xp)::bigint, sum(l.coins)::bigint,
           sum(public.ledger_place(l.xp_after, l.coins_after)::numeric - public.ledger_place(l.xp_after - l.xp, l.coins_after - l.coins))
    FROM public.ledger l
    WHERE l.at >= (due::text || ' 00:00:00+00')::timestamptz AND l.at < ((due + 1)::text || ' 00:00:00+00')::timestamptz AND l.sealed IS NULL
    GROUP BY l.user_id
    ON CONFLICT (account_id) DO UPDATE SET xp = c.xp + excluded.xp, coins = c.coins + excluded.coins, chain = c.chain + excluded.chain;
    EXECUTE format($seal$
        INSERT INTO public.ledger_seal (day, row_count, xp, coins, digest, sealed_at)
        SELECT $1, count(*), coalesce(sum(n.xp), 0), coalesce(sum(n.coins), 0),
               coalesce(sum(public.ledger_row_number(n.id, n.user_id, n.idempotency_key, n.kind, n.source, n.xp, n.coins, n.xp_after, n.coins_after,
                                                     n.reason, n.at, n.sealed)), 0), $2
        FROM public.%I n
        ON CONFLICT (day) DO UPDATE SET row_count = excluded.row_count, xp = excluded.xp, coins = excluded.coins, digest = excluded.digest,
                                        sealed_at = excluded.sealed_at, reopened = false$seal$, made)
    USING due, now;
    PERFORM public.place_partition('ledger', made, due, due + 1, true);
    RETURN old;
END $$;

-- The archive of a day that is due keeps what lives on: all but messages and voice. Nothing left: no partition.
CREATE FUNCTION public.thin_events(today date, now timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    old text;
    due date;
    made text;
    left_over boolean;
BEGIN
    SELECT p.name, p.day INTO old, due
    FROM public.day_partitions('event') p
    WHERE p.day < today - 35 AND NOT EXISTS (SELECT 1 FROM public.event_thinned t WHERE t.day = p.day)
    ORDER BY p.day LIMIT 1;
    IF old IS NULL THEN
        RETURN NULL;
    END IF;
    made := public.build_partition('event', due, due + 1, format('SELECT e.* FROM public.event e WHERE e.applied_at >= %L AND e.applied_at < %L'
        ' AND e.type NOT IN (''message_sent'', ''voice_time'') ORDER BY e.id', due::text || ' 00:00:00+00', (due + 1)::text || ' 00:00:00+00'));
    INSERT INTO public.event_thinned (day, thinned_at) VALUES (due, now);
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I)', made) INTO left_over;
    IF left_over THEN
        PERFORM public.place_partition('event', made, due, due + 1, false);
    ELSE
        EXECUTE format('DROP TABLE public.%I', made);
        PERFORM public.hold_parent('event');
        PERFORM public.take_out('event', old);
    END IF;
    RETURN old;
END $$;

-- Days that are done become a month, when the whole month is: or after some years every question would lock a thousand partitions.
CREATE FUNCTION public.join_month(parent text, today date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    due date;
    past date;
    made text;
    bounds text;
BEGIN
    SELECT date_trunc('month', p.day)::date INTO due
    FROM public.day_partitions(parent) p
    GROUP BY 1
    HAVING date_trunc('month', min(p.day)) + interval '1 month' <= today - 35
       AND bool_and(CASE parent WHEN 'event' THEN EXISTS (SELECT 1 FROM public.event_thinned t WHERE t.day = p.day)
                                ELSE EXISTS (SELECT 1 FROM public.ledger_seal s WHERE s.day = p.day AND NOT s.reopened) END)
    ORDER BY 1 LIMIT 1;
    IF due IS NULL OR pg_catalog.to_regclass(format('public.%I', parent || to_char(due, '_YYYYMM'))) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    past := (due + interval '1 month')::date;
    bounds := format('WHERE %%1$I >= %L AND %%1$I < %L', due::text || ' 00:00:00+00', past::text || ' 00:00:00+00');
    made := public.build_partition(parent, due, past, CASE parent
        WHEN 'event' THEN format('SELECT * FROM public.event ' || bounds || ' AND type NOT IN (''message_sent'', ''voice_time'') ORDER BY id', 'applied_at')
        ELSE format('SELECT * FROM public.ledger ' || bounds || ' ORDER BY user_id, id', 'at') END);
    PERFORM public.place_partition(parent, made, due, past, parent = 'ledger');
    RETURN parent || to_char(due, '_YYYYMM');
END $$;

-- What doctor asks about the partitions: a line per fault. today + ahead must be there.
CREATE FUNCTION public.partition_faults(today date) RETURNS TABLE (parent text, fault text, detail text) LANGUAGE sql STABLE AS $$
    SELECT w.parent, 'missing', (today + d.ahead)::text
    FROM (VALUES ('ledger'), ('event'), ('event_key_recent')) AS w(parent), (VALUES (0), (1), (2)) AS d(ahead)
    WHERE NOT EXISTS (SELECT 1 FROM public.day_partitions(w.parent) p WHERE p.day = today + d.ahead)
      AND pg_catalog.to_regclass('public.' || w.parent || to_char(today + d.ahead, '_YYYYMM')) IS NULL
    UNION ALL
    SELECT c.relname::text, 'default', t.partdefid::regclass::text
    FROM pg_catalog.pg_partitioned_table t
    JOIN pg_catalog.pg_class c ON c.oid = t.partrelid
    WHERE c.relname IN ('ledger', 'event', 'event_key_recent') AND t.partdefid <> 0
    UNION ALL
    SELECT 'event_key_recent', 'late', min(p.day)::text FROM public.day_partitions('event_key_recent') p HAVING min(p.day) < today - 10
    UNION ALL
    SELECT 'event', 'late', min(p.day)::text FROM public.day_partitions('event') p
    WHERE NOT EXISTS (SELECT 1 FROM public.event_thinned t WHERE t.day = p.day) HAVING min(p.day) < today - 37
    UNION ALL
    SELECT 'ledger', 'late', min(p.day)::text FROM public.day_partitions('ledger') p
    WHERE NOT EXISTS (SELECT 1 FROM public.ledger_seal s WHERE s.day = p.day) HAVING min(p.day) < today - 37
$$;
