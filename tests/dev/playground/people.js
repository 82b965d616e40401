// Whom one plays: choose, rename, make up another.

import { avatar } from "./chat.js";
import { $, dialog, h } from "./dom.js";
import { act, chatName, on, state, tell } from "./state.js";
import { language, t } from "./strings.js";

function choose(key) {
	if (state.person !== key) {
		state.person = key;
		tell("all");
	}
}

// Something unread in one of this person's own chats.
function waiting(who) {
	return who.key !== state.person && [...state.bots.map((bot) => chatName("telegram", bot.name, who)), chatName("discord", "dm", who)].some((chat) => state.unread.has(chat));
}

function edit(who) {
	dialog(who ? t("edit_person") : t("add_person"), (close) => {
		const name = h("input", { value: who?.name ?? "", maxLength: 32, required: Boolean(who), autocomplete: "off" });
		const problem = h("p", { class: "problem", role: "alert" });
		return h("form", { onsubmit: async (event) => {
			event.preventDefault();
			try {
				if (who) {
					await act("people/change", { person: who.key, name: name.value });
				} else {
					const { key, people: everybody } = await act("people/new", { name: name.value, language: language.now });
					state.people = everybody;
					state.person = key;
				}
				close();
				tell("all");
			} catch (error) {
				problem.textContent = error.message;
			}
		} }, h("label", {}, h("span", {}, t("name")), name), problem,
		h("footer", {}, h("button", { type: "button", class: "quiet", onclick: close }, t("cancel")), h("button", { class: "primary" }, t("save"))));
	}, "form");
}

function draw() {
	const root = $("people");
	const held = root.contains(document.activeElement);
	const chips = state.people.map((who) => {
		const chosen = who.key === state.person;
		return h("button", {
			type: "button", role: "radio", "aria-checked": String(chosen), class: waiting(who) ? "person unread" : "person", tabIndex: chosen ? 0 : -1,
			title: chosen ? t("edit_person") : who.name, onclick: () => (chosen ? edit(who) : choose(who.key)),
		}, avatar(who), h("span", {}, who.name), chosen ? h("span", { class: "pen", "aria-hidden": "true" }, "✎") : null);
	});
	root.replaceChildren(...chips);
	const active = root.querySelector('[aria-checked="true"]');
	if (held) {
		active?.focus();
	}
	active?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

export function people() {
	$("add-person").addEventListener("click", () => edit(null));
	$("people").addEventListener("keydown", (event) => {
		const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
		if (step) {
			event.preventDefault();
			const at = state.people.findIndex((who) => who.key === state.person);
			choose(state.people[(at + step + state.people.length) % state.people.length].key);
		}
	});
	on("all", draw);
	on("unread", draw);
}
