// Ties the page together: loads the state, redraws on its events, switches language and, on a phone, tabs.

import { notice } from "./chat.js";
import { discord } from "./discord.js";
import { $, h } from "./dom.js";
import { people } from "./people.js";
import { chatName, on, refresh, start, state, tell } from "./state.js";
import { language, t } from "./strings.js";
import { telegram } from "./telegram.js";
import { wire } from "./wire_view.js";

const TABS = ["telegram", "discord", "wire"];
let connected = true;

function showTab(name) {
	if (name in newHere) {
		newHere[name] = false;
	}
	document.body.dataset.tab = name;
	drawTabs();
}

function drawTabs() {
	const current = document.body.dataset.tab;
	$("tabs").replaceChildren(...TABS.map((name) => h("button", {
		type: "button", "aria-current": name === current ? "page" : null, class: name !== current && unreadOn(name) ? "unread" : "", onclick: () => showTab(name),
	}, h("span", { class: `mark ${name}`, "aria-hidden": "true" }), name === "wire" ? t("wire_short") : name === "telegram" ? "Telegram" : "Discord")));
}

const newHere = { telegram: false, discord: false };

function unreadOn(name) {
	return newHere[name] ?? false;
}

function drawBanner() {
	const text = connected ? (state.ready ? "" : t("not_ready")) : t("lost");
	$("banner").textContent = text;
	$("banner").hidden = !text;
}

language.load();
$("language").addEventListener("click", () => {
	language.set(language.now === "en" ? "ru" : "en");
	tell("all");
});

people();
telegram();
discord();
wire();
on("all", () => {
	$("language").textContent = language.now === "en" ? "Русский" : "English";
	$("language").lang = language.now === "en" ? "ru" : "en";
	newHere[document.body.dataset.tab] = false;
	drawTabs();
	drawBanner();
});
on("loaded", () => tell("all"));
on("people", () => tell("all"));
on("message", ({ chat, message }) => {
	for (const side of ["telegram", "discord"]) {
		if (!message.person && chat === chatName(side) && document.body.dataset.tab !== side) {
			newHere[side] = true;
		}
	}
	drawTabs();
});
on("show", ({ side, place }) => {
	state.places[side] = place;
	newHere[side] = false;
	document.body.dataset.tab = side;
	tell("all");
});
on("problem", ({ side, text }) => notice(side, text, "problem"));
on("copied", (text) => notice(document.body.dataset.tab === "discord" ? "discord" : "telegram", `${t("copied")}: ${text}`));
on("connection", (good) => {
	connected = good;
	drawBanner();
});
setInterval(() => state.ready || refresh(), 3000);
tell("all");
start();
