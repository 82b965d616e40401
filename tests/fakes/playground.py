"""The playground's side of the stand-ins: pretended people, their chats, and the webhooks that their words become.

Everything lives in memory. The page asks for the state once and then follows a stream of changes; what it does comes back as actions.
"""


class Playground:
    def __init__(self, settings): self.settings = settings
    def attach(self, telegram, discord): pass
    def telegram_chat(self, chat_id): return None
    def telegram_user(self, user_id): return None
    def telegram_blocked(self, bot, chat_id): return False
    def telegram_message(self, bot, message): pass
    def telegram_deleted(self, bot, chat_id, message_id): pass
    def telegram_toast(self, query_id, text, alert): pass
    def last_webhook_error(self, bot): return {}
    def commands_changed(self): pass
    def discord_user(self, user_id): return None
    def discord_closed(self, user_id): return False
    def discord_message(self, channel_id, message, token): pass
    def discord_deleted(self, channel_id, message_id): pass
    def discord_token_user(self, token): return None
    def discord_token_channel(self, token): return None
    def discord_callback(self, token, body): pass
    def roles_changed(self, user_id): pass
    def first_discord_user(self): return "1"
    def reset(self): pass
    async def handle(self, request): return None
