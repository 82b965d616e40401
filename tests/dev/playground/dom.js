// Elements from code. Text only ever becomes text nodes; nothing here parses markup.

export function h(tag, properties = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (value === undefined || value === null || value === false) {
			continue;
		}
		if (name.startsWith("on")) {
			element.addEventListener(name.slice(2), value);
		} else if (name === "class") {
			element.className = value;
		} else if (name in element && name !== "list" && name !== "role") {
			element[name] = value;
		} else {
			element.setAttribute(name, value === true ? "" : value);
		}
	}
	element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
	return element;
}

export function $(id) {
	return document.getElementById(id);
}

// A link's address when it is one that a page may follow; null for every other scheme.
export function safeUrl(text) {
	try {
		const url = new URL(text);
		return url.protocol === "http:" || url.protocol === "https:" ? url : null;
	} catch {
		return null;
	}
}

// A dialog that is gone when it closes. `body` gets a function that closes it.
export function dialog(title, body, className = "") {
	const box = h("dialog", { class: className, "aria-label": title });
	const close = () => box.close();
	box.append(
		h("header", {}, h("h2", {}, title), h("button", { type: "button", class: "icon", "aria-label": "×", onclick: close }, "×")),
		...[body(close)].flat(),
	);
	const before = document.activeElement;
	box.addEventListener("close", () => {
		box.remove();
		// Chromium gives the focus back, but without a caret: what is typed next would be lost.
		before?.blur();
		before?.focus();
	});
	box.addEventListener("click", (event) => {
		if (event.target === box) {
			close();
		}
	});
	document.body.append(box);
	box.showModal();
	box.querySelector("input, textarea, footer .primary")?.focus();
	return box;
}

export function time(seconds) {
	return new Date(seconds * 1000).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
}
