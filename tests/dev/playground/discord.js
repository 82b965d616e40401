// The Discord side: a channel of the server, and the direct chat with the application.

import { avatar, chatLog, hue, invite, notice, placeTabs, who } from "./chat.js";
import { composer, optionForm } from "./composer.js";
import { $, dialog, h, time } from "./dom.js";
import { discordText } from "./format.js";
import { link } from "./links.js";
import { act, on, person, state } from "./state.js";
import { t } from "./strings.js";

const STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "secondary" };
const here = () => ({ person: state.person, where: state.places.discord });

// Does something on Discord; shows what went wrong, the form or nothing.
async function interact(action, body) {
	try {
		const answer = await act(`discord/${action}`, { ...here(), ...body });
		if (answer.failed) {
			notice("discord", `${t("no_response")} · ${answer.words}`, "problem");
		} else if (answer.modal) {
			modal(answer.modal);
		}
		return answer;
	} catch (error) {
		notice("discord", error.message, "problem");
		return { failed: true };
	}
}

function modal({ number, title, fields }) {
	dialog(title, (close) => {
		const problem = h("p", { class: "problem", role: "alert" });
		const inputs = fields.map((field) => ({ field, input: h(field.long ? "textarea" : "input", {
			value: field.value, placeholder: field.placeholder, required: field.required, maxLength: field.max, minLength: field.min, rows: field.long ? 5 : null,
		}) }));
		return h("form", { onsubmit: async (event) => {
			event.preventDefault();
			const values = Object.fromEntries(inputs.map(({ field, input }) => [field.id, input.value]));
			const answer = await act("discord/modal", { ...here(), modal: number, values }).catch((error) => ({ failed: true, words: error.message }));
			if (answer.failed) {
				problem.textContent = answer.words;
			} else {
				close();
			}
		} },
		inputs.map(({ field, input }) => h("label", {}, h("span", {}, field.label, field.required ? " *" : ""), field.description ? h("small", {}, field.description) : null, input)),
		problem, h("footer", {}, h("button", { type: "button", class: "quiet", onclick: close }, t("cancel")), h("button", { class: "primary" }, t("submit"))));
	}, "form");
}

function component(message, part, row, column) {
	if (part.kind === "select") {
		return h("select", { disabled: part.disabled, "aria-label": part.placeholder || t("choose"), onchange: (event) => interact("button", { message: message.id, row, column, values: [event.target.value] }) },
			h("option", { value: "" }, part.placeholder || t("choose")),
			part.options.map((option) => h("option", { value: option.value, selected: option.default }, option.label)));
	}
	if (part.kind === "url") {
		return link(`${part.label} ↗`, part.url, { class: "component secondary" });
	}
	return h("button", { type: "button", class: `component ${STYLES[part.style] ?? "secondary"}`, disabled: part.disabled, onclick: async (event) => {
		const button = event.currentTarget;
		button.classList.add("busy");
		await interact("button", { message: message.id, row, column });
		button.classList.remove("busy");
	} }, part.label);
}

function embed(value) {
	const box = h("div", { class: "embed" },
		value.author?.name ? h("small", {}, value.author.name) : null,
		value.title ? h("b", {}, value.url ? link(value.title, value.url) : discordText(value.title)) : null,
		value.description ? h("div", { class: "text" }, discordText(value.description)) : null,
		value.fields?.length ? h("dl", {}, value.fields.map((field) => h("div", { class: field.inline ? "inline" : "" }, h("dt", {}, discordText(field.name)), h("dd", {}, discordText(field.value))))) : null,
		value.footer?.text ? h("small", {}, value.footer.text) : null);
	if (Number.isInteger(value.color)) {
		box.style.borderInlineStartColor = `#${value.color.toString(16).padStart(6, "0")}`;
	}
	return box;
}

function used(message) {
	const user = person(message.user);
	return h("p", { class: "used" }, avatar(user), h("b", {}, user?.name ?? "?"), ` ${t("used", "")}`, h("span", { class: "mention" }, message.used));
}

