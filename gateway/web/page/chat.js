/**
 * The chat page: picks a name, shows conversations, and says how the link is. What it knows is in accounts.js and room.js; what it
 * says, in words.js; how it talks to the server, in openim.js, which is the client of the repository's clients/js.
 */

import * as accounts from "./accounts.js";
import { language, speak, switchLanguage } from "./language.js";
import { Client, Refused } from "./openim.js";
import { NOTICE, Room } from "./room.js";
import { words } from "./words.js";

/** @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
const at = (id) => /** @type {T} */ (document.getElementById(id));
/** @param {string} id */
const field = (id) => /** @type {HTMLInputElement} */ (at(id));

/** @type {accounts.About} */
let server = { websocket: "", guests: "" };
/** @type {{client: Client, room: Room, account: accounts.Kept} | undefined} */
let session;
/** Members of the group that is open. */
let members = 0;
let drawing = false;

// --- who one is ------------------------------------------------------------------------------

async function begin() {
  speak(words());
  accounts.takeKey();
  try {
    server = await accounts.about();
  } catch (cause) {
    return fault(cause);
  }
  const account = accounts.mine();
  if (account) start(account);
  else choose();
}

/** Shows how to get a name. @param {string} [why] */
function choose(why = "") {
  at("chat").hidden = true;
  at("enter").hidden = false;
  at("fault").textContent = why;
  at("name-form").hidden = !server.guests;
  at("no-names").hidden = Boolean(server.guests);
  /** @type {HTMLDetailsElement} */ (at("own")).open = !server.guests;
  at("key-part").hidden = accounts.key() !== "" && why === "";
  field("key").value = accounts.key();
  const kept = accounts.kept();
  at("kept").hidden = !kept.length;
  at("kept-names").replaceChildren(
    ...kept.map((account) => {
      const button = element("button", { type: "button" }, accounts.nameOf(server, account.uid));
      button.addEventListener("click", () => start(account));
      return element("li", {}, button);
    }),
  );
  drawLink();
  field("name").focus();
}

/** @param {unknown} cause */
function fault(cause) {
  at("enter").hidden = false;
  at("fault").textContent = words().failed(cause instanceof Error ? cause.message : `${cause}`);
}

at("name-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = field("name").value.trim();
  if (!name) return;
  if (!at("key-part").hidden) accounts.keepKey(field("key").value.trim());
  try {
    start(await accounts.enter(server, name));
    field("name").value = "";
  } catch (cause) {
    if (!(cause instanceof Refused)) return fault(cause);
    if (cause.code === 401 || (cause.code === 400 && !accounts.key())) {
      choose(words().wrongKey());
      field("key").focus();
    } else if (cause.message.includes("already registered")) at("fault").textContent = words().taken(name);
    else fault(cause);
  }
});

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const [uid, token] = [field("uid").value.trim(), field("token").value.trim()];
  const account = { uid, token, name: uid, expiresAt: 0 };
  accounts.keep(account);
  start(account);
});

/** @param {accounts.Kept} account */
function start(account) {
  session?.room.end();
  accounts.use(account.uid);
  const { uid, token, name } = account;
  const client = new Client({ rest: location.origin, ws: server.websocket, uid, token, name });
  const room = new Room(client, draw);
  session = { client, room, account };
  let begun = false;
  client.on("state", (state) => {
    drawLink();
    if (state.name === "refused") {
      accounts.forget(uid);
      stop(words().refused());
    }
    if (state.name !== "connected") return draw();
    if (!begun) room.older().catch(() => {});
    begun = true;
    void room.readGroups();
    room.sign();
  });
  at("enter").hidden = true;
  at("chat").hidden = false;
  at("me").textContent = accounts.nameOf(server, uid);
  document.title = `${accounts.nameOf(server, uid)} · openim`;
  show("");
  client.start();
}

/** @param {string} [why] */
function stop(why = "") {
  session?.room.end();
  session = undefined;
  accounts.use("");
  document.title = "openim";
  choose(why);
}

at("leave").addEventListener("click", () => stop());
at("again").addEventListener("click", () => session?.client.start());
at("language").addEventListener("click", () => {
  switchLanguage();
  speak(words());
  drawLink();
  draw(true);
});
addEventListener("online", () => session?.client.wake());
addEventListener("pagehide", () => session?.room.sign("gone"));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  session?.client.wake();
  session?.room.read();
  session?.room.sign();
});

// --- the link --------------------------------------------------------------------------------

/** @type {ReturnType<typeof setInterval> | undefined} */
let countdown;

