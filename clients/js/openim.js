/**
 * A client of openim in one module: for browsers and Node, without dependencies.
 *
 * It logs in, holds one websocket and opens it again for as long as it takes, gives every message of the inbox once and in the
 * order of its seq, and sends each message until the server has said that it is on its disk. What goes over the wire is
 * described in docs/protocol.md; what it owes to whom uses it, in README.md beside this file.
 */

const NEWEST_SEQ = 1001;
const PULL = 1002;
const SEND = 1003;
const PUSH = 2001;

const SINGLE = 1;
const GROUP = 2;
const TEXT = 101;
/** Of the June and the May generation. */
const KICKS = [303, 203];
/** Close reasons behind which another link would only start a fight, or be refused. */
const FINAL = ["superseded by a newer login", "logged out by the server", "banned"];

const PULL_FAILED = 1;
const TOKEN_REFUSED = 202;
const UNAVAILABLE = 500;

/** When an own message that is acknowledged is looked for in the inbox, where its seq is; afterwards the heartbeat finds it. */
const LOOK_MS = [20, 200, 2000];

/** How long the reason of an end is waited for, once it is clear that it is one. */
const LAST_WORD_MS = 100;

/** What a token is for, by name. */
export const Platform = Object.freeze({ ios: 1, android: 2, windows: 3, osx: 4, web: 5, miniWeb: 6, linux: 7 });

/**
 * A message as an inbox has it.
 * @typedef {object} Message
 * @property {number} seq its number in this inbox; 0: it is stored nowhere
 * @property {string} from the uid of its author
 * @property {string} to the uid of its receiver; in a group the owner of this inbox
 * @property {string} group the group it went to; empty: to one user
 * @property {number} contentType 101 is text; from 201 on notices of the server
 * @property {string} content
 * @property {string} clientMsgID the id that its author gave it
 * @property {string} serverMsgID
 * @property {number} sentAt milliseconds of Unix time, by the server's clock
 * @property {string} name the author's nickname, as they gave it
 * @property {boolean} system whether the server is its author
 */

/**
 * What a message goes to: one of both.
 * @typedef {object} Target
 * @property {string} [user]
 * @property {string} [group]
 */

/**
 * That a message is on the server's disk.
 * @typedef {object} Receipt
 * @property {string} clientMsgID
 * @property {string} serverMsgID
 * @property {number} sentAt milliseconds of Unix time, by the server's clock
 * @property {number} durableAt when the reply came, by the clock here
 * @property {number} tookMs from `send` to the reply
 */

/**
 * A message on its way.
 * @typedef {object} Sending
 * @property {string} clientMsgID
 * @property {Promise<Receipt>} receipt fails with {@link Refused} where the server will not have it
 */

/**
 * How the link is. `connected`: everything up to now was given. `waiting`: there is none, and will be tried again. `kicked` and
 * `refused` are ends: a newer login took its place, or the token is no good.
 * @typedef {object} State
 * @property {"stopped" | "connecting" | "connected" | "waiting" | "kicked" | "refused"} name
 * @property {string} why
 * @property {number} againMs how long until the next try, while `waiting`
 * @property {number} missed messages that came while there was no link and were pulled, when `connected`
 */

/**
 * @typedef {object} Options
 * @property {string} rest where REST is, like `http://127.0.0.1:10000`
 * @property {string} ws where the websocket is, like `ws://127.0.0.1:7777`
 * @property {string} uid
 * @property {string} token
 * @property {number} [platform] of {@link Platform}; `web`
 * @property {string} [name] goes along with what is sent
 * @property {number} [since] the highest seq that is had already; without it, what comes from now on is given, and `history` has the rest
 * @property {() => Promise<string>} [renew] a new token when the old one is no good; without it that is the end
 * @property {typeof WebSocket} [WebSocket] another implementation
 * @property {[number, number]} [pauseMs] before a link is tried again: the first, and the longest
 * @property {number} [replyMs] how long a reply may take
 * @property {number} [heartbeatMs] how often a quiet link is tried
 * @property {number} [pageLen] messages in one pull
 * @property {number} [outboxLen] messages that may wait for their receipt
 */

/** The server will not do it, however often it is asked. */
export class Refused extends Error {
  /**
   * @param {number} code the `errCode`
   * @param {string} text
   */
  constructor(code, text) {
    super(text || `errCode ${code}`);
    this.name = "Refused";
    this.code = code;
  }
}