function draw(message) {
	if (message.only && message.only !== state.person) {
		return null;
	}
	const author = who(message);
	const name = h("b", { class: "from" }, message.person ? author?.name ?? "?" : "Trivet");
	name.style.setProperty("--hue", String(hue(author)));
	return h("article", { class: message.only ? "post ephemeral" : "post", "data-id": message.id },
		message.used ? used(message) : null,
		h("div", { class: "line" },
			avatar(author, message.bot),
			h("div", { class: "stack" },
				h("header", {}, name, message.bot ? h("span", { class: "badge" }, t("app")) : null, h("time", {}, time(message.at))),
				message.loading ? h("p", { class: "thinking" }, `Trivet ${t("thinking")}`) : null,
				message.content ? h("div", { class: "text" }, discordText(message.content), message.edited ? h("small", {}, ` (${t("edited")})`) : null) : null,
				(message.embeds ?? []).map(embed),
				(message.files ?? []).map((file) => (file.image ? h("img", { src: file.url, alt: file.name }) : h("a", { href: file.url, download: "" }, `📄 ${file.name}`))),
				(message.buttons ?? []).map((row, y) => h("div", { class: "components" }, row.map((part, x) => component(message, part, y, x)))),
				message.unheard ? h("p", { class: "note" }, t("unheard")) : null,
				message.only ? h("p", { class: "note" }, `◉ ${t("only_you")}`) : null)));
}

function description(item) {
	return item.description_localizations?.[person()?.discord_language] ?? item.description ?? "";
}

// "/code ABC123" or "/code code:ABC123" typed as one line: the options, the first one taking what has no name.
export function typedOptions(command, rest) {
	const options = command.options ?? [];
	const names = options.map((option) => option.name);
	const values = {};
	let last = names[0];
	for (const word of rest.split(/\s+/).filter(Boolean)) {
		const colon = word.indexOf(":");
		if (colon > 0 && names.includes(word.slice(0, colon))) {
			last = word.slice(0, colon);
			values[last] = word.slice(colon + 1);
		} else if (last) {
			values[last] = values[last] ? `${values[last]} ${word}` : word;
		}
	}
	return values;
}

function run(command, options) {
	return interact("command", { name: command.name, options });
}

function ask(command) {
	optionForm($("discord-composer"), command, {
		describe: description,
		complete: async (focused, options) => (await act("discord/autocomplete", { ...here(), name: command.name, focused, options })).choices ?? [],
		done: (options) => run(command, options),
	});
}

async function submit(text) {
	const match = /^\/(\S+)\s*([\s\S]*)$/.exec(text);
	const command = match && state.commands.discord.find((each) => each.name === match[1].toLowerCase());
	if (!command) {
		await act("discord/say", { ...here(), text }).catch((error) => {
			notice("discord", error.message, "problem");
			throw error;
		});
		return;
	}
	const options = typedOptions(command, match[2]);
	if ((command.options ?? []).some((option) => option.required && !options[option.name])) {
		ask(command);
		return;
	}
	await run(command, options);
}

function menu() {
	const me = person();
	const change = (language) => act("people/change", { person: me.key, discord_language: language }).catch((error) => notice("discord", error.message, "problem"));
	dialog(`Discord · ${me.name}`, (close) => [
		h("fieldset", {}, h("legend", {}, t("language_here")), ["en", "ru"].map((code) => h("label", { class: "radio" },
			h("input", { type: "radio", name: "language", checked: me.discord_language === code, onchange: () => change(code) }), code === "en" ? "English" : "Русский"))),
		h("label", { class: "switch" }, h("input", { type: "checkbox", checked: me.dm_closed, onchange: (event) => {
			act("discord/direct", { person: me.key, closed: event.target.checked }).catch((error) => notice("discord", error.message, "problem"));
		} }), h("span", {}, t("close_dm"), h("small", {}, t("close_dm_hint")))),
		h("p", { class: "ids" }, `${me.handle} · id ${me.discord_id}`),
		h("footer", {}, h("button", { type: "button", class: "primary", onclick: close }, t("close"))),
	]);
}

export function discord() {
	const line = h("div", { class: "line" });
	$("discord-composer").append(line);
	const compose = composer(line, {
		commands: () => state.commands.discord.map((each) => ({ name: each.name, description: description(each) })),
		submit, label: () => t("message"),
		choose: ({ name }) => {
			const command = state.commands.discord.find((each) => each.name === name);
			if (command?.options?.length) {
				ask(command);
				return true;
			}
			return false;
		},
	});
	function empty() {
		const chips = ["/code", "/getcode", "/profile"].map((text) => h("button", { type: "button", class: "chip", onclick: () => {
			if (text === "/code") {
				ask(state.commands.discord.find((each) => each.name === "code") ?? { name: "code", options: [] });
			} else {
				submit(text);
			}
		} }, text));
		return invite(t("invite_discord"), t("invite_discord_text"), chips);
	}
	const rebuild = chatLog("discord", draw, empty);
	const tabs = placeTabs("discord", () => [{ place: "guild", label: "# general" }, { place: "dm", label: t("direct") }]);
	$("discord-menu").addEventListener("click", menu);
	on("all", () => {
		rebuild();
		tabs();
		compose.words();
		$("discord-composer").querySelector("form")?.remove();
	});
	on("unread", tabs);
}
