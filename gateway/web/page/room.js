/**
 * What one user has said and heard: messages by seq, conversations made of them, what is on its way, and who is there.
 *
 * In: what the client gives. Out: lists to show, and a call whenever they change. Never: an element of the page.
 */

/** @typedef {import("./openim.js").Message} Message */
/** @typedef {import("./openim.js").Receipt} Receipt */
/** @typedef {import("./openim.js").Target} Target */

/**
 * A line of a conversation: stored, or on its way.
 * @typedef {object} Line
 * @property {string} key the same from when it was written
 * @property {Message | undefined} message
 * @property {string} content
 * @property {boolean} own
 * @property {Receipt | undefined} receipt
 * @property {string} fault why it was refused
 */

/** Messages in memory; above it the oldest go, and are fetched again by whoever scrolls to them. */
const MESSAGES_MAX = 5_000;
/** The content type of "is typing": clients show nothing of it. */
const SIGNAL = 113;
/** How long somebody is there after the last sign of them, and how often one is given. */
const HERE_MS = 45_000;
const SIGN_MS = 20_000;
/** Content types from here on are notices of the server. */
export const NOTICE = 201;

export class Room {
  /** @type {Map<number, Message>} in the order of seq */
  #messages = new Map();
  /** @type {Map<string, {id: string, target: Target, content: string, receipt?: Receipt, fault: string}>} own ones of this tab */
  #own = new Map();
  /** @type {Map<string, number>} when somebody was seen */
  #seen = new Map();
  /** @type {Map<string, string>} */
  #groups = new Map();
  /** @type {Map<string, number>} */
  #unread = new Map();
  /** Conversations that were opened and may have no message yet. @type {Set<string>} */
  #opened = new Set();
  /** The oldest seq that is here; 0: nothing was asked for yet. */
  oldest = 0;
  /** Whether there is nothing older. */
  complete = false;
  open = "";
  #loading = false;
  #client;
  #changed;

