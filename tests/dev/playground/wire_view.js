// The strip of what went over the wire, and the development clock.

import { $, h } from "./dom.js";
import { act, on, state, tell } from "./state.js";
import { duration, t } from "./strings.js";

const STEPS = [["+3", 180, "minute"], ["+1", 3600, "hour"], ["+1", 86400, "day"]];

function pretty(text) {
	if (!text) {
		return t("empty");
	}
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
}

function tone(status) {
	return status >= 200 && status < 300 ? "good" : status === 429 ? "slow" : "bad";
}

function entry(value) {
	const arrow = { in: "→", out: "←", reply: "↩" }[value.direction];
	const way = t({ in: "to_bot", out: "from_bot", reply: "reply" }[value.direction]);
	const details = h("details", { class: value.platform },
		h("summary", {},
			h("span", { class: "way", title: `${value.platform} ${way}` }, arrow),
			h("span", { class: "title", title: value.title }, value.title.replaceAll("{}", "…")),
			h("span", { class: `status ${tone(value.status)}` }, value.status || "✕"),
			h("span", { class: "ms" }, value.ms === null ? "" : `${value.ms < 10 ? value.ms.toFixed(1) : Math.round(value.ms)} ms`)));
	// The raw text is laid out only when somebody looks.
	details.addEventListener("toggle", () => {
		if (details.open && details.children.length === 1) {
			details.append(
				value.note ? h("p", { class: "problem" }, value.note) : "",
				h("h4", {}, `${new Date(value.at * 1000).toLocaleTimeString(document.documentElement.lang)} · ${value.platform} ${way} · ${t("sent")}`), h("pre", { tabIndex: 0 }, pretty(value.sent)),
				h("h4", {}, t("answer")), h("pre", { tabIndex: 0 }, pretty(value.answer)));
		}
	});
	return h("li", {}, details);
}

async function setClock(offset) {
	try {
		state.clock = (await act("clock", { offset })).clock;
		drawClock();
	} catch (error) {
		tell("problem", { side: "discord", text: error.message });
	}
}

function drawClock() {
	$("clock").replaceChildren(
		h("p", {}, h("b", {}, t("clock")), h("output", { class: state.clock ? "ahead" : "" }, state.clock ? t("clock_ahead", duration(state.clock)) : t("clock_now")),
			state.clock ? h("button", { type: "button", class: "chip", onclick: () => setClock(0) }, t("reset")) : null),
		h("div", { class: "row" },
			STEPS.map(([sign, seconds, unit]) => h("button", { type: "button", class: "chip", onclick: () => setClock(state.clock + seconds) }, `${sign} ${t(unit)}`))));
}

export function wire() {
	const list = $("wire-entries");
	on("all", () => {
		const entries = state.wire.map(entry).reverse();
		list.replaceChildren(...(entries.length ? entries : [h("li", { class: "invite" }, h("p", {}, t("invite_wire")))]));
		drawClock();
	});
	on("wire", ({ entry: value }) => {
		list.querySelector(".invite")?.remove();
		list.prepend(entry(value));
		while (list.children.length > 200) {
			list.lastChild.remove();
		}
	});
	on("clock", drawClock);
}
