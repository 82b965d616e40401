-- Runs cannot be added up: a joining keeps the later streak and the longer run of wins. So that its undo gives each side its own again, what
-- both had is written down. NULL: joined before this was kept; the runs stay with who has them. Source: domain.md, "Merging" (Undo).
ALTER TABLE public.merge
    ADD COLUMN brought_streak integer CHECK (brought_streak >= 0),
    ADD COLUMN brought_daily  timestamptz,
    ADD COLUMN brought_wins   integer CHECK (brought_wins >= 0),
    ADD COLUMN kept_streak    integer CHECK (kept_streak >= 0),
    ADD COLUMN kept_daily     timestamptz,
    ADD COLUMN kept_wins      integer CHECK (kept_wins >= 0);
