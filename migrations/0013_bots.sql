-- Many bots on one base: what each bot keeps of a person, and the trainings it reports. Source: docs/ARCHITECTURE.md, "Bots".

-- No version is ever used twice, whatever the row: an ETag that was seen before accounts were joined or parted names nothing else after it.
CREATE SEQUENCE public.bot_session_version;

-- json, not jsonb: a bot gets back the very text that it wrote, every digit of its numbers. What jsonb could not hold is refused all the same,
-- for the view below shows it.
CREATE TABLE public.bot_session (
    user_id      bigint NOT NULL REFERENCES public.account (id),  -- who had it first: it stays so when accounts are joined, like a ledger row
    bot_name     text NOT NULL CHECK (bot_name ~ '^[A-Za-z0-9_.-]{1,64}$'),
    session_data json NOT NULL CHECK (jsonb_typeof(session_data::jsonb) = 'object' AND octet_length(session_data::text) <= 65536),
    stats_data   json NOT NULL CHECK (jsonb_typeof(stats_data::jsonb) = 'object' AND octet_length(stats_data::text) <= 65536),
    version      bigint NOT NULL DEFAULT nextval('public.bot_session_version'),
    updated_at   timestamptz NOT NULL,
    aside_at     timestamptz,  -- since when a later one of the same family (account_family) stands before it; NULL: this is the present one
    PRIMARY KEY (user_id, bot_name)
);
CREATE INDEX bot_session_aside ON public.bot_session (aside_at) WHERE aside_at IS NOT NULL;

-- The contract's view: one row per person and bot.
CREATE VIEW public.bot_sessions AS
SELECT coalesce(f.survivor_id, s.user_id) AS user_id, s.bot_name, s.session_data::jsonb AS session_data, s.stats_data::jsonb AS stats_data,
       s.version, s.updated_at
FROM public.bot_session s
LEFT JOIN public.account_family f ON f.account_id = s.user_id
WHERE s.aside_at IS NULL;

-- What bots report of finished trainings. Append-only; account_family says whose a row is now.
CREATE TABLE public.training_history (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id         bigint NOT NULL REFERENCES public.account (id),
    bot_name        text NOT NULL CHECK (bot_name ~ '^[A-Za-z0-9_.-]{1,64}$'),
    kind            text NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    score           numeric CHECK (abs(score) <= 9007199254740992),  -- NULL: the training has none
    details         jsonb NOT NULL CHECK (jsonb_typeof(details) = 'object'),
    at              timestamptz NOT NULL,  -- when it was finished, as the bot says
    platform        public.platform NOT NULL,  -- by which identity it was reported
    platform_id     bigint NOT NULL,
    source          text NOT NULL,
    idempotency_key text NOT NULL,
    created_at      timestamptz NOT NULL,
    UNIQUE (bot_name, idempotency_key)
);
CREATE INDEX training_history_user ON public.training_history (user_id, at DESC);
