-- The service API: changes that programs and the operator order, rates of keys and what they were used for. Source: docs/API.md.

-- Orders of XP and coins, by their keys, for ever: a repeat gets the answer of the first. The key is the ledger's.
CREATE TABLE public.adjustment (
    key         text PRIMARY KEY,               -- "adjust:api:<id of the API key>:<its own>" or "adjust:operator:<its own>"
    account_id  bigint NOT NULL REFERENCES public.account (id),
    person      bytea NOT NULL,                 -- digest of whom the order named, for what differs
    xp          bigint NOT NULL,
    coins       bigint NOT NULL,
    reason      bytea NOT NULL,                 -- digest
    xp_after    bigint NOT NULL,                -- with all that followed: ranks, badges, missions
    coins_after bigint NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX adjustment_account ON public.adjustment (account_id);

-- Requests a minute, in each process; NULL: as many as come.
ALTER TABLE public.api_key ADD COLUMN per_minute integer DEFAULT 6000 CHECK (per_minute BETWEEN 1 AND 60000000);

-- Requests that showed a key, by UTC day and route; added up in the programs' memory and written every few seconds.
CREATE TABLE public.api_key_usage (
    api_key_id bigint NOT NULL REFERENCES public.api_key (id),
    day        date NOT NULL,
    route      text NOT NULL,
    requests   bigint NOT NULL,
    refused    bigint NOT NULL,                 -- of these: over the key's rate
    PRIMARY KEY (api_key_id, day, route)
);
