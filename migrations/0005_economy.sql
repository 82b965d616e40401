-- The economy: what an account has done (ever, today, this week), badges, missions, seasons, marks. Source: docs/LEDGER.md.
-- Numbers are rows and columns, so that staff can change them; the code holds only what a counter means.

-- Periods are UTC days and ISO weeks, numbered from 1970-01-01 (a Thursday: week 0 began on Monday 1969-12-29). A sum whose number is not
-- the current one counts as 0.
ALTER TABLE public.account_balance
    ADD COLUMN wins_in_row        integer NOT NULL DEFAULT 0,  -- the present run
    ADD COLUMN wins_best          integer NOT NULL DEFAULT 0,  -- the longest ever
    ADD COLUMN dailies            integer NOT NULL DEFAULT 0,
    ADD COLUMN tickets_opened     integer NOT NULL DEFAULT 0,
    ADD COLUMN promos_used        integer NOT NULL DEFAULT 0,
    ADD COLUMN referrals          integer NOT NULL DEFAULT 0,  -- qualified
    ADD COLUMN links              smallint NOT NULL DEFAULT 0, -- platforms held at once, at most; 0: one
    ADD COLUMN profile_complete   smallint NOT NULL DEFAULT 0, -- 1: name and language chosen, two identities
    ADD COLUMN day_no             integer NOT NULL DEFAULT 0,  -- of the day_ counters: when they were applied
    ADD COLUMN day_games_played   integer NOT NULL DEFAULT 0,
    ADD COLUMN day_games_won      integer NOT NULL DEFAULT 0,
    ADD COLUMN day_dailies        integer NOT NULL DEFAULT 0,
    ADD COLUMN week_games_played  integer NOT NULL DEFAULT 0,  -- of week_no, like week_xp
    ADD COLUMN week_games_won     integer NOT NULL DEFAULT 0,
    ADD COLUMN week_wins_in_row   integer NOT NULL DEFAULT 0,
    ADD COLUMN week_wins_best     integer NOT NULL DEFAULT 0,
    ADD COLUMN xp_day_no          integer NOT NULL DEFAULT 0,  -- of the two caps: the latest day, by the events' own time
    ADD COLUMN day_message_xp     integer NOT NULL DEFAULT 0,
    ADD COLUMN day_voice_xp       integer NOT NULL DEFAULT 0,
    ADD COLUMN last_message_at    timestamptz,                 -- the last that gave XP, by its own time
    ADD COLUMN last_text          bigint NOT NULL DEFAULT 0,   -- hash of the last text; 0: none
    ADD COLUMN voice_rest         integer NOT NULL DEFAULT 0,  -- seconds carried on to the next session
    ADD COLUMN voice_session      bigint NOT NULL DEFAULT 0,   -- hash of the last named session; 0: none
    ADD COLUMN voice_session_xp   integer NOT NULL DEFAULT 0,
    ADD COLUMN rank_paid          smallint NOT NULL DEFAULT 1; -- the highest rank whose coins were paid (a mark)

-- What a loser brought, beside the sums of 0003.
ALTER TABLE public.merge
    ADD COLUMN day_no            integer NOT NULL DEFAULT 0,
    ADD COLUMN dailies           bigint NOT NULL DEFAULT 0,
    ADD COLUMN tickets_opened    bigint NOT NULL DEFAULT 0,
    ADD COLUMN promos_used       bigint NOT NULL DEFAULT 0,
    ADD COLUMN referrals         bigint NOT NULL DEFAULT 0,
    ADD COLUMN day_games_played  bigint NOT NULL DEFAULT 0,
    ADD COLUMN day_games_won     bigint NOT NULL DEFAULT 0,
    ADD COLUMN day_dailies       bigint NOT NULL DEFAULT 0,
    ADD COLUMN week_games_played bigint NOT NULL DEFAULT 0,
    ADD COLUMN week_games_won    bigint NOT NULL DEFAULT 0,
    ALTER COLUMN achievements SET DEFAULT 0; -- badges are united and stay with both: nothing is given back

