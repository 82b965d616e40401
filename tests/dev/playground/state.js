// What the page knows, kept current by the stream of the stand-ins' process; and the calls that change things there.

export const state = {
	ready: false, people: [], chats: {}, wire: [], commands: { telegram: {}, discord: [] }, bots: [], clock: 0, group: "", base_url: "",
	person: null, // key of whom one plays
	places: { telegram: "main", discord: "guild" },
	unread: new Set(), // names of chats
};

const listeners = {};

export function on(kind, listener) {
	(listeners[kind] ??= []).push(listener);
}

export function tell(kind, value) {
	for (const listener of listeners[kind] ?? []) {
		listener(value);
	}
}

export function person(key = state.person) {
	return state.people.find((each) => each.key === key);
}

// The name of the chat that a side shows for a person.
export function chatName(side, place = state.places[side], who = person()) {
	if (side === "telegram") {
		return place === "group" ? "telegram/group" : `telegram/${place}/${who?.telegram_id}`;
	}
	return place === "guild" ? "discord/guild" : `discord/dm/${who?.discord_id}`;
}

export function isShown(chat) {
	return chat === chatName("telegram") || chat === chatName("discord");
}

export async function act(action, body) {
	const response = await fetch(`api/${action}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
	const answer = await response.json();
	if (!response.ok) {
		throw new Error(answer.error ?? `HTTP ${response.status}`);
	}
	return answer;
}

const CHANGES = {
	message({ chat, message }) {
		const messages = (state.chats[chat] ??= []);
		const at = messages.findIndex((each) => each.id === message.id);
		if (at < 0) {
			messages.push(message);
		} else {
			messages[at] = message;
		}
		if (at < 0 && !message.person && !isShown(chat) && (!message.only || message.only === state.person)) {
			state.unread.add(chat);
		}
	},
	delete({ chat, id }) {
		state.chats[chat] = (state.chats[chat] ?? []).filter((each) => each.id !== id);
	},
	people({ people }) {
		state.people = people;
	},
	wire({ entry }) {
		state.wire.push(entry);
		state.wire.splice(0, state.wire.length - 200);
	},
	commands({ commands }) {
		state.commands = commands;
	},
	clock({ clock }) {
		state.clock = clock;
	},
	toast() {},
};

async function load() {
	const response = await fetch("api/state");
	const { boot, last, ...rest } = await response.json();
	Object.assign(state, rest);
	if (!person()) {
		state.person = state.people[0]?.key ?? null;
	}
	return { boot, last };
}

function follow({ boot, last }) {
	const source = new EventSource(`api/stream?boot=${boot}&since=${last}`);
	source.onopen = () => tell("connection", true);
	source.onerror = () => tell("connection", false);
	source.onmessage = ({ data }) => {
		const event = JSON.parse(data);
		if (event.kind === "reload") {
			source.close();
			start();
			return;
		}
		CHANGES[event.kind]?.(event);
		tell(event.kind, event);
	};
}

// Loads everything and follows the changes; again and again until the stand-ins answer.
export async function start() {
	try {
		const position = await load();
		tell("loaded");
		follow(position);
	} catch {
		tell("connection", false);
		setTimeout(start, 1500);
	}
}

// The settings file of the stack may come after the page.
export async function refresh() {
	const position = state.ready ? null : await load().catch(() => null);
	if (position && state.ready) {
		tell("loaded");
	}
}
