// The page's own words, in two languages.

const WORDS = {
	en: {
		playground: "playground", you_are: "You are", chats: "Chats", settings: "Settings", wire: "What went over the wire", wire_short: "Wire", views: "Views",
		add_person: "New person", name: "Name", rename: "Rename", save: "Save", cancel: "Cancel", close: "Close", language: "Language", language_here: "Language of the app",
		person: "Person", edit_person: "Rename this person", group: "Group", direct: "Direct", send: "Send", commands: "Commands", message: "Message", message_to: "Message {0}",
		invite_telegram: "Ask for a code", invite_telegram_text: "Send /getcode here. Then enter that code on the other side with /code: both become one account.",
		invite_discord: "Enter the code", invite_discord_text: "Type /code and the six symbols from Telegram. Or the other way round: /getcode here, /code there.",
		invite_wire: "Nothing yet. Each webhook to Trivet and each call it makes shows up here, with status and time.",
		invite_group: "Everyone you made up talks here. Messages in this group count for XP.", blocked: "You blocked this bot.", unblock: "Unblock", block: "Block the bot",
		block_hint: "Sends my_chat_member, and messages to you answer 403.", close_dm: "Close direct messages", close_dm_hint: "Messages to you answer 403 (50007).",
		only_you: "Only you can see this", used: "used {0}", thinking: "is thinking…", app: "APP", edited: "edited", unheard: "Applications do not hear plain words, only commands",
		no_response: "The application did not respond", copied: "Copied", clock: "Clock", clock_now: "runs true", clock_ahead: "{0} ahead", reset: "reset", to_bot: "to Trivet",
		from_bot: "by Trivet", reply: "answer", sent: "Sent", answer: "Answer", empty: "empty", no_answer: "none", pay: "Pay {0} ⭐", pay_hint: "Pretended Stars: nothing is charged.",
		options: "Options of {0}", run: "Run", required: "required", submit: "Submit", not_ready: "Waiting for the stack: its settings file is not there yet.",
		lost: "No connection to the stand-ins. Trying again…", choose: "Choose…", opens_telegram: "opens in Telegram", start_of: "Private chat with {0}", start: "Start",
		custom_clock: "seconds", set: "Set", ago: "", file: "File", invoice: "Invoice", group_of: "{0} in the group", day: "d", hour: "h", minute: "min", second: "s",
	},
	ru: {
		playground: "площадка", you_are: "Вы —", chats: "Чаты", settings: "Настройки", wire: "Что прошло по проводу", wire_short: "Провод", views: "Виды",
		add_person: "Новый человек", name: "Имя", rename: "Переименовать", save: "Сохранить", cancel: "Отмена", close: "Закрыть", language: "Язык", language_here: "Язык приложения",
		person: "Человек", edit_person: "Переименовать", group: "Группа", direct: "Личное", send: "Отправить", commands: "Команды", message: "Сообщение", message_to: "Написать: {0}",
		invite_telegram: "Попросите код", invite_telegram_text: "Отправьте здесь /getcode, а на другой стороне введите код командой /code: аккаунты станут одним.",
		invite_discord: "Введите код", invite_discord_text: "Наберите /code и шесть символов из Telegram. Или наоборот: /getcode здесь, /code там.",
		invite_wire: "Пока пусто. Здесь появится каждый вебхук к Trivet и каждый его вызов — со статусом и временем.",
		invite_group: "Здесь говорят все придуманные люди. Сообщения этой группы приносят XP.", blocked: "Вы заблокировали бота.", unblock: "Разблокировать", block: "Заблокировать бота",
		block_hint: "Уйдёт my_chat_member, а сообщения вам получат ответ 403.", close_dm: "Закрыть личные сообщения", close_dm_hint: "Сообщения вам получат ответ 403 (50007).",
		only_you: "Это видите только вы", used: "использует {0}", thinking: "думает…", app: "БОТ", edited: "изменено", unheard: "Приложения не слышат обычных слов, только команды",
		no_response: "Приложение не отвечает", copied: "Скопировано", clock: "Часы", clock_now: "идут верно", clock_ahead: "вперёд на {0}", reset: "сброс", to_bot: "в Trivet",
		from_bot: "от Trivet", reply: "ответ", sent: "Отправлено", answer: "Ответ", empty: "пусто", no_answer: "нет", pay: "Заплатить {0} ⭐", pay_hint: "Звёзды понарошку: ничего не спишется.",
		options: "Параметры {0}", run: "Выполнить", required: "обязательно", submit: "Отправить", not_ready: "Ждём стек: его файла настроек ещё нет.",
		lost: "Нет связи с заглушками. Пробуем снова…", choose: "Выберите…", opens_telegram: "откроется в Telegram", start_of: "Личный чат с {0}", start: "Начать",
		custom_clock: "секунд", set: "Задать", ago: "", file: "Файл", invoice: "Счёт", group_of: "{0} в группе", day: "д", hour: "ч", minute: "мин", second: "с",
	},
};

const KEY = "trivet-playground-language";

export const language = {
	now: "en",
	load() {
		let chosen = null;
		try {
			chosen = localStorage.getItem(KEY);
		} catch {
			// Storage may be forbidden; the browser's language serves.
		}
		this.set(chosen ?? (navigator.language.toLowerCase().startsWith("ru") ? "ru" : "en"));
	},
	set(code) {
		this.now = code in WORDS ? code : "en";
		document.documentElement.lang = this.now;
		try {
			localStorage.setItem(KEY, this.now);
		} catch {
			// As above.
		}
		for (const element of document.querySelectorAll("[data-t]")) {
			element.textContent = t(element.dataset.t);
		}
		for (const element of document.querySelectorAll("[data-t-label]")) {
			element.setAttribute("aria-label", t(element.dataset.tLabel));
		}
	},
};

export function t(key, ...values) {
	const text = WORDS[language.now][key] ?? WORDS.en[key] ?? key;
	return text.replace(/\{(\d)\}/g, (_, number) => values[Number(number)] ?? "");
}

// 90061 -> "1 d 1 h 1 min 1 s"
export function duration(seconds) {
	const parts = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
	let left = Math.abs(seconds);
	const words = [];
	for (const [unit, size] of parts) {
		const count = Math.floor(left / size);
		left -= count * size;
		if (count) {
			words.push(`${count} ${t(unit)}`);
		}
	}
	return (seconds < 0 ? "−" : "") + (words.join(" ") || `0 ${t("second")}`);
}