/** It cannot be done now, and may be later. */
export class Unavailable extends Error {
  /** @param {string} text */
  constructor(text) {
    super(text);
    this.name = "Unavailable";
  }
}

/**
 * Calls REST. An answer that is no success is {@link Refused}, or {@link Unavailable} where there is none.
 * @param {string} rest
 * @param {string} path
 * @param {object} body
 * @param {string} [token]
 * @returns {Promise<any>}
 */
export async function call(rest, path, body, token = "") {
  let answer;
  let status = 0;
  try {
    const response = await fetch(rest.replace(/\/+$/, "") + path, {
      method: "POST",
      headers: token ? { token } : {},
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    });
    status = response.status;
    answer = await response.json();
  } catch (cause) {
    throw new Unavailable(`no answer from ${rest}: ${text(cause)}`);
  }
  if (status === 429 || status === 503) throw new Unavailable(answer.errMsg);
  if (answer.errCode !== 0) throw new Refused(answer.errCode, answer.errMsg);
  return answer;
}

/**
 * @typedef {object} Account
 * @property {string} uid
 * @property {string} token
 * @property {number} expiresAt milliseconds of Unix time; 0: never
 */

/**
 * Makes a user and gives a first token. It takes the server's secret, which belongs on the app's own server and never into a page.
 * @param {string} rest
 * @param {{secret: string, uid: string, name?: string, platform?: number}} user
 * @returns {Promise<Account>}
 */
export async function register(rest, { secret, uid, name = uid, platform = Platform.web }) {
  return account(await call(rest, "/auth/user_register", { secret, platform, uid, name }));
}

/**
 * Gives a new token to a user who is there. It takes the server's secret, as {@link register} does.
 * @param {string} rest
 * @param {{secret: string, uid: string, platform?: number}} user
 * @returns {Promise<Account>}
 */
export async function login(rest, { secret, uid, platform = Platform.web }) {
  return account(await call(rest, "/auth/user_token", { secret, platform, uid }));
}

/** @param {any} answer @returns {Account} */
function account({ data }) {
  return { uid: data.uid, token: data.token, expiresAt: data.expiredTime * 1000 };
}

/**
 * Who of these users has a link. It takes the server's secret, as {@link register} does.
 * @param {string} rest
 * @param {{secret: string, uids: string[]}} asked
 * @returns {Promise<Map<string, boolean>>}
 */
export async function online(rest, { secret, uids }) {
  const body = { secret, userIDList: uids, operationID: operation() };
  const { successResult } = await call(rest, "/user/get_users_online_status", body);
  return new Map(successResult.map((/** @type {any} */ one) => [one.userID, one.status === "online"]));
}

/**
 * What somebody listens for, and what they get.
 * @typedef {object} Events
 * @property {State} state
 * @property {Message} message each of the inbox, once, in the order of seq; the own ones too
 * @property {Message} ephemeral what is stored nowhere
 */

/** A user's link, and what waits for it. */
export class Client {
  /** @type {Required<Omit<Options, "since" | "renew" | "WebSocket" | "token">>} */
  #options;
  /** @type {Options["renew"]} */
  #renew;
  #WebSocket;
  #token;
  /** @type {Link | null} */
  #link = null;
  /** @type {State} */
  #state = { name: "stopped", why: "", againMs: 0, missed: 0 };
  /** Everything up to here was given; -1: it is not known yet where to begin. */
  #seq;
  /** The oldest that can still be pulled. */
  #min = 1;
  /** The highest seq that is known to be there. */
  #wanted = 0;
  /** @type {{data: any, began: number, done: (receipt: Receipt) => void, failed: (why: Error) => void}[]} oldest first */
  #outbox = [];
  /** Own messages that are acknowledged and have no seq yet. @type {Set<string>} */
  #unnumbered = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #looking;
  #runs = 0;
  /** Ends a pause early. */
  #wake = () => {};
  /** @type {{[name: string]: Set<(event: any) => void>}} */
  #listeners = { state: new Set(), message: new Set(), ephemeral: new Set() };

  /** @param {Options} options */
  constructor({ since, renew, WebSocket: given, token, ...options }) {
    this.#options = {
      platform: Platform.web, name: options.uid, pauseMs: [500, 30_000], replyMs: 10_000, heartbeatMs: 20_000,
      pageLen: 100, outboxLen: 1000, ...options,
    };
    this.#renew = renew;
    this.#token = token;
    this.#seq = since ?? -1;
    this.#WebSocket = given ?? globalThis.WebSocket;
    if (!this.#WebSocket) throw new Error("no WebSocket here: Node has one from 22 on, or with --experimental-websocket");
  }

