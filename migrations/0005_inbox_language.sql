-- The language that a stored reply was said in: a repeat gets the same words, also of a person who has chosen another since.

ALTER TABLE public.inbox ADD COLUMN language text CHECK (language IN ('ru', 'en'));
