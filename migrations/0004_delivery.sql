-- What the sender of messages needs beside the outbox row. Source: decisions.md 21; docs/ARCHITECTURE.md, "Sending".

-- How often a call got no answer: after the first it is sent once more, after the second it is given up.
ALTER TABLE public.outbox ADD COLUMN doubts smallint NOT NULL DEFAULT 0;

-- Urgent rows are looked for at every turn, also behind a backlog of others.
CREATE INDEX outbox_urgent ON public.outbox (platform, bot, due_at, id) WHERE urgent AND status IN ('pending', 'processing', 'uncertain');

-- Codes are wiped at their own end, also those of a chat that waits.
CREATE INDEX outbox_expires ON public.outbox (expires_at)
    WHERE expires_at IS NOT NULL AND body IS NOT NULL AND status IN ('pending', 'uncertain', 'failed');
