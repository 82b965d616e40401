// What can be followed or copied: links, deep links into the pretended Telegram, invoices, codes.

import { dialog, h, safeUrl } from "./dom.js";
import { act, state, tell } from "./state.js";
import { t } from "./strings.js";

// A link to one of our bots or an invoice: { start } or { invoice }; null for every other one.
export function telegramTarget(url) {
	if (url.hostname !== "t.me" && url.hostname !== "telegram.me") {
		return null;
	}
	const [, name, more] = url.pathname.split("/");
	if (name.startsWith("$")) {
		return { invoice: name.slice(1) };
	}
	if (more === undefined && state.bots.some((bot) => bot.username.toLowerCase() === name.toLowerCase())) {
		return { username: name, start: url.searchParams.get("start") ?? "" };
	}
	return null;
}

export async function follow(target) {
	try {
		if (target.invoice !== undefined) {
			confirmPayment(target.invoice);
			return;
		}
		const { chat } = await act("telegram/link", { person: state.person, username: target.username, payload: target.start });
		tell("show", { side: "telegram", place: chat });
	} catch (error) {
		tell("problem", { side: "telegram", text: error.message });
	}
}

function confirmPayment(slug) {
	const problem = h("p", { class: "problem", role: "alert" });
	dialog(t("invoice"), (close) => [
		h("p", {}, t("pay_hint")), problem,
		h("footer", {}, h("button", { type: "button", class: "primary", onclick: async (event) => {
			event.target.disabled = true;
			try {
				const { chat } = await act("telegram/pay", { person: state.person, slug });
				close();
				tell("show", { side: "telegram", place: chat });
			} catch (error) {
				problem.textContent = error.message;
				event.target.disabled = false;
			}
		} }, t("pay", ""))),
	]);
}

// An <a>, or a button where the link leads into the pretended Telegram; only text when its address is none that we follow.
export function link(text, address, properties = {}) {
	const url = safeUrl(address);
	if (!url) {
		return h("span", properties, text);
	}
	const target = telegramTarget(url);
	if (target) {
		return h("button", { type: "button", ...properties, class: `link ${properties.class ?? ""}`, title: `${address} (${t("opens_telegram")})`, onclick: () => follow(target) }, text);
	}
	return h("a", { ...properties, href: url.href, target: "_blank", rel: "noopener noreferrer", title: address }, text);
}

// Code that a click or Enter copies.
export function copyable(text) {
	async function copy() {
		try {
			await navigator.clipboard.writeText(text);
			tell("copied", text);
		} catch {
			// Without the right to write the clipboard the text can still be selected.
		}
	}
	return h("code", { tabIndex: 0, role: "button", onclick: copy, onkeydown: (event) => {
		if (event.key === "Enter" || event.key === " ") {
			event.preventDefault();
			copy();
		}
	} }, text);
}
