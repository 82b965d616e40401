-- Effects once and messages out: inbox, outbox, codes, links, jobs, audit. Source: decisions.md 7 to 10 and 21.

-- One row per update with an effect, with the reply that a repeat gets. `sealed` holds its secrets until sealed_until.
CREATE TABLE public.inbox (
    key          text PRIMARY KEY,
    reply        bytea,
    sealed       bytea,
    sealed_until timestamptz,
    language     text CHECK (language IN ('ru', 'en')), -- of the reply's words: a repeat gets the same
    at           timestamptz NOT NULL
);
CREATE INDEX inbox_at ON public.inbox USING brin (at);

-- Authentic updates that could not be read, or were too large: head and size.
CREATE TABLE public.update_aside (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform public.platform NOT NULL,
    bot      text NOT NULL,
    at       timestamptz NOT NULL,
    reason   text NOT NULL,
    size     bigint NOT NULL,
    head     bytea NOT NULL
);

CREATE TYPE public.outbox_status AS ENUM ('pending', 'processing', 'sent', 'uncertain', 'failed', 'permanent');

-- Messages to people. `body` is an encoded neutral reply; words are made when it is sent, in the recipient's language.
CREATE TABLE public.outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform    public.platform NOT NULL,
    bot         text NOT NULL,
    account_id  bigint REFERENCES public.account (id),
    recipient   bigint NOT NULL,           -- Telegram chat, Discord user; orders the rows of one recipient
    urgent      boolean NOT NULL DEFAULT false,
    topic       text NOT NULL,             -- link, unlink, code, merge ...: for reports and switches
    body        bytea,
    sealed      bytea,
    status      public.outbox_status NOT NULL DEFAULT 'pending',
    attempts    smallint NOT NULL DEFAULT 0,
    plain       boolean NOT NULL DEFAULT false,  -- send without markup: the platform could not parse it
    created_at  timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    expires_at  timestamptz,
    give_up_at  timestamptz NOT NULL,
    done_at     timestamptz,
    message_id  bigint,
    error       text
);
CREATE INDEX outbox_due ON public.outbox (platform, bot, due_at, id) WHERE status IN ('pending', 'processing', 'uncertain');
CREATE INDEX outbox_recipient ON public.outbox (platform, bot, recipient, id) WHERE status IN ('pending', 'processing', 'uncertain');
CREATE INDEX outbox_done ON public.outbox USING brin (done_at);

-- Who sends for a bot now (decisions.md 21). Times are real time, not the development clock.
CREATE TABLE public.sender_lease (
    platform   public.platform NOT NULL,
    bot        text NOT NULL,
    owner      uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (platform, bot)
);

-- The newest live code of an account, as keyed hashes (typed code; deep-link token).
CREATE TABLE public.account_code (
    account_id bigint PRIMARY KEY REFERENCES public.account (id),
    code_hash  bytea NOT NULL UNIQUE,
    token_hash bytea NOT NULL UNIQUE,
    identity_id bigint NOT NULL REFERENCES public.identity (id),  -- who asked for it, and by which bot: told when it is used
    bot        text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Tombstones: a code is used once, and says so until its own end.
CREATE TABLE public.code_used (
    hash       bytea PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES public.account (id),
    expires_at timestamptz NOT NULL
);
CREATE INDEX code_used_expires ON public.code_used (expires_at);

-- A redeemed code that waits for the redeemer's yes (10 min).
CREATE TABLE public.link_confirmation (
    token       text PRIMARY KEY,
    issuer_identity_id   bigint NOT NULL REFERENCES public.identity (id),
    redeemer_identity_id bigint NOT NULL REFERENCES public.identity (id),
    issuer_bot  text NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    answer      text CHECK (answer IN ('accepted', 'declined'))
);
CREATE INDEX link_confirmation_expires ON public.link_confirmation (expires_at);

-- Every joining of two accounts, with what is needed to undo it.
CREATE TABLE public.merge (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    survivor_id          bigint NOT NULL REFERENCES public.account (id),
    loser_id             bigint NOT NULL REFERENCES public.account (id),
    issuer_identity_id   bigint REFERENCES public.identity (id),  -- NULL: merged by staff
    redeemer_identity_id bigint REFERENCES public.identity (id),
    survivor_oldest_id   bigint NOT NULL REFERENCES public.identity (id), -- the oldest identity of each side may undo
    loser_oldest_id      bigint NOT NULL REFERENCES public.identity (id),
    identity_ids         bigint[] NOT NULL,  -- those that moved from the loser
    histories            smallint NOT NULL CHECK (histories BETWEEN 0 AND 2), -- how many sides had one
    -- What the loser brought and has not got back: the columns of account_balance.
    xp                   bigint NOT NULL CHECK (xp >= 0),
    coins                bigint NOT NULL CHECK (coins >= 0),
    season_no            integer NOT NULL,
    season_xp            bigint NOT NULL,
    season_coins         bigint NOT NULL,
    week_no              integer NOT NULL,
    week_xp              bigint NOT NULL,
    week_coins           bigint NOT NULL,
    messages_sent        bigint NOT NULL,
    voice_seconds        bigint NOT NULL,
    games_played         bigint NOT NULL,
    games_won            bigint NOT NULL,
    achievements         bigint NOT NULL,
    at                   timestamptz NOT NULL,
    undone_at            timestamptz,
    undone_by            text
);
CREATE INDEX merge_survivor ON public.merge (survivor_id, at);
CREATE INDEX merge_loser ON public.merge (loser_id, at);

-- Work of the worker: deferred commands and, later, schedules.
CREATE TABLE public.job (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL,
    key        text NOT NULL UNIQUE,
    payload    bytea NOT NULL,
    sealed     bytea,
    due_at     timestamptz NOT NULL,
    expires_at timestamptz,
    attempts   smallint NOT NULL DEFAULT 0,
    error      text,
    created_at timestamptz NOT NULL
);
CREATE INDEX job_due ON public.job (due_at, id) WHERE attempts < 5;

CREATE TABLE public.api_key (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    hash         bytea NOT NULL UNIQUE,    -- SHA-256 of the key: it has 256 random bits
    scopes       text[] NOT NULL,
    bot          text,
    platform     public.platform,
    trust        text NOT NULL DEFAULT 'full' CHECK (trust IN ('full', 'counters')),
    in_flight    integer NOT NULL DEFAULT 64 CHECK (in_flight BETWEEN 1 AND 1024),
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at   timestamptz
);

CREATE TABLE public.audit_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,              -- "telegram:5", "discord:7", "operator", "api:<key name>"
    action     text NOT NULL,
    account_id bigint,
    before     jsonb,
    after      jsonb,
    reason     text,
    address    text
);
CREATE INDEX audit_log_account ON public.audit_log (account_id, at DESC);

-- Chats that give activity (trivet chat add|list|ignore|multiply).
CREATE TABLE public.chat (
    platform   public.platform NOT NULL,
    chat_id    bigint NOT NULL,
    title      text,
    state      text NOT NULL CHECK (state IN ('registered', 'ignored', 'told')),
    multiplier integer NOT NULL DEFAULT 100 CHECK (multiplier BETWEEN 0 AND 1000), -- percent
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (platform, chat_id)
);
