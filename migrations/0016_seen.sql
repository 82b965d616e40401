-- Who was seen is gathered in the programs' memory and stored from there: nothing waits in a table any more.
-- destructive: a row that still waits here comes again at its person's next sight (docs/ARCHITECTURE.md, "Effects once").
DROP TABLE public.identity_seen;
