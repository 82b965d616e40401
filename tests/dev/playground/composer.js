// The line one types in: a text field with a menu of commands (the ARIA combobox pattern), and Discord's form of options.

import { h } from "./dom.js";
import { t } from "./strings.js";

let count = 0;

/*
 * commands() -> [{ name, description }] for the menu; submit(text) -> promise, the field empties when it holds; choose(name) -> true when the
 * choice was taken over (a form opened), else the command is put into the field or sent.
 */
export function composer(root, { commands, submit, choose, label }) {
	const id = `menu-${++count}`;
	const menu = h("ul", { class: "menu", id, role: "listbox", hidden: true });
	const field = h("textarea", {
		rows: 1, maxLength: 4096, autocomplete: "off", spellcheck: false, role: "combobox",
		"aria-expanded": "false", "aria-controls": id, "aria-autocomplete": "list", enterkeyhint: "send",
	});
	const slash = h("button", { type: "button", class: "icon slash", onclick: () => open() }, "/");
	const send = h("button", { type: "button", class: "send", onclick: () => go() }, h("span", { "aria-hidden": "true" }, "↑"));
	let shown = [];
	let at = -1;

	function open() {
		field.value = field.value.startsWith("/") ? field.value : "/";
		field.focus();
		update();
	}

	function update() {
		field.style.height = "auto";
		field.style.height = `${Math.min(field.scrollHeight, 140)}px`;
		const match = /^\/([\p{L}\p{N}_-]*)$/u.exec(field.value);
		shown = match ? commands().filter((command) => command.name.startsWith(match[1].toLowerCase())) : [];
		at = shown.length ? 0 : -1;
		draw();
	}

	function draw() {
		menu.hidden = !shown.length;
		field.setAttribute("aria-expanded", String(!menu.hidden));
		menu.replaceChildren(...shown.map((command, number) => h("li", {
			role: "option", id: `${id}-${number}`, "aria-selected": String(number === at),
			onpointerdown: (event) => event.preventDefault(), onclick: () => pick(command),
		}, h("b", {}, `/${command.name}`), h("span", {}, command.description))));
		const active = at >= 0 ? menu.children[at] : null;
		if (active) {
			field.setAttribute("aria-activedescendant", active.id);
			active.scrollIntoView({ block: "nearest" });
		} else {
			field.removeAttribute("aria-activedescendant");
		}
	}

	function shut() {
		shown = [];
		at = -1;
		draw();
	}

	function pick(command) {
		shut();
		field.value = "";
		if (!choose(command)) {
			field.value = `/${command.name}`;
			go();
		}
	}

	async function go() {
		const text = field.value.trim();
		if (!text) {
			return;
		}
		shut();
		field.value = "";
		update();
		try {
			await submit(text);
		} catch {
			field.value = field.value || text;
			update();
		}
	}

	field.addEventListener("input", update);
	field.addEventListener("blur", () => setTimeout(shut, 120));
	field.addEventListener("keydown", (event) => {
		if (event.isComposing) {
			return;
		}
		if (shown.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
			event.preventDefault();
			at = (at + (event.key === "ArrowDown" ? 1 : shown.length - 1)) % shown.length;
			draw();
		} else if (shown.length && event.key === "Escape") {
			event.preventDefault();
			shut();
		} else if (shown.length && event.key === "Tab" && !event.shiftKey) {
			event.preventDefault();
			field.value = `/${shown[at].name} `;
			shut();
		} else if (event.key === "Enter" && !event.shiftKey) {
			event.preventDefault();
			if (shown.length) {
				pick(shown[at]);
			} else {
				go();
			}
		}
	});
	root.replaceChildren(menu, slash, field, send);
	const words = () => {
		field.placeholder = label();
		field.setAttribute("aria-label", label());
		slash.setAttribute("aria-label", t("commands"));
		send.setAttribute("aria-label", t("send"));
	};
	words();
	return { words, focus: () => field.focus(), fill: (text) => {
		field.value = text;
		field.focus();
		update();
	} };
}

/*
 * optionForm - one command's options above the composer. complete(option, values) -> promise of choices; done(values) -> promise.
 */
export function optionForm(root, command, { describe, complete, done }) {
	const fields = {};
	const problem = h("p", { class: "problem", role: "alert" });
	const values = () => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value.trim()]));
	const form = h("form", { class: "options", "aria-label": t("options", `/${command.name}`), onsubmit: async (event) => {
		event.preventDefault();
		form.remove();
		await done(values());
	}, onkeydown: (event) => {
		if (event.key === "Escape") {
			form.remove();
		}
	} }, h("b", { class: "name" }, `/${command.name}`));
	for (const option of command.options) {
		const list = `options-${++count}`;
		const choices = option.type === 5 ? [{ name: "true", value: "true" }, { name: "false", value: "false" }] : option.choices ?? [];
		const field = choices.length
			? h("select", { required: option.required }, h("option", { value: "" }, option.required ? t("choose") : "—"), choices.map((choice) => h("option", { value: choice.value }, choice.name)))
			: h("input", { required: option.required, autocomplete: "off", spellcheck: false, list: option.autocomplete ? list : null, maxLength: option.max_length ?? 6000,
				placeholder: describe(option), inputMode: option.type === 4 ? "numeric" : "text" });
		fields[option.name] = field;
		const suggestions = option.autocomplete ? h("datalist", { id: list }) : null;
		if (suggestions) {
			field.addEventListener("input", async () => {
				const found = await complete(option.name, values()).catch(() => []);
				suggestions.replaceChildren(...found.map((choice) => h("option", { value: choice.value }, choice.name)));
			});
		}
		form.append(h("label", {}, h("span", {}, option.name, option.required ? " *" : ""), field, suggestions));
	}
	form.append(problem, h("div", { class: "row" }, h("button", { type: "button", class: "quiet", onclick: () => form.remove() }, t("cancel")), h("button", { class: "primary" }, t("run"))));
	root.querySelector("form")?.remove();
	root.prepend(form);
	Object.values(fields)[0]?.focus();
}
