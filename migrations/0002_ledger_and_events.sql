-- The append-only ledger and the events that feed it. Source: decisions.md 13 to 16.

CREATE TABLE public.ledger (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    user_id         bigint NOT NULL REFERENCES public.account (id),
    idempotency_key text NOT NULL,
    kind            text NOT NULL,
    source          text NOT NULL,
    xp              bigint NOT NULL,
    coins           bigint NOT NULL,
    xp_after        bigint NOT NULL CHECK (xp_after >= 0),
    coins_after     bigint NOT NULL CHECK (coins_after >= 0),
    reason          text,
    at              timestamptz NOT NULL,
    CHECK (xp <> 0 OR coins <> 0),
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX ledger_user ON public.ledger (user_id, at DESC, id DESC);

-- Keys of messages, voice and games: dropped by whole days after 7 days.
CREATE TABLE public.event_key_recent (
    key     text NOT NULL,
    content bytea NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (key, at)
) PARTITION BY RANGE (at);

-- All other keys, those of ledger rows that no event made included: for ever.
CREATE TABLE public.event_key (
    key     text PRIMARY KEY,
    content bytea NOT NULL,
    at      timestamptz NOT NULL
);

-- What was accepted and is not applied yet. lane = hash of the identity, mod 64.
CREATE TABLE public.event_queue (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane        smallint NOT NULL CHECK (lane BETWEEN 0 AND 63),
    platform    public.platform NOT NULL,
    platform_id bigint NOT NULL,
    source      text NOT NULL,
    type        text NOT NULL,
    data        jsonb NOT NULL,
    key         text NOT NULL,
    at          timestamptz NOT NULL,
    accepted_at timestamptz NOT NULL,
    attempts    smallint NOT NULL DEFAULT 0,
    error       text
);
CREATE INDEX event_queue_lane ON public.event_queue (lane, id) WHERE attempts < 5;

CREATE TABLE public.event_lane (lane smallint PRIMARY KEY CHECK (lane BETWEEN 0 AND 63));
INSERT INTO public.event_lane SELECT generate_series(0, 63);

-- What was applied, or rejected when it was its turn.
CREATE TABLE public.event (
    id          bigint NOT NULL,
    user_id     bigint NOT NULL,
    platform    public.platform NOT NULL,
    type        text NOT NULL,
    data        jsonb NOT NULL,
    key         text NOT NULL,
    at          timestamptz NOT NULL,
    accepted_at timestamptz NOT NULL,
    applied_at  timestamptz NOT NULL,
    rejected    text,
    PRIMARY KEY (id, applied_at)
) PARTITION BY RANGE (applied_at);
CREATE INDEX event_user ON public.event (user_id, applied_at DESC);

-- Days from `today` - back to `today` + ahead of one partitioned table; those that exist are left alone.
CREATE FUNCTION public.make_day_partitions(parent text, today date, back integer, ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    day date;
    made integer := 0;
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('make_day_partitions'));
    FOR day IN SELECT generate_series(today - back, today + ahead, interval '1 day')::date LOOP
        IF pg_catalog.to_regclass(format('public.%I', parent || to_char(day, '_YYYYMMDD'))) IS NULL THEN
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

CREATE FUNCTION public.make_partitions(today date) RETURNS integer
LANGUAGE sql AS $$
    SELECT public.make_day_partitions('ledger', today, 30, 7)
         + public.make_day_partitions('event', today, 30, 7)
         + public.make_day_partitions('event_key_recent', today, 9, 3)
$$;

-- The contract's view over both: processed and not. The uuid is the event's number, so it never changes.
CREATE VIEW public.cross_platform_events AS
SELECT lpad(to_hex(e.id), 32, '0')::uuid AS id, e.user_id, e.type AS event_type, e.platform::text AS source_platform, e.data,
       true AS processed, e.applied_at AS processed_at, e.accepted_at AS created_at
FROM public.event e
UNION ALL
SELECT lpad(to_hex(q.id), 32, '0')::uuid, i.account_id, q.type, q.platform::text, q.data, false, NULL, q.accepted_at
FROM public.event_queue q
LEFT JOIN public.identity i ON i.platform = q.platform AND i.platform_id = q.platform_id;