  /** @param {import("./openim.js").Client} client @param {() => void} changed */
  constructor(client, changed) {
    this.#client = client;
    this.#changed = changed;
    client.on("message", (message) => this.#came(message));
    client.on("ephemeral", (message) => this.#signalled(message));
    this.#signs = setInterval(() => this.sign(), SIGN_MS);
  }

  #signs;

  end() {
    this.sign("gone");
    clearInterval(this.#signs);
    this.#client.stop();
  }

  /** @param {Message} message */
  #came(message) {
    this.#messages.set(message.seq, message);
    this.oldest ||= message.seq;
    if (this.#messages.size > MESSAGES_MAX) {
      this.#messages.delete(this.oldest);
      this.oldest++;
      this.complete = false;
    }
    const id = this.conversationOf(message);
    if (message.from !== this.#client.uid) {
      if (!message.system) this.#seen.set(message.from, Date.now());
      if (id !== this.open || document.hidden) this.#unread.set(id, (this.#unread.get(id) ?? 0) + 1);
    }
    if (message.group && (message.contentType >= NOTICE || !this.#groups.has(message.group))) void this.readGroups();
    this.#changed();
  }

  /** @param {Message} message */
  #signalled({ from, contentType, content }) {
    if (contentType !== SIGNAL || from === this.#client.uid) return;
    const gone = content.includes('"gone"');
    this.#seen.set(from, gone ? 0 : Date.now());
    if (content.includes('"ask"')) this.#give(from, "here");
    this.#changed();
  }

  /** Tells whom one talks to that one is there, and asks them. @param {"ask" | "gone"} [what] */
  sign(what = "ask") {
    const peer = this.open.startsWith("u:") ? this.open.slice(2) : "";
    if (peer && (what === "gone" || !document.hidden)) this.#give(peer, what);
    this.#changed();
  }

  /** @param {string} user @param {string} presence */
  #give(user, presence) {
    // One that has to wait is of no use.
    if (this.#client.state.name !== "connected" || this.#client.waiting) return;
    this.#client.send({ user }, JSON.stringify({ presence }), { contentType: SIGNAL, ephemeral: true });
  }

  /** @param {string} uid */
  isHere(uid) {
    // Without a link nobody can tell.
    return this.#client.state.name === "connected" && Date.now() - (this.#seen.get(uid) ?? 0) < HERE_MS;
  }

  /** @param {Message} message */
  conversationOf({ from, to, group }) {
    if (group) return `g:${group}`;
    return `u:${from === this.#client.uid ? to : from}`;
  }

  /** @param {string} id @returns {Target} */
  target(id) {
    return id.startsWith("g:") ? { group: id.slice(2) } : { user: id.slice(2) };
  }

  async readGroups() {
    try {
      for (const { id, name } of await this.#client.groups()) {
        this.#groups.set(id, name);
        this.#opened.add(`g:${id}`);
      }
      this.#changed();
    } catch {
      // The next message or link asks again.
    }
  }

  /** @param {string} id */
  groupName(id) {
    return this.#groups.get(id) ?? id.slice(0, 8);
  }

  /** Enters a conversation; empty: none. @param {string} id */
  enter(id) {
    this.open = id;
    if (id) this.#opened.add(id);
    this.read();
    this.sign();
  }

  /** What is in the conversation that is open has been seen. */
  read() {
    this.#unread.delete(this.open);
    this.#changed();
  }

  /** @param {string} content */
  say(content) {
    const target = this.target(this.open);
    const { clientMsgID, receipt } = this.#client.send(target, content);
    /** @type {{id: string, target: Target, content: string, receipt?: Receipt, fault: string}} */
    const own = { id: this.open, target, content, fault: "" };
    this.#own.set(clientMsgID, own);
    receipt.then(
      (given) => (own.receipt = given),
      (why) => (own.fault = why.message),
    ).finally(() => this.#changed());
    this.#changed();
  }

  /** The newest conversation first. @returns {{id: string, last: Message | undefined, unread: number}[]} */
  conversations() {
    /** @type {Map<string, Message | undefined>} */
    const last = new Map(Array.from(this.#opened, (id) => [id, undefined]));
    for (const message of this.#messages.values()) last.set(this.conversationOf(message), message);
    const all = Array.from(last, ([id, message]) => ({ id, last: message, unread: this.#unread.get(id) ?? 0 }));
    return all.sort((one, other) => (other.last?.seq ?? 0) - (one.last?.seq ?? 0));
  }

  /** Of the conversation that is open: what is stored by seq, then what is on its way. @returns {Line[]} */
  lines() {
    /** @type {Line[]} */
    const lines = [];
    const stored = new Set();
    for (const message of this.#messages.values()) {
      if (this.conversationOf(message) !== this.open) continue;
      const own = message.from === this.#client.uid;
      const mine = own ? this.#own.get(message.clientMsgID) : undefined;
      if (mine) stored.add(message.clientMsgID);
      lines.push({ key: own ? message.clientMsgID : `${message.seq}`, message, content: message.content, own, receipt: mine?.receipt, fault: "" });
    }
    for (const [key, { id, content, receipt, fault }] of this.#own) {
      if (id === this.open && !stored.has(key)) lines.push({ key, message: undefined, content, own: true, receipt, fault });
    }
    return lines;
  }

  /** Which seqs are here, and how many between them are not. */
  books() {
    const first = this.oldest;
    const last = Math.max(this.#client.seq, 0);
    return { first, last, missing: last < first || !first ? 0 : last - first + 1 - this.#messages.size };
  }

  /** Fetches older messages until the open conversation has some more, or there are none. */
  async older() {
    if (this.#loading || this.complete) return;
    this.#loading = true;
    try {
      const before = this.lines().length;
      do {
        const from = this.oldest || this.#client.seq + 1;
        const page = await this.#client.history({ before: from });
        this.#messages = new Map([...page.messages.map((message) => /** @type {[number, Message]} */ ([message.seq, message])), ...this.#messages]);
        this.oldest = this.#messages.size ? page.from : 0;
        this.complete = page.done;
      } while (!this.complete && this.open && this.lines().length < before + 20);
    } finally {
      this.#loading = false;
      this.#changed();
    }
  }
}
