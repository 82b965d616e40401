"""The commands that the playground offers until Trivet registers its own (docs/COMMANDS.md is made from the one real table)."""

# name, platforms (t, d or both), English, Russian, options of Discord: (name, required, English, Russian)
ROWS = (
    ("start", "t", "Start here", "Начать", ()),
    ("help", "td", "What I can do", "Что я умею", ()),
    ("profile", "td", "Your profile", "Ваш профиль", ()),
    ("rank", "td", "Your rank", "Ваш ранг", ()),
    ("top", "td", "The leaderboard", "Таблица лидеров", (("board", False, "Which board: all, season, week", "Какая таблица: all, season, week"),)),
    ("balance", "td", "Your coins", "Ваши монеты", ()),
    ("daily", "td", "The daily reward", "Ежедневная награда", ()),
    ("getcode", "td", "A code that links another platform", "Код для привязки другой платформы", ()),
    ("code", "td", "Enter a code from another platform", "Ввести код с другой платформы", (("code", True, "The code", "Код"),)),
    ("checklink", "td", "What is linked to your account", "Что привязано к вашему аккаунту", ()),
    ("unlink", "td", "Separate a linked platform", "Отвязать платформу", ()),
    ("access", "td", "A sign-in link for the website", "Ссылка для входа на сайт", ()),
    ("promo", "td", "Redeem a promo code", "Активировать промокод", (("code", True, "The promo code", "Промокод"),)),
    ("ref", "td", "Your invitation link", "Ваша ссылка-приглашение", ()),
    ("badges", "td", "Your badges", "Ваши значки", ()),
    ("missions", "td", "Missions and rewards", "Задания и награды", ()),
    ("subscribe", "td", "Plans and subscriptions", "Тарифы и подписки", ()),
    ("ticket", "td", "Write to support", "Написать в поддержку", (("text", False, "What it is about", "О чём речь"),)),
    ("tickets", "td", "Your tickets", "Ваши обращения", ()),
    ("lang", "td", "Choose the language", "Выбрать язык", (("lang", False, "en or ru", "en или ru"),)),
    ("notify", "td", "Switch notices on and off", "Включить и выключить уведомления", ()),
    ("mydata", "td", "Everything held about you", "Всё, что о вас хранится", ()),
    ("forgetme", "td", "Erase your account", "Стереть аккаунт", ()),
    ("paysupport", "t", "Help with payments", "Помощь с оплатой", ()),
    ("terms", "t", "Terms of use", "Условия использования", ()),
)

BUILT_IN_TELEGRAM = [{"command": name, "description": {"en": english, "ru": russian}} for name, platforms, english, russian, _ in ROWS if "t" in platforms]
BUILT_IN_DISCORD = [
    {"id": str(1_000_000_000_000_000_000 + number), "name": name, "type": 1, "description": english, "description_localizations": {"ru": russian},
     "options": [{"type": 3, "name": option, "required": needed, "description": text, "description_localizations": {"ru": local}}
                 for option, needed, text, local in options]}
    for number, (name, platforms, english, russian, options) in enumerate(ROWS) if "d" in platforms
]