-- Rates and caps; one row.
CREATE TABLE public.economy_setting (
    one               boolean PRIMARY KEY DEFAULT true CHECK (one),
    message_gap_s     integer NOT NULL DEFAULT 30 CHECK (message_gap_s >= 0),
    message_xp_day    integer NOT NULL DEFAULT 300 CHECK (message_xp_day >= 0),
    voice_step_s      integer NOT NULL DEFAULT 300 CHECK (voice_step_s > 0),
    voice_xp_session  integer NOT NULL DEFAULT 50 CHECK (voice_xp_session >= 0),
    voice_xp_day      integer NOT NULL DEFAULT 150 CHECK (voice_xp_day >= 0),
    daily_xp          integer NOT NULL DEFAULT 50 CHECK (daily_xp >= 0),
    daily_coins       integer NOT NULL DEFAULT 100 CHECK (daily_coins >= 0),
    daily_again_s     integer NOT NULL DEFAULT 72000 CHECK (daily_again_s > 0),
    daily_keep_s      integer NOT NULL DEFAULT 172800 CHECK (daily_keep_s > 0),
    season_days       integer NOT NULL DEFAULT 30 CHECK (season_days > 0),
    season_start      timestamptz NOT NULL  -- UTC midnight of the first migration; season n begins n * season_days later
);
-- Seasons count from the day of the first migration. Without a record of migrations (tests, a schema loaded by psql): from a fixed day.
DO $$
DECLARE
    first timestamptz;
BEGIN
    IF pg_catalog.to_regclass('public.schema_migrations') IS NOT NULL THEN
        EXECUTE 'SELECT min(applied_at) FROM public.schema_migrations' INTO first;
    END IF;
    INSERT INTO public.economy_setting (season_start)
    VALUES (pg_catalog.date_trunc('day', coalesce(first, timestamptz '2025-01-01 00:00:00+00'), 'UTC'));
END $$;

-- XP of a message by the length of its trimmed text.
CREATE TABLE public.message_xp (length integer PRIMARY KEY CHECK (length >= 0), xp integer NOT NULL CHECK (xp >= 0));
INSERT INTO public.message_xp VALUES (0, 0), (10, 1), (50, 2), (100, 3), (200, 4), (500, 5);

