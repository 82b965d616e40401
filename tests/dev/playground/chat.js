// What both chats do alike: the log that follows its end, places to switch, notices that pass.

import { $, h } from "./dom.js";
import { chatName, on, person, state, tell } from "./state.js";

export function avatar(who, bot = "") {
	const badge = h("span", { class: bot ? "avatar bot" : "avatar", "aria-hidden": "true" }, bot ? "" : [...(who?.name ?? "?")][0].toUpperCase());
	badge.style.setProperty("--hue", String(hue(who)));
	return badge;
}

export function hue(who) {
	return who ? (Number(who.key.slice(1)) * 137 + 20) % 360 : 0;
}

export function notice(side, text, className = "") {
	const box = h("p", { class: `toast ${className}` }, text);
	$(`${side}-toasts`).append(box);
	setTimeout(() => box.remove(), 4500);
}

/*
 * chatLog - keeps one side's log equal to the chat that is shown. draw(message) -> element or null (not for this person's eyes);
 * empty() -> what an empty chat invites to.
 */
export function chatLog(side, draw, empty) {
	const log = $(`${side}-log`);
	const elements = new Map();
	const nearEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 120;

	function rebuild() {
		elements.clear();
		const messages = state.chats[chatName(side)] ?? [];
		for (const message of messages) {
			const element = draw(message);
			if (element) {
				elements.set(message.id, element);
			}
		}
		log.replaceChildren(...(elements.size ? elements.values() : [empty()]));
		log.scrollTop = log.scrollHeight;
		state.unread.delete(chatName(side));
	}

	on("message", ({ chat, message }) => {
		if (chat !== chatName(side)) {
			tell("unread");
			return;
		}
		const follow = nearEnd() || message.person === state.person;
		const element = draw(message);
		const old = elements.get(message.id);
		if (!element) {
			return;
		}
		if (!elements.size) {
			log.replaceChildren();
		}
		elements.set(message.id, element);
		if (old) {
			const focused = old.contains(document.activeElement);
			old.replaceWith(element);
			if (focused) {
				log.focus({ preventScroll: true });
			}
		} else {
			element.classList.add("fresh");
			log.append(element);
		}
		if (follow) {
			log.scrollTop = log.scrollHeight;
		}
	});
	on("delete", ({ chat, id }) => {
		if (chat === chatName(side)) {
			elements.get(id)?.remove();
			elements.delete(id);
			if (!elements.size) {
				log.replaceChildren(empty());
			}
		}
	});
	// The log shrinks when the keyboard or a form of options opens: its end stays in sight.
	let held = true;
	log.addEventListener("scroll", () => {
		held = nearEnd();
	});
	new ResizeObserver(() => {
		if (held) {
			log.scrollTop = log.scrollHeight;
		}
	}).observe(log);
	return rebuild;
}

// Tabs of one side's chats. list() -> [{ place, label }]
export function placeTabs(side, list) {
	const root = $(`${side}-places`);
	return () => {
		root.replaceChildren(...list().map(({ place, label }) => h("button", {
			type: "button", role: "tab", class: state.unread.has(chatName(side, place)) ? "unread" : "",
			"aria-selected": String(state.places[side] === place), onclick: () => tell("show", { side, place }),
		}, label)));
	};
}

export function invite(title, text, buttons) {
	return h("div", { class: "invite" }, h("h3", {}, title), h("p", {}, text), h("div", { class: "row" }, buttons));
}

export function who(message) {
	return message.person ? person(message.person) : null;
}