  get uid() {
    return this.#options.uid;
  }

  get state() {
    return this.#state;
  }

  /** Everything up to this seq was given; hand it to `since` of the next one. -1 before the first link. */
  get seq() {
    return this.#seq;
  }

  /** Messages that wait for their receipt. */
  get waiting() {
    return this.#outbox.length;
  }

  /**
   * Listens until the function that is given back is called.
   * @template {keyof Events} K
   * @param {K} name
   * @param {(event: Events[K]) => void} listener
   * @returns {() => void}
   */
  on(name, listener) {
    this.#listeners[name].add(listener);
    return () => void this.#listeners[name].delete(listener);
  }

  /** Connects, and connects again, until `stop`. */
  start() {
    if (this.#runs % 2 === 0) void this.#run(++this.#runs);
  }

  /** Ends the link; what waits for its receipt stays for the next `start`. */
  stop() {
    if (this.#runs % 2 === 0) return;
    this.#runs++;
    clearTimeout(this.#looking);
    this.#link?.close("stopped");
    this.#wake();
    this.#enter("stopped");
  }

  /** Tries at once, if it waits: whoever knows that the network is back says so. */
  wake() {
    this.#wake();
  }

  /**
   * Sends until the server has it. Messages go one after the other, in the order of these calls, also when some have to be
   * repeated, which they are under the same `clientMsgID`: the server knows it again.
   * @param {Target} to
   * @param {string} content
   * @param {{contentType?: number, clientMsgID?: string, ephemeral?: boolean}} [how] `ephemeral`: for who is there now, stored nowhere
   * @returns {Sending}
   */
  send(to, content, { contentType = TEXT, clientMsgID = newID(), ephemeral = false } = {}) {
    if (this.#outbox.length >= this.#options.outboxLen) throw new Unavailable("too many messages wait for their receipt");
    const { platform, name } = this.#options;
    const data = {
      platformID: platform, sessionType: to.group ? GROUP : SINGLE, msgFrom: 100, contentType,
      recvID: to.group || to.user || "", content, clientMsgID, forceList: [],
      options: ephemeral ? { history: 0, persistent: 0 } : {}, offlineInfo: {}, senderNickName: name, senderFaceUrl: "",
    };
    /** @type {Promise<Receipt>} */
    const receipt = new Promise((done, failed) => this.#outbox.push({ data, began: Date.now(), done, failed }));
    // Whoever does not ask for it is not told of its failure by the runtime either.
    receipt.catch(() => {});
    void this.#empty();
    return { clientMsgID, receipt };
  }

  /**
   * A page of the inbox, backwards. It needs a link.
   * @param {{before: number, count?: number}} where
   * @returns {Promise<{messages: Message[], from: number, done: boolean}>} in the order of seq, from which seq on; `done`: there are no older ones
   */
  async history({ before, count = this.#options.pageLen }) {
    const begin = Math.max(this.#min, before - count);
    const messages = begin < before ? await this.#pull(begin, before - 1) : [];
    return { messages, from: Math.min(begin, before), done: begin <= this.#min };
  }

  // --- groups and users, over REST -----------------------------------------------------------

  /**
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>} what the answer has as `data`
   */
  async ask(path, body = {}) {
    const answer = await call(this.#options.rest, path, { operationID: operation(), ...body }, this.#token);
    return answer.data;
  }

  /**
   * Makes a group with these members, who are not asked. Uids that are unknown are left out.
   * @param {string} groupName
   * @param {string[]} uids
   * @returns {Promise<string>} its id
   */
  async createGroup(groupName, uids) {
    const memberList = uids.map((uid) => ({ uid, setRole: 0 }));
    return (await this.ask("/group/create_group", { groupName, memberList })).groupID;
  }

  /** @param {string} groupID @param {string[]} uidList */
  async invite(groupID, uidList) {
    return this.ask("/group/invite_user_to_group", { groupID, uidList, reason: "" });
  }

  /** @param {string} groupID */
  async leave(groupID) {
    return this.ask("/group/quit_group", { groupID });
  }

  /** @returns {Promise<{id: string, name: string}[]>} the groups that one is in */
  async groups() {
    const groups = await this.ask("/group/get_joined_group_list");
    return groups.map((/** @type {any} */ group) => ({ id: group.groupId, name: group.groupName }));
  }

  /** @param {string} groupID @returns {Promise<string[]>} uids, all of them */
  async members(groupID) {
    const members = await this.ask("/group/get_group_all_member_list", { groupID });
    return members.map((/** @type {any} */ member) => member.userId);
  }

  /** @param {string[]} uidList @returns {Promise<{uid: string, name: string}[]>} of those who are there */
  async users(uidList) {
    return uidList.length ? this.ask("/user/get_user_info", { uidList }) : [];
  }

  // --- the link --------------------------------------------------------------------------------

  /** @param {number} run */
  async #run(run) {
    const [first, longest] = this.#options.pauseMs;
    let pause = first;
    while (this.#runs === run) {
      this.#enter("connecting");
      const end = await this.#once(run);
      if (this.#runs !== run) return;
      if (end.caughtUp) pause = first;
      if (end.kicked) return this.#over("kicked", end.why);
      if (end.token && !(await this.#renewed(end.why))) {
        if (this.#runs === run) this.#over("refused", end.why);
        return;
      }
      // With some chance in it, or all clients of a server come back in the same moment.
      const againMs = Math.round(pause * (0.5 + Math.random() / 2));
      pause = Math.min(pause * 2, longest);
      this.#enter("waiting", { why: end.why, againMs });
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, againMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(undefined);
        };
      });
    }
  }

  /**
   * One link, from its beginning to its end.
   * @param {number} run
   * @returns {Promise<{why: string, kicked?: boolean, token?: boolean, caughtUp?: boolean}>}
   */
  async #once(run) {
    const { ws, uid, platform, replyMs } = this.#options;
    const query = new URLSearchParams({ sendID: uid, token: this.#token, platformID: `${platform}` });
    const link = new Link(new this.#WebSocket(`${ws.replace(/\/+$/, "")}/?${query}`), replyMs, (data) => this.#pushed(link, data));
    this.#link = link;
    let caughtUp = false;
    try {
      await link.opened;
      const before = this.#seq;
      await this.#look(link);
      await this.#fill(link);
      caughtUp = true;
      this.#enter("connected", { missed: before < 0 ? 0 : this.#seq - before });
      void this.#empty();
      await this.#beat(link);
    } catch (cause) {
      link.close(text(cause));
    }
    const end = await link.ended;
    if (this.#link === link) this.#link = null;
    const kicked = link.kicked || FINAL.includes(end.reason);
    let token = link.tokenRefused || end.reason === "token expired";
    // A browser does not tell the status of a handshake that was refused; REST does.
    if (!link.wasOpen && this.#runs === run) token = await this.#isTokenRefused();
    return { why: link.why || end.reason || "the connection broke", kicked, token, caughtUp };
  }

  async #isTokenRefused() {
    try {
      await this.ask("/chat/newest_seq", { sendID: this.uid });
      return false;
    } catch (cause) {
      return cause instanceof Refused && cause.code !== UNAVAILABLE;
    }
  }

  /** @param {string} why */
  async #renewed(why) {
    if (!this.#renew) return false;
    try {
      this.#token = await this.#renew();
      return true;
    } catch (cause) {
      // One that may come later is waited for with the next link.
      return !(cause instanceof Refused) && why !== "";
    }
  }

  /** Asks now and then for the newest seq: a server that is gone without a word is noticed, and a push that was lost. @param {Link} link */
  async #beat(link) {
    for (;;) {
      if (await link.endsWithin(this.#options.heartbeatMs)) return;
      await this.#look(link);
      await this.#fill(link);
    }
  }

  /** @param {Link} link */
  async #look(link) {
    const { data } = await this.#request(link, NEWEST_SEQ);
    this.#min = Math.max(1, data.minSeq);
    // Where to begin; and a server whose data was put back begins there as well.
    if (this.#seq < 0 || data.maxSeq < this.#seq) this.#seq = data.maxSeq;
    // What is too old to be pulled is gone for everybody.
    this.#seq = Math.max(this.#seq, data.minSeq - 1);
    this.#wanted = Math.max(this.#wanted, data.maxSeq);
  }

  /** Gives everything up to the highest seq that is known. @param {Link} link */
  async #fill(link) {
    if (link.fills) return;
    link.fills = true;
    try {
      while (this.#seq < this.#wanted && this.#link === link) {
        const end = Math.min(this.#seq + this.#options.pageLen, this.#wanted);
        const messages = await this.#pull(this.#seq + 1, end, link);
        for (const message of messages) if (message.seq > this.#seq) this.#give(message);
        this.#seq = Math.max(this.#seq, end);
      }
    } finally {
      link.fills = false;
    }
  }

  /**
   * @param {number} seqBegin
   * @param {number} seqEnd
   * @param {Link | null} [link]
   * @returns {Promise<Message[]>}
   */
  async #pull(seqBegin, seqEnd, link = this.#link) {
    if (!link) throw new Unavailable("there is no link");
    const answer = await this.#request(link, PULL, { seqBegin, seqEnd });
    if (answer.errCode === PULL_FAILED) {
      // Too many or too long for one answer, perhaps.
      if (seqBegin === seqEnd) throw new Unavailable(answer.errMsg);
      const middle = Math.floor((seqBegin + seqEnd) / 2);
      return [...(await this.#pull(seqBegin, middle, link)), ...(await this.#pull(middle + 1, seqEnd, link))];
    }
    const conversations = [...answer.data.single, ...answer.data.group];
    const messages = conversations.flatMap((conversation) => conversation.list.map(message));
    return messages.sort((one, other) => one.seq - other.seq);
  }

  /** @param {Message} message */
  #give(message) {
    this.#seq = message.seq;
    this.#unnumbered.delete(message.clientMsgID);
    this.#emit("message", message);
  }

  /** @param {Link} link @param {any} data */
  #pushed(link, data) {
    if (this.#link !== link) return;
    const pushed = message(data);
    if (pushed.seq === 0) {
      if (KICKS.includes(pushed.contentType) && pushed.system && pushed.from === this.uid) link.kicked = true;
      else this.#emit("ephemeral", pushed);
    } else if (pushed.seq === this.#seq + 1 && !link.fills && this.#state.name === "connected") {
      this.#wanted = Math.max(this.#wanted, pushed.seq);
      this.#give(pushed);
    } else if (pushed.seq > this.#seq) {
      // A gap; mostly own messages, which are not pushed to where they came from. Whoever fills already goes on to here.
      this.#wanted = Math.max(this.#wanted, pushed.seq);
      if (this.#state.name === "connected") this.#fill(link).catch((cause) => link.close(text(cause)));
    }
  }

  /** Sends what waits, if nobody does so already. */
  async #empty() {
    const link = this.#link;
    if (!link || link.sends || this.#state.name !== "connected") return;
    link.sends = true;
    try {
      while (this.#outbox.length && this.#link === link) {
        const [first] = this.#outbox;
        const answer = await this.#request(link, SEND, first.data);
        if (answer.errCode === UNAVAILABLE) {
          await link.endsWithin(this.#options.pauseMs[0]);
          continue;
        }
        this.#outbox.shift();
        if (answer.errCode === 0) this.#acknowledged(first, answer.data);
        else first.failed(new Refused(answer.errCode, answer.errMsg));
      }
    } catch (cause) {
      // It stands in front still, and goes over the next link.
      link.close(text(cause));
    } finally {
      link.sends = false;
    }
  }

  /** @param {{data: any, began: number, done: (receipt: Receipt) => void}} sent @param {any} receipt */
  #acknowledged({ data, began, done }, { serverMsgID, sendTime }) {
    const { clientMsgID } = data;
    const durableAt = Date.now();
    if (data.options.history !== 0) {
      this.#unnumbered.add(clientMsgID);
      clearTimeout(this.#looking);
      this.#lookFor(0);
    }
    done({ clientMsgID, serverMsgID, sentAt: milliseconds(sendTime), durableAt, tookMs: durableAt - began });
  }

  /** Looks for own messages in the inbox, where they have their seq. @param {number} time */
  #lookFor(time) {
    this.#looking = setTimeout(async () => {
      const link = this.#link;
      if (!link || !this.#unnumbered.size) return this.#unnumbered.clear();
      try {
        await this.#look(link);
        await this.#fill(link);
      } catch (cause) {
        return link.close(text(cause));
      }
      if (time + 1 < LOOK_MS.length) this.#lookFor(time + 1);
      else this.#unnumbered.clear();
    }, LOOK_MS[time]);
  }

  /** @param {Link} link @param {number} reqIdentifier @param {object} [data] */
  async #request(link, reqIdentifier, data) {
    const answer = await link.request({ reqIdentifier, token: this.#token, sendID: this.uid, operationID: operation(), data });
    if (answer.errCode === TOKEN_REFUSED) {
      link.tokenRefused = true;
      throw new Unavailable(answer.errMsg);
    }
    const fits = reqIdentifier === SEND || answer.errCode === 0 || answer.errCode === PULL_FAILED;
    if (!fits) throw new Unavailable(answer.errMsg);
    return answer;
  }

  /** @param {State["name"]} name @param {Partial<State>} [more] */
  #enter(name, more = {}) {
    this.#state = { name, why: "", againMs: 0, missed: 0, ...more };
    this.#emit("state", this.#state);
  }

  /** @param {"kicked" | "refused"} name @param {string} why */
  #over(name, why) {
    this.#runs++;
    this.#enter(name, { why });
  }

  /** @param {keyof Events} name @param {any} event */
  #emit(name, event) {
    for (const listener of this.#listeners[name]) {
      try {
        listener(event);
      } catch (cause) {
        // A listener that fails is not the link's fault.
        console.error(cause);
      }
    }
  }
}

/** One websocket: requests and their replies. */
class Link {
  #socket;
  #replyMs;
  #incr = 0;
  /** @type {Map<number, {resolve: (answer: any) => void, reject: (why: Error) => void, timer: ReturnType<typeof setTimeout>}>} */
  #waiting = new Map();
  wasOpen = false;
  kicked = false;
  tokenRefused = false;
  /** Somebody empties the outbox into it. */
  sends = false;
  /** Somebody pulls what is missing. */
  fills = false;
  /** Why it was given up here. */
  why = "";
  /** @type {(end: {reason: string}) => void} */
  #end = () => {};
  /** @type {Promise<{reason: string}>} */
  ended = new Promise((resolve) => (this.#end = resolve));
  /** @type {Promise<void>} */
  opened;

  /** @param {WebSocket} socket @param {number} replyMs @param {(data: any) => void} pushed */
  constructor(socket, replyMs, pushed) {
    this.#socket = socket;
    this.#replyMs = replyMs;
    this.opened = new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.close("no answer to the handshake"), replyMs);
      socket.addEventListener("open", () => {
        clearTimeout(timer);
        this.wasOpen = true;
        resolve();
      });
      void this.ended.then(() => {
        clearTimeout(timer);
        reject(new Unavailable("the connection was refused"));
      });
    });
    this.opened.catch(() => {});
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.reqIdentifier === PUSH) return pushed(frame.data);
      const waiting = this.#waiting.get(frame.msgIncr);
      this.#waiting.delete(frame.msgIncr);
      if (waiting) clearTimeout(waiting.timer);
      waiting?.resolve(frame);
    });
    socket.addEventListener("close", ({ reason }) => this.#over(reason));
    // The close that follows says more; Node has none behind a handshake that was refused.
    socket.addEventListener("error", () => setTimeout(() => this.#over(""), LAST_WORD_MS));
  }

  /** @param {object} frame @returns {Promise<any>} */
  request(frame) {
    const msgIncr = ++this.#incr;
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== 1) return reject(new Unavailable("the link has ended"));
      const timer = setTimeout(() => reject(new Unavailable("no reply")), this.#replyMs);
      this.#waiting.set(msgIncr, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ ...frame, msgIncr }));
    });
  }

  /** Waits so long, or for the end, and says whether it came. @param {number} ms @returns {Promise<boolean>} */
  endsWithin(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      void this.ended.then(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  /** Gives it up. Whoever is gone without a word never answers a close, so nobody waits for that. @param {string} why */
  close(why) {
    this.why ||= why;
    this.#socket.close();
    // What the server has said comes first, if it has.
    setTimeout(() => this.#over(""), LAST_WORD_MS);
  }

  /** @param {string} reason */
  #over(reason) {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Unavailable(reason || "the connection broke"));
    }
    this.#waiting.clear();
    this.#end({ reason });
  }
}

/** @param {any} wire @returns {Message} */
function message(wire) {
  const [to, group = ""] = wire.recvID.split(" ");
  return {
    seq: wire.seq, from: wire.sendID, to, group, contentType: wire.contentType, content: wire.content,
    clientMsgID: wire.clientMsgID, serverMsgID: wire.serverMsgID, sentAt: milliseconds(wire.sendTime),
    name: wire.senderNickName || "", system: wire.msgFrom === 200,
  };
}

/** Times are seconds or nanoseconds, as the server takes this client. @param {number} time */
function milliseconds(time) {
  return time > 1e14 ? Math.floor(time / 1e6) : time * 1000;
}

/** Like `crypto.randomUUID`, which a page has only over TLS or from this machine. */
function newID() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function operation() {
  return `${Date.now()}-${Math.random().toString(36).slice(2, 8)}`;
}

/** @param {unknown} cause */
function text(cause) {
  return cause instanceof Error ? cause.message : `${cause}`;
}