-- A condition over one counter; earned once per person.
CREATE TABLE public.badges (
    id          smallint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    code        text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9_]{1,40}$'),
    name        text NOT NULL,
    name_ru     text NOT NULL,
    description text NOT NULL,
    description_ru text NOT NULL,
    criteria    jsonb NOT NULL DEFAULT '{}',  -- {"counter": "games_won", "at_least": 10}; {} = granted by staff, seasons or a bot
    xp          bigint NOT NULL DEFAULT 0 CHECK (xp BETWEEN 0 AND 1000000000),
    coins       bigint NOT NULL DEFAULT 0 CHECK (coins BETWEEN 0 AND 1000000000),
    CHECK (criteria = '{}' OR (
        criteria ->> 'counter' IN ('xp', 'coins', 'messages_sent', 'voice_seconds', 'games_played', 'games_won', 'wins_best', 'achievements',
                                   'dailies', 'daily_streak', 'tickets_opened', 'promos_used', 'referrals', 'links', 'profile_complete')
        AND jsonb_typeof(criteria -> 'at_least') = 'number' AND (criteria ->> 'at_least')::numeric BETWEEN 1 AND 1000000000000
        AND trunc((criteria ->> 'at_least')::numeric) = (criteria ->> 'at_least')::numeric) IS TRUE)
);
INSERT INTO public.badges (code, name, name_ru, description, description_ru, criteria, xp, coins) VALUES
    ('first_win', 'First win', 'Первая победа', 'Win a game', 'Победите в игре', '{"counter": "games_won", "at_least": 1}', 100, 50),
    ('winner_10', 'Winner', 'Победитель', 'Win 10 games', 'Победите в 10 играх', '{"counter": "games_won", "at_least": 10}', 200, 100),
    ('winner_50', 'Champion', 'Чемпион', 'Win 50 games', 'Победите в 50 играх', '{"counter": "games_won", "at_least": 50}', 500, 300),
    ('winner_100', 'Master', 'Мастер', 'Win 100 games', 'Победите в 100 играх', '{"counter": "games_won", "at_least": 100}', 1000, 500),
    ('winner_500', 'Legend', 'Легенда', 'Win 500 games', 'Победите в 500 играх', '{"counter": "games_won", "at_least": 500}', 5000, 2000),
    ('active_player', 'Active player', 'Активный игрок', 'Play 100 games', 'Сыграйте 100 игр', '{"counter": "games_played", "at_least": 100}', 300, 150),
    ('dedicated_player', 'Dedicated player', 'Преданный игрок', 'Play 500 games', 'Сыграйте 500 игр', '{"counter": "games_played", "at_least": 500}', 1000, 500),
    ('rich', 'Rich', 'Богач', 'Hold 10,000 coins', 'Накопите 10 000 монет', '{"counter": "coins", "at_least": 10000}', 500, 1000),
    ('experienced', 'Experienced', 'Опытный', 'Reach 10,000 XP', 'Наберите 10 000 XP', '{"counter": "xp", "at_least": 10000}', 1000, 500),
    ('streak_3', 'Three days', 'Три дня', 'Claim /daily 3 days in a row', 'Заберите /daily 3 дня подряд', '{"counter": "daily_streak", "at_least": 3}', 150, 75),
    ('streak_7', 'A week', 'Неделя', 'Claim /daily 7 days in a row', 'Заберите /daily 7 дней подряд', '{"counter": "daily_streak", "at_least": 7}', 500, 250),
    ('streak_30', 'A month', 'Месяц', 'Claim /daily 30 days in a row', 'Заберите /daily 30 дней подряд', '{"counter": "daily_streak", "at_least": 30}', 2000, 1000),
    ('first_ticket', 'First question', 'Первый вопрос', 'Open a ticket', 'Откройте обращение', '{"counter": "tickets_opened", "at_least": 1}', 50, 25),
    ('season_participant', 'Season participant', 'Участник сезона', 'Earn any XP in a season', 'Заработайте XP в сезоне', '{}', 100, 50),
    ('season_top50', 'Season top 50', 'Топ-50 сезона', 'End a season among the first 50', 'Закончите сезон в первой полусотне', '{}', 500, 250),
    ('season_top10', 'Season top 10', 'Топ-10 сезона', 'End a season among the first 10', 'Закончите сезон в первой десятке', '{}', 1500, 750),
    ('season_champion', 'Season champion', 'Чемпион сезона', 'Win a season', 'Победите в сезоне', '{}', 5000, 2500),
    ('linked', 'Linked', 'Связаны', 'Link a second platform', 'Привяжите вторую платформу', '{"counter": "links", "at_least": 2}', 100, 100);

CREATE TABLE public.badge_user_association (
    user_id       bigint NOT NULL REFERENCES public.account (id),
    badge_id      smallint NOT NULL REFERENCES public.badges (id),
    earned_in_bot text NOT NULL,
    earned_at     timestamptz NOT NULL,
    copied        boolean NOT NULL DEFAULT false,  -- a mark taken along from another account: paid there
    PRIMARY KEY (user_id, badge_id)
);

