-- What platforms show of people who only read: written by group commit, worked into identity by the worker. One row per person at most.

CREATE TABLE public.identity_seen (
    platform      public.platform NOT NULL,
    platform_id   bigint NOT NULL,
    username      text,
    name          text,
    language_hint text,
    bot           text NOT NULL,
    private       boolean NOT NULL,  -- in a private chat: this bot may write to him
    at            timestamptz NOT NULL,
    PRIMARY KEY (platform, platform_id)
);