function drawLink() {
  const state = session?.client.state ?? { name: "stopped", againMs: 0, missed: 0 };
  clearInterval(countdown);
  at("link").dataset.state = state.name;
  let left = Math.max(1, Math.round(state.againMs / 1000));
  const told = {
    connecting: words().connecting, kicked: words().kicked, refused: words().refused, stopped: words().stopped,
    waiting: () => words().waiting(left),
    connected: () => (state.missed ? words().reconnected(state.missed) : words().connected()),
  }[state.name];
  at("link-text").textContent = told();
  if (state.name === "waiting") {
    countdown = setInterval(() => {
      left = Math.max(1, left - 1);
      at("link-text").textContent = told();
    }, 1000);
  }
  at("link").hidden = !session;
  at("again").hidden = state.name !== "kicked";
  at("me").hidden = at("leave").hidden = !session;
  const other = at("language");
  other.textContent = words().other;
  other.lang = language === "zh" ? "en" : "zh-CN";
}

// --- conversations ---------------------------------------------------------------------------

/** Draws soon, once for whatever happens until then. @param {boolean} [anew] also what has not changed */
function draw(anew = false) {
  if (anew) at("log").replaceChildren();
  if (drawing) return;
  drawing = true;
  // Not by frames: those of a tab that is not looked at may never come.
  setTimeout(() => {
    drawing = false;
    if (!session) return;
    drawConversations(session.room);
    drawRoom(session.room);
    drawBooks(session.room);
  }, 10);
}

/** @param {Room} room @param {string} id */
function title(room, id) {
  return id.startsWith("g:") ? room.groupName(id.slice(2)) : accounts.nameOf(server, id.slice(2));
}

/** @param {Room} room */
function drawConversations(room) {
  const all = room.conversations();
  at("nobody").hidden = all.length > 0;
  const focused = document.activeElement?.closest("#conversations li")?.getAttribute("data-id");
  at("conversations").replaceChildren(
    ...all.map(({ id, last, unread }) => {
      const name = element("span", { class: "name" }, title(room, id));
      const here = id.startsWith("u:") && room.isHere(id.slice(2));
      if (here) name.prepend(element("span", { class: "dot here", role: "img", "aria-label": words().here() }));
      const button = element("button", { type: "button" }, name);
      if (unread) button.append(element("span", { class: "unread" }, element("span", { class: "unseen" }, " "), words().unread(unread)));
      button.append(element("span", { class: "last" }, last ? sayable(last.content, last.contentType) : ""));
      if (id === room.open) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => show(id));
      return element("li", { "data-id": id }, button);
    }),
  );
  if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`#conversations li[data-id="${CSS.escape(focused)}"] button`))?.focus();
}

/** Opens a conversation; empty: none. @param {string} id */
function show(id) {
  if (!session) return;
  const { room, client } = session;
  at("log").replaceChildren();
  at("room").hidden = !id;
  at("choose").hidden = Boolean(id);
  at("chat").classList.toggle("in-room", Boolean(id));
  members = 0;
  room.enter(id);
  if (!id) return;
  if (id.startsWith("g:")) client.members(id.slice(2)).then((all) => ((members = all.length), draw()), () => {});
  drawRoom(room);
  toEnd();
  if (room.lines().length < 20) room.older().catch(() => {});
  field("say").focus();
}

at("back").addEventListener("click", () => {
  const from = session?.room.open;
  show("");
  if (from) setTimeout(() => /** @type {HTMLElement | null} */ (document.querySelector(`#conversations li[data-id="${CSS.escape(from)}"] button`))?.focus(), 20);
});

at("talk-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = field("talk").value.trim();
  const uid = (await known([name]))[0];
  if (!uid) return;
  field("talk").value = "";
  show(`u:${uid}`);
});

at("group-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!session) return;
  const names = field("group-members").value.split(/[,，、]/).map((name) => name.trim()).filter(Boolean);
  const uids = await known(names);
  if (!uids.length) return;
  try {
    const group = await session.client.createGroup(field("group-name").value.trim(), uids);
    field("group-name").value = field("group-members").value = "";
    /** @type {HTMLDetailsElement} */ (at("group")).open = false;
    await session.room.readGroups();
    show(`g:${group}`);
  } catch (cause) {
    at("talk-fault").textContent = words().failed(cause instanceof Error ? cause.message : "");
  }
});

/** The uids of people by name, guests or not; none, and a word about it, if one is unknown. @param {string[]} names */
async function known(names) {
  at("talk-fault").textContent = "";
  if (!session) return [];
  try {
    const candidates = names.flatMap((name) => (server.guests ? [accounts.guest(server, name), name] : [name]));
    const there = new Set((await session.client.users(candidates)).map(({ uid }) => uid));
    const found = names.map((name) => [server.guests && accounts.guest(server, name), name].find((uid) => there.has(uid)) ?? "");
    const missing = names.filter((_, index) => !found[index]);
    if (!missing.length) return found;
    at("talk-fault").textContent = words().unknown(missing.join(", "));
  } catch (cause) {
    at("talk-fault").textContent = words().failed(cause instanceof Error ? cause.message : "");
  }
  return [];
}

// --- the conversation that is open -----------------------------------------------------------

