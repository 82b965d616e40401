-- A clock may jump over seasons and come back before they are closed; so an account may come back to a season whose sums it left behind, and
-- leaves them twice. Nothing of it is lost. Source: docs/LEDGER.md, "Seasons".

-- What a close has counted already stays as it is: since it began nothing was added. It counts with the account locked, and says how far it has come
-- in the same transaction. All else is added to what was left behind before.
CREATE OR REPLACE FUNCTION public.season_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.season_result AS r (user_id, season_no, xp, coins)
    VALUES (old.account_id, old.season_no, old.season_xp, old.season_coins)
    ON CONFLICT (user_id, season_no) DO UPDATE SET xp = r.xp + excluded.xp, coins = r.coins + excluded.coins
    WHERE NOT EXISTS (SELECT 1 FROM public.season s
                      WHERE s.no = old.season_no AND (s.counted_at IS NOT NULL OR s.counted_to >= old.account_id));
    RETURN NULL;
END $$;
