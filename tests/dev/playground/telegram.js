// The Telegram side: a private chat with each bot, and the group where everybody talks.

import { chatLog, avatar, hue, invite, notice, placeTabs, who } from "./chat.js";
import { composer } from "./composer.js";
import { $, dialog, h, time } from "./dom.js";
import { telegramText } from "./format.js";
import { link } from "./links.js";
import { act, on, person, state, tell } from "./state.js";
import { t } from "./strings.js";

const bot = (name = state.places.telegram) => state.bots.find((each) => each.name === name);

function send(text) {
	return act("telegram/send", { person: state.person, chat: state.places.telegram, text }).catch((error) => {
		notice("telegram", error.message, "problem");
		throw error;
	});
}

async function press(event, message, row, column) {
	const button = event.currentTarget;
	button.classList.add("busy");
	setTimeout(() => button.classList.remove("busy"), 4000);
	try {
		await act("telegram/button", { person: state.person, chat: state.places.telegram, message: message.id, row, column });
	} catch (error) {
		button.classList.remove("busy");
		notice("telegram", error.message, "problem");
	}
}

function keyboard(message) {
	return h("div", { class: "keyboard" }, message.buttons.map((row, y) => h("div", { class: "keys" }, row.map((button, x) => (button.kind === "url"
		? link(`${button.label} ${button.web_app ? "▣" : "↗"}`, button.url, { class: "key" })
		: h("button", { type: "button", class: "key", onclick: (event) => press(event, message, y, x) }, button.label))))));
}

function draw(message) {
	const author = who(message);
	const mine = message.person === state.person;
	if (message.service) {
		return h("p", { class: "service" }, message.text);
	}
	const group = state.places.telegram === "group";
	const name = group && !mine ? h("b", { class: "from" }, message.person ? author?.name ?? "?" : bot(message.bot)?.title ?? message.bot) : null;
	name?.style.setProperty("--hue", String(hue(author)));
	const body = message.person ? telegramText(message.text) : telegramText(message.text, message.entities);
	const bubble = h("div", { class: "bubble" },
		name,
		message.image ? h("img", { src: message.image, alt: message.text || t("file") }) : null,
		message.file ? h("a", { href: message.file.url, download: "" }, `📄 ${message.file.name}`) : null,
		message.text ? h("div", { class: "text" }, body) : null,
		h("time", {}, message.edited ? `${t("edited")} ` : "", time(message.at)));
	return h("article", { class: mine ? "turn mine" : "turn", "data-id": message.id },
		group && !mine ? avatar(author, message.bot) : null,
		h("div", { class: "stack" }, bubble, message.buttons?.length ? keyboard(message) : null));
}

function empty() {
	if (state.places.telegram === "group") {
		return invite(state.group, t("invite_group"), []);
	}
	const chips = ["/start", "/getcode", "/profile", "/help"].map((text) => h("button", { type: "button", class: "chip", onclick: () => send(text).catch(() => {}) }, text));
	return invite(t("invite_telegram"), t("invite_telegram_text"), chips);
}

function commands() {
	const name = state.places.telegram === "group" ? "main" : state.places.telegram;
	const list = state.commands.telegram[name]?.[person()?.telegram_language] ?? [];
	return list.map((each) => ({ name: each.command, description: each.description }));
}

function menu() {
	const me = person();
	const change = (language) => act("people/change", { person: me.key, telegram_language: language }).catch((error) => notice("telegram", error.message, "problem"));
	dialog(`Telegram · ${me.name}`, (close) => [
		h("fieldset", {}, h("legend", {}, t("language_here")), ["en", "ru"].map((code) => h("label", { class: "radio" },
			h("input", { type: "radio", name: "language", checked: me.telegram_language === code, onchange: () => change(code) }), code === "en" ? "English" : "Русский"))),
		...state.bots.map(({ name, title }) => h("label", { class: "switch" },
			h("input", { type: "checkbox", checked: me.blocked.includes(name), onchange: (event) => {
				act("telegram/block", { person: me.key, bot: name, blocked: event.target.checked }).catch((error) => notice("telegram", error.message, "problem"));
			} }), h("span", {}, `${t("block")} · ${title}`, h("small", {}, t("block_hint"))))),
		h("p", { class: "ids" }, `@${me.handle} · id ${me.telegram_id}`),
		h("footer", {}, h("button", { type: "button", class: "primary", onclick: close }, t("close"))),
	]);
}

function blockedBar() {
	const name = state.places.telegram;
	return h("div", { class: "blocked" }, h("span", {}, t("blocked")), h("button", { type: "button", class: "primary", onclick: () => {
		act("telegram/block", { person: state.person, bot: name, blocked: false }).catch((error) => notice("telegram", error.message, "problem"));
	} }, t("unblock")));
}

export function telegram() {
	const rebuild = chatLog("telegram", draw, empty);
	const tabs = placeTabs("telegram", () => [
		...(state.bots.length ? state.bots : [{ name: "main", title: "Trivet" }]).map(({ name, title }) => ({ place: name, label: title })),
		{ place: "group", label: t("group") },
	]);
	const root = $("telegram-composer");
	const line = h("div", { class: "line" });
	const compose = composer(line, {
		commands, submit: send, label: () => t("message"),
		choose: ({ name }) => {
			if (name === "code" || name === "promo") { // these want a word: typed on
				compose.fill(`/${name} `);
				return true;
			}
			return false;
		},
	});
	const bar = () => {
		const blocked = person()?.blocked.includes(state.places.telegram);
		root.replaceChildren(blocked ? blockedBar() : line);
	};
	$("telegram-menu").addEventListener("click", menu);
	on("toast", ({ person: whose, text, alert }) => {
		for (const button of document.querySelectorAll(".telegram .busy")) {
			button.classList.remove("busy");
		}
		if (text && whose === state.person) {
			if (alert) {
				dialog("Telegram", (close) => [h("p", {}, text), h("footer", {}, h("button", { type: "button", class: "primary", onclick: close }, "OK"))]);
			} else {
				notice("telegram", text);
			}
		}
	});
	const all = () => {
		rebuild();
		tabs();
		compose.words();
		bar();
	};
	on("all", all);
	on("unread", tabs);
	on("commands", () => tell("unread"));
}
