"""What a person must hold after a row of events: the rules of XP, ranks, badges and missions once more, written from the rules' text alone.

It shares nothing with the product but the six types of events, so a mistake in either shows as a difference. It covers what events change: not
/daily, links, seasons or promo codes, and it never looks at a clock. Its day is the day of `at`; where a day or a week also counts by the time of
application (missions of a day and a week) it leaves them out: they pay nothing before their period ends.
"""
RANKS = [(0, 0), (500, 50), (1250, 100), (2250, 150), (3500, 200), (5000, 300), (6750, 400), (8750, 500), (11000, 700), (13500, 900),
         (16250, 1200), (19250, 1500), (22500, 2000), (26000, 2500), (29750, 3000), (33750, 4000), (38000, 5000), (42500, 7000), (47250, 10000),
         (52250, 15000)]
# name: counter, how much of it, XP, coins
EARNED = {
    "first_win": ("won", 1, 100, 50), "winner_10": ("won", 10, 200, 100), "winner_50": ("won", 50, 500, 300), "winner_100": ("won", 100, 1000, 500),
    "winner_500": ("won", 500, 5000, 2000), "active_player": ("played", 100, 300, 150), "dedicated_player": ("played", 500, 1000, 500),
    "rich": ("coins", 10000, 500, 1000), "experienced": ("xp", 10000, 1000, 500),
}
# Those that events alone never lead to, but a bot may grant: XP, coins
GRANTED = {
    "streak_3": (150, 75), "streak_7": (500, 250), "streak_30": (2000, 1000), "first_ticket": (50, 25), "season_participant": (100, 50),
    "season_top50": (500, 250), "season_top10": (1500, 750), "season_champion": (5000, 2500), "linked": (100, 100),
}
BADGES = {**{name: row[2:] for name, row in EARNED.items()}, **GRANTED}
# Missions that are done once: counter, how much of it, coins
MISSIONS = {
    "once_play_1": ("played", 1, 50), "once_play_5": ("played", 5, 100), "once_play_10": ("played", 10, 250), "once_play_50": ("played", 50, 1000),
    "once_play_100": ("played", 100, 2500), "once_win_1": ("won", 1, 75), "once_win_25": ("won", 25, 2500), "once_row_3": ("row", 3, 200),
    "once_row_10": ("row", 10, 5000),
}
MESSAGE_XP = [(500, 5), (200, 4), (100, 3), (50, 2), (10, 1), (0, 0)]
MESSAGE_GAP, MESSAGES_A_DAY = 30_000_000, 300
VOICE_STEP, VOICE_A_SESSION, VOICE_A_DAY = 300, 50, 150
DAY = 86_400_000_000


class Person:
    """One account. Times are microseconds since 1970."""

    __slots__ = ("xp", "coins", "messages", "voice", "played", "won", "run", "row", "ranks_paid", "rank_coins", "badges", "missions", "counted_at",
                 "by_messages", "by_voice", "rest", "session", "session_xp")

    def __init__(self, linked=False):
        self.xp = self.coins = self.messages = self.voice = self.played = self.won = self.run = self.row = 0
        self.ranks_paid, self.rank_coins = 1, 0
        self.badges, self.missions = set(), set()
        self.counted_at, self.rest, self.session, self.session_xp = None, 0, None, 0
        self.by_messages, self.by_voice = {}, {}
        if linked:
            self.grant("linked")
            self.missions.add("once_link")
            self.coins += 150
            self.settle()

    def apply(self, kind, data, at):
        """None, or why the event is refused; then nothing has changed."""
        refused = getattr(self, kind)(data, at)
        if refused is None:
            self.settle()
        return refused

    # ---- the six types

    def xp_change(self, data, _):
        if self.xp + data["xp"] < 0:
            return "insufficient"
        self.xp += data["xp"]
        return None

    def coins_change(self, data, _):
        if self.coins + data["coins"] < 0:
            return "insufficient"
        self.coins += data["coins"]
        return None

    def message_sent(self, data, at):
        self.messages += 1
        xp = next(xp for length, xp in MESSAGE_XP if data["length"] >= length)
        if xp and (self.counted_at is None or at - self.counted_at >= MESSAGE_GAP):
            self.counted_at = at
            self.xp += self.within_day(self.by_messages, at, xp, MESSAGES_A_DAY)

    def voice_time(self, data, at):
        heard = max(0, data["seconds"] - data.get("muted_seconds", 0) - data.get("alone_seconds", 0))
        self.voice += heard
        if "session" not in data or data["session"] != self.session:
            self.session, self.session_xp = data.get("session"), 0
        steps, self.rest = divmod(self.rest + heard, VOICE_STEP)
        xp = self.within_day(self.by_voice, at, min(steps, VOICE_A_SESSION - self.session_xp), VOICE_A_DAY)
        self.session_xp += xp
        self.xp += xp

    def game_played(self, data, _):
        self.played += 1
        if data["won"]:
            self.won += 1
            self.run += 1
            self.row = max(self.row, self.run)
        else:
            self.run = 0

    def achievement_unlock(self, data, _):
        if data["badge"] not in BADGES:
            return "badge-unknown"
        self.grant(data["badge"])
        return None

    # ---- what they lead to

    @staticmethod
    def within_day(days, at, xp, limit):
        xp = min(xp, limit - days.get(at // DAY, 0))
        days[at // DAY] = days.get(at // DAY, 0) + xp
        return xp

    def grant(self, badge):
        if badge not in self.badges:
            self.badges.add(badge)
            xp, coins = BADGES[badge]
            self.xp += xp
            self.coins += coins

    def settle(self):
        """Until nothing follows any more. Each thing is paid once, so it ends; all of it adds, so the order does not matter."""
        before = None
        while before != (self.xp, self.coins):
            before = (self.xp, self.coins)
            while self.ranks_paid < len(RANKS) and self.xp >= RANKS[self.ranks_paid][0]:
                self.coins += RANKS[self.ranks_paid][1]
                self.rank_coins += RANKS[self.ranks_paid][1]
                self.ranks_paid += 1
            for name, (counter, least, _, _) in EARNED.items():
                if getattr(self, counter) >= least:
                    self.grant(name)
            for name, (counter, least, coins) in MISSIONS.items():
                if name not in self.missions and getattr(self, counter) >= least:
                    self.missions.add(name)
                    self.coins += coins

    def rank(self):
        """1 to 20, from XP alone."""
        return sum(self.xp >= least for least, _ in RANKS)

    def sums(self):
        """All that is compared, as plain values."""
        return (self.xp, self.coins, self.rank(), self.rank_coins, self.messages, self.voice, self.played, self.won, len(self.badges),
                tuple(sorted(self.badges)), tuple(sorted(self.missions)))


SUMS = ("xp", "coins", "rank", "rank_coins", "messages_sent", "voice_seconds", "games_played", "games_won", "achievements", "badges", "missions")


def example():
    """The rules' own example; what the proof stands on is checked before it is used."""
    person = Person()
    person.apply("xp_change", {"xp": 52250}, 0)
    return (person.xp, person.coins, person.rank_coins) == (53750, 56000, 54500)
