-- Groups that are told when one of theirs reaches a rank: off until staff want it, and in which language the group is written to.

ALTER TABLE public.chat
    ADD COLUMN announce boolean NOT NULL DEFAULT false,
    ADD COLUMN language text CHECK (language IN ('ru', 'en'));