CREATE TABLE public.missions (
    id          smallint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    code        text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9_]{1,40}$'),
    period      text NOT NULL CHECK (period IN ('daily', 'weekly', 'once')),
    name        text NOT NULL,
    name_ru     text NOT NULL,
    counter     text NOT NULL,
    goal        bigint NOT NULL CHECK (goal BETWEEN 1 AND 1000000000000),
    xp          bigint NOT NULL DEFAULT 0 CHECK (xp BETWEEN 0 AND 1000000000),
    coins       bigint NOT NULL DEFAULT 0 CHECK (coins BETWEEN 0 AND 1000000000),
    active      boolean NOT NULL DEFAULT true,
    CHECK (counter IN ('games_played', 'games_won')
           OR (period = 'daily' AND counter = 'dailies')
           OR (period = 'weekly' AND counter IN ('wins_best', 'xp', 'coins'))
           OR (period = 'once' AND counter IN ('dailies', 'xp', 'coins', 'messages_sent', 'voice_seconds', 'wins_best', 'achievements', 'daily_streak',
                                               'tickets_opened', 'promos_used', 'referrals', 'links', 'profile_complete')))
);
INSERT INTO public.missions (code, period, name, name_ru, counter, goal, coins) VALUES
    ('daily_play_3', 'daily', 'Play 3 games', 'Сыграйте 3 игры', 'games_played', 3, 50),
    ('daily_win_1', 'daily', 'Win a game', 'Победите в игре', 'games_won', 1, 100),
    ('daily_return', 'daily', 'Come back today (/daily)', 'Загляните сегодня (/daily)', 'dailies', 1, 10),
    ('weekly_play_20', 'weekly', 'Play 20 games', 'Сыграйте 20 игр', 'games_played', 20, 500),
    ('weekly_win_10', 'weekly', 'Win 10 games', 'Победите в 10 играх', 'games_won', 10, 1000),
    ('weekly_row_5', 'weekly', 'Win 5 games in a row', 'Победите 5 раз подряд', 'wins_best', 5, 1500),
    ('once_play_1', 'once', 'Play your first game', 'Сыграйте первую игру', 'games_played', 1, 50),
    ('once_play_5', 'once', 'Play 5 games', 'Сыграйте 5 игр', 'games_played', 5, 100),
    ('once_win_1', 'once', 'Win your first game', 'Победите впервые', 'games_won', 1, 75),
    ('once_row_3', 'once', 'Win 3 games in a row', 'Победите 3 раза подряд', 'wins_best', 3, 200),
    ('once_play_10', 'once', 'Play 10 games', 'Сыграйте 10 игр', 'games_played', 10, 250),
    ('once_play_50', 'once', 'Play 50 games', 'Сыграйте 50 игр', 'games_played', 50, 1000),
    ('once_play_100', 'once', 'Play 100 games', 'Сыграйте 100 игр', 'games_played', 100, 2500),
    ('once_link', 'once', 'Link a second platform', 'Привяжите вторую платформу', 'links', 2, 150),
    ('once_profile', 'once', 'Complete your profile', 'Заполните профиль', 'profile_complete', 1, 150),
    ('once_promo', 'once', 'Use your first promo code', 'Активируйте первый промокод', 'promos_used', 1, 150),
    ('once_referral', 'once', 'Invite a friend who qualifies', 'Пригласите друга, который освоится', 'referrals', 1, 200),
    ('once_win_25', 'once', 'Win 25 games', 'Победите в 25 играх', 'games_won', 25, 2500),
    ('once_row_10', 'once', 'Win 10 games in a row', 'Победите 10 раз подряд', 'wins_best', 10, 5000);

-- What was claimed, or completed and paid by itself. period_no: day or week number; 0 for once. A mark: once per person and period.
CREATE TABLE public.mission_progress (
    user_id      bigint NOT NULL REFERENCES public.account (id),
    mission_id   smallint NOT NULL REFERENCES public.missions (id),
    period_no    integer NOT NULL,
    completed_at timestamptz NOT NULL,
    claimed_at   timestamptz,
    copied       boolean NOT NULL DEFAULT false,  -- a mark taken along from another account: nothing to claim here
    PRIMARY KEY (user_id, period_no, mission_id)
);
CREATE INDEX mission_progress_unclaimed ON public.mission_progress (period_no, user_id) WHERE claimed_at IS NULL AND NOT copied;

-- Seasons that are over; the present one is not a row.
CREATE TABLE public.season (
    no        integer PRIMARY KEY CHECK (no >= 0),
    starts_at timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL,
    closed_at timestamptz NOT NULL
);
CREATE TABLE public.season_result (
    user_id      bigint NOT NULL REFERENCES public.account (id),
    season_no    integer NOT NULL REFERENCES public.season (no),
    xp           bigint NOT NULL,
    coins        bigint NOT NULL,
    place        bigint,  -- NULL: hidden or without XP
    PRIMARY KEY (user_id, season_no)
);

CREATE TABLE public.season_reward (place_from integer PRIMARY KEY, place_to integer NOT NULL, coins bigint NOT NULL, badge_code text REFERENCES public.badges (code));
INSERT INTO public.season_reward VALUES (1, 1, 1000, 'season_champion'), (2, 3, 500, 'season_top10'), (4, 10, 300, 'season_top10'), (11, 50, 150, 'season_top50');