/** @param {Room} room */
function drawRoom(room) {
  const id = room.open;
  if (!id) return;
  at("room-title").textContent = title(room, id);
  const here = id.startsWith("u:") && room.isHere(id.slice(2));
  at("presence").textContent = id.startsWith("g:") ? (members ? words().members(members) : "") : here ? words().here() : words().away();
  at("presence").dataset.here = `${here}`;
  at("older").hidden = room.complete;
  at("beginning").hidden = !room.complete;
  const log = at("log");
  const scroll = at("scroll");
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
  const height = scroll.scrollHeight;
  const top = /** @type {HTMLElement | null} */ (log.firstElementChild)?.dataset.key;
  const there = new Map(Array.from(log.children, (line) => [/** @type {HTMLElement} */ (line).dataset.key ?? "", line]));
  const lines = room.lines().map((line) => drawn(line, id, there.get(line.key)));
  const grewOnTop = top !== undefined && lines[0]?.dataset.key !== top;
  // What is older is no news to whoever listens.
  if (grewOnTop) at("news").setAttribute("aria-live", "off");
  lines.forEach((line, index) => log.children[index] !== line && log.insertBefore(line, log.children[index] ?? null));
  while (log.children.length > lines.length) log.lastElementChild?.remove();
  if (grewOnTop) setTimeout(() => at("news").setAttribute("aria-live", "polite"), 100);
  if (atEnd) toEnd();
  else if (grewOnTop) scroll.scrollTop += scroll.scrollHeight - height;
}

/**
 * @param {import("./room.js").Line} line
 * @param {string} conversation
 * @param {Element | undefined} before the same line as it is shown
 * @returns {HTMLElement}
 */
function drawn({ key, message, content, own, receipt, fault: refused }, conversation, before) {
  const about = [];
  if (message) about.push(`#${message.seq}`);
  if (refused) about.push(words().notSent(refused));
  else if (receipt) about.push(words().durable(time(receipt.durableAt, true), receipt.tookMs));
  else if (message) about.push(time(message.sentAt, false));
  else about.push(words().sending());
  const text = about.join(" · ");
  const meta = before?.querySelector(".meta");
  if (meta && before) {
    if (meta.textContent !== text) meta.textContent = text;
    before.classList.toggle("pending", !receipt && !message);
    return /** @type {HTMLElement} */ (before);
  }
  const type = message?.contentType ?? 101;
  const kind = type >= NOTICE ? "notice" : own ? "own" : "other";
  const line = element("li", { "data-key": key, class: kind });
  const author = own ? words().you() : accounts.nameOf(server, message?.from ?? "");
  if (kind !== "notice") line.append(element("span", { class: own || conversation.startsWith("u:") ? "author unseen" : "author" }, author));
  line.append(element("p", { class: "content", dir: "auto" }, sayable(content, type)));
  line.append(element("span", { class: "meta" }, text));
  line.classList.toggle("pending", !receipt && !message);
  line.classList.toggle("refused", Boolean(refused));
  return line;
}

/** Text as it is; of what is no text, what it has for people. @param {string} content @param {number} type */
function sayable(content, type) {
  if (type === 101) return content;
  try {
    const said = JSON.parse(content);
    return said.defaultTips || said.text || words().notice(type);
  } catch {
    return type >= NOTICE ? words().notice(type) : content;
  }
}

/** @param {number} ms @param {boolean} exact */
function time(ms, exact) {
  const when = new Date(ms);
  const day = when.toDateString() === new Date().toDateString() ? "" : `${when.toLocaleDateString(document.documentElement.lang)} `;
  const clock = when.toLocaleTimeString(document.documentElement.lang, { hour12: false });
  return day + clock + (exact ? `.${`${when.getMilliseconds()}`.padStart(3, "0")}` : "");
}

function toEnd() {
  at("scroll").scrollTop = at("scroll").scrollHeight;
}

/** @param {Room} room */
function drawBooks(room) {
  const { first, last, missing } = room.books();
  const text = !first || last < first ? words().empty() : missing ? words().holes(missing) : words().whole(first, last);
  // Said once, not each time that something else is drawn.
  if (at("books").textContent !== text) at("books").textContent = text;
  at("books").dataset.missing = `${missing}`;
}

at("older").addEventListener("click", () => session?.room.older().catch(() => {}));
at("scroll").addEventListener("scroll", () => {
  if (at("scroll").scrollTop < 60 && session?.room.open) session.room.older().catch(() => {});
});

at("say-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = field("say").value.trim();
  if (!content || !session) return;
  try {
    session.room.say(content);
    field("say").value = "";
    setTimeout(toEnd, 20);
  } catch (cause) {
    at("presence").textContent = words().failed(cause instanceof Error ? cause.message : "");
  }
});

at("say").addEventListener("keydown", (event) => {
  // While an input method composes, Enter is its own.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  /** @type {HTMLFormElement} */ (at("say-form")).requestSubmit();
});

/** @param {string} tag @param {{[name: string]: string}} attributes @param {(Node | string)[]} inside */
function element(tag, attributes, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

void begin();
