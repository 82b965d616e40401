-- Prizes are rows that staff change: one that the ledger cannot post would hold up the close for ever. As of badges and missions (0005).
ALTER TABLE public.season_reward
    ADD CHECK (place_from >= 1 AND place_to >= place_from),
    ADD CHECK (coins BETWEEN 0 AND 1000000000);
