-- What the sender of messages needs beside the outbox row. Source: decisions.md 21; docs/ARCHITECTURE.md, "Sending".

ALTER TABLE public.outbox
    -- How often a call got no answer: after the first it is sent once more, after the second it is given up.
    ADD COLUMN doubts smallint NOT NULL DEFAULT 0,
    -- Waits for an older row of its recipient: out of sight of the search for what is due until that one is done, so that a chat with a
    -- long backlog costs the others nothing.
    ADD COLUMN behind boolean NOT NULL DEFAULT false;

DROP INDEX public.outbox_due;
CREATE INDEX outbox_due ON public.outbox (platform, bot, due_at, id) WHERE NOT urgent AND NOT behind AND status IN ('pending', 'processing', 'uncertain');
CREATE INDEX outbox_behind ON public.outbox (platform, bot, recipient, id) WHERE behind AND status IN ('pending', 'processing', 'uncertain');

-- Urgent rows are looked for at every turn, also behind a backlog of others.
CREATE INDEX outbox_urgent ON public.outbox (platform, bot, due_at, id) WHERE urgent AND status IN ('pending', 'processing', 'uncertain');

-- Codes are wiped at their own end, also those of a chat that waits.
CREATE INDEX outbox_expires ON public.outbox (expires_at)
    WHERE expires_at IS NOT NULL AND body IS NOT NULL AND status IN ('pending', 'uncertain', 'failed');
