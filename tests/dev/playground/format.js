// Foreign text as elements: Telegram's entities, Discord's markdown. A small set of elements is made, everything else stays text.

import { h, safeUrl } from "./dom.js";
import { copyable, link } from "./links.js";

const TAGS = { bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "pre", blockquote: "blockquote", expandable_blockquote: "blockquote", spoiler: "span" };
const BARE_URL = /https?:\/\/[^\s<>"]+[^\s<>"'.,:;!?)\]]/g;

// Text with its bare addresses as links.
function linked(text) {
	const parts = [];
	let from = 0;
	for (const match of text.matchAll(BARE_URL)) {
		parts.push(text.slice(from, match.index), link(match[0], match[0]));
		from = match.index + match[0].length;
	}
	parts.push(text.slice(from));
	return parts.filter((part) => part !== "");
}

// Offsets and lengths are UTF-16 units, as JavaScript's strings count.
export function telegramText(text, entities = []) {
	const sorted = entities.filter((entity) => entity.type in TAGS || entity.type === "text_link").sort((a, b) => a.offset - b.offset || b.length - a.length);
	function render(from, to, inside) {
		const parts = [];
		let at = from;
		for (let number = 0; number < inside.length;) {
			const entity = inside[number];
			const end = Math.min(entity.offset + entity.length, to);
			let next = number + 1;
			while (next < inside.length && inside[next].offset < end) {
				next++;
			}
			parts.push(...linked(text.slice(at, entity.offset)), wrap(entity, end, inside.slice(number + 1, next)));
			at = end;
			number = next;
		}
		parts.push(...linked(text.slice(at, to)));
		return parts;
	}
	function wrap(entity, end, inside) {
		if (entity.type === "code") {
			return copyable(text.slice(entity.offset, end));
		}
		if (entity.type === "text_link") {
			return link(text.slice(entity.offset, end), entity.url);
		}
		return h(TAGS[entity.type], { class: entity.type }, render(entity.offset, end, inside));
	}
	return render(0, text.length, sorted);
}

// Rules of Discord's markdown, first match wins: [pattern, what it becomes].
const RULES = [
	[/^\\([^\w\s])/, (match) => match[1]],
	[/^```(?:\w*\n)?([\s\S]+?)```/, (match) => h("pre", {}, match[1])],
	[/^``(.+?)``|^`([^`]+)`/, (match) => copyable(match[1] ?? match[2])],
	[/^\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)/, (match) => link(match[1], match[2])],
	[/^<(https?:\/\/[^\s>]+)>/, (match) => link(match[1], match[1])],
	[/^\*\*([\s\S]+?)\*\*(?!\*)/, (match) => h("b", {}, discordText(match[1]))],
	[/^__([\s\S]+?)__(?!_)/, (match) => h("u", {}, discordText(match[1]))],
	[/^~~([\s\S]+?)~~/, (match) => h("s", {}, discordText(match[1]))],
	[/^\|\|([\s\S]+?)\|\|/, (match) => h("span", { class: "spoiler" }, discordText(match[1]))],
	[/^\*((?:[^*\n]|\\\*)+?)\*/, (match) => h("i", {}, discordText(match[1]))],
	[/^_((?:[^_\n]|\\_)+?)_(?!\w)/, (match) => h("i", {}, discordText(match[1]))],
	[/^<t:(-?\d{1,12})(?::[tTdDfFR])?>/, (match) => new Date(Number(match[1]) * 1000).toLocaleString(document.documentElement.lang)],
	[/^<@!?(\d+)>/, (match) => h("span", { class: "mention" }, `@${match[1]}`)],
	[/^https?:\/\/[^\s<>"]+[^\s<>"'.,:;!?)\]]/, (match) => (safeUrl(match[0]) ? link(match[0], match[0]) : match[0])],
];

export function discordText(text) {
	const parts = [];
	let plain = "";
	for (let rest = text, before = ""; rest;) {
		const hit = RULES.map(([pattern, make]) => [pattern.exec(rest), make]).find(([match]) => match);
		// An underscore inside a word is no markup.
		if (hit && !(rest[0] === "_" && /\w/.test(before))) {
			if (plain) {
				parts.push(plain);
				plain = "";
			}
			parts.push(hit[1](hit[0]));
			before = hit[0][0].at(-1);
			rest = rest.slice(hit[0][0].length);
		} else {
			before = String.fromCodePoint(rest.codePointAt(0));
			plain += before;
			rest = rest.slice(before.length);
		}
	}
	if (plain) {
		parts.push(plain);
	}
	return parts;
}
