/**
 * Calls REST. An answer that is no success is {@link Refused}, or {@link Unavailable} where there is none.
 * @param {string} rest
 * @param {string} path
 * @param {object} body
 * @param {string} [token]
 * @returns {Promise<any>}
 */
export function call(rest: string, path: string, body: object, token?: string): Promise<any>;
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
export function register(rest: string, { secret, uid, name, platform }: {
    secret: string;
    uid: string;
    name?: string;
    platform?: number;
}): Promise<Account>;
/**
 * Gives a new token to a user who is there. It takes the server's secret, as {@link register} does.
 * @param {string} rest
 * @param {{secret: string, uid: string, platform?: number}} user
 * @returns {Promise<Account>}
 */
export function login(rest: string, { secret, uid, platform }: {
    secret: string;
    uid: string;
    platform?: number;
}): Promise<Account>;
/**
 * Who of these users has a link. It takes the server's secret, as {@link register} does.
 * @param {string} rest
 * @param {{secret: string, uids: string[]}} asked
 * @returns {Promise<Map<string, boolean>>}
 */
export function online(rest: string, { secret, uids }: {
    secret: string;
    uids: string[];
}): Promise<Map<string, boolean>>;
/** What a token is for, by name. */
export const Platform: Readonly<{
    ios: 1;
    android: 2;
    windows: 3;
    osx: 4;
    web: 5;
    miniWeb: 6;
    linux: 7;
}>;
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
    constructor(code: number, text: string);
    code: number;
}
/** It cannot be done now, and may be later. */
export class Unavailable extends Error {
    /** @param {string} text */
    constructor(text: string);
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
    /** @param {Options} options */
    constructor({ since, renew, WebSocket: given, token, ...options }: Options);
    get uid(): string;
    get state(): State;
    /** Everything up to this seq was given; hand it to `since` of the next one. -1 before the first link. */
    get seq(): number;
    /** Messages that wait for their receipt. */
    get waiting(): number;
    /**
     * Listens until the function that is given back is called.
     * @template {keyof Events} K
     * @param {K} name
     * @param {(event: Events[K]) => void} listener
     * @returns {() => void}
     */
    on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void;
    /** Connects, and connects again, until `stop`. */
    start(): void;
    /** Ends the link; what waits for its receipt stays for the next `start`. */
    stop(): void;
    /** Tries at once, if it waits: whoever knows that the network is back says so. */
    wake(): void;
    /**
     * Sends until the server has it. Messages go one after the other, in the order of these calls, also when some have to be
     * repeated, which they are under the same `clientMsgID`: the server knows it again.
     * @param {Target} to
     * @param {string} content
     * @param {{contentType?: number, clientMsgID?: string, ephemeral?: boolean}} [how] `ephemeral`: for who is there now, stored nowhere
     * @returns {Sending}
     */
    send(to: Target, content: string, { contentType, clientMsgID, ephemeral }?: {
        contentType?: number;
        clientMsgID?: string;
        ephemeral?: boolean;
    }): Sending;
    /**
     * A page of the inbox, backwards. It needs a link.
     * @param {{before: number, count?: number}} where
     * @returns {Promise<{messages: Message[], from: number, done: boolean}>} in the order of seq, from which seq on; `done`: there are no older ones
     */
    history({ before, count }: {
        before: number;
        count?: number;
    }): Promise<{
        messages: Message[];
        from: number;
        done: boolean;
    }>;
    /**
     * @param {string} path
     * @param {object} [body]
     * @returns {Promise<any>} what the answer has as `data`
     */
    ask(path: string, body?: object): Promise<any>;
    /**
     * Makes a group with these members, who are not asked. Uids that are unknown are left out.
     * @param {string} groupName
     * @param {string[]} uids
     * @returns {Promise<string>} its id
     */
    createGroup(groupName: string, uids: string[]): Promise<string>;
    /** @param {string} groupID @param {string[]} uidList */
    invite(groupID: string, uidList: string[]): Promise<any>;
    /** @param {string} groupID */
    leave(groupID: string): Promise<any>;
    /** @returns {Promise<{id: string, name: string}[]>} the groups that one is in */
    groups(): Promise<{
        id: string;
        name: string;
    }[]>;
    /** @param {string} groupID @returns {Promise<string[]>} uids, all of them */
    members(groupID: string): Promise<string[]>;
    /** @param {string[]} uidList @returns {Promise<{uid: string, name: string}[]>} of those who are there */
    users(uidList: string[]): Promise<{
        uid: string;
        name: string;
    }[]>;
    #private;
}
export type Account = {
    uid: string;
    token: string;
    /**
     * milliseconds of Unix time; 0: never
     */
    expiresAt: number;
};
/**
 * A message as an inbox has it.
 */
export type Message = {
    /**
     * its number in this inbox; 0: it is stored nowhere
     */
    seq: number;
    /**
     * the uid of its author
     */
    from: string;
    /**
     * the uid of its receiver; in a group the owner of this inbox
     */
    to: string;
    /**
     * the group it went to; empty: to one user
     */
    group: string;
    /**
     * 101 is text; from 201 on notices of the server
     */
    contentType: number;
    content: string;
    /**
     * the id that its author gave it
     */
    clientMsgID: string;
    serverMsgID: string;
    /**
     * milliseconds of Unix time, by the server's clock
     */
    sentAt: number;
    /**
     * the author's nickname, as they gave it
     */
    name: string;
    /**
     * whether the server is its author
     */
    system: boolean;
};
/**
 * What a message goes to: one of both.
 */
export type Target = {
    user?: string | undefined;
    group?: string | undefined;
};
/**
 * That a message is on the server's disk.
 */
export type Receipt = {
    clientMsgID: string;
    serverMsgID: string;
    /**
     * milliseconds of Unix time, by the server's clock
     */
    sentAt: number;
    /**
     * when the reply came, by the clock here
     */
    durableAt: number;
    /**
     * from `send` to the reply
     */
    tookMs: number;
};
/**
 * A message on its way.
 */
export type Sending = {
    clientMsgID: string;
    /**
     * fails with {@link Refused} where the server will not have it
     */
    receipt: Promise<Receipt>;
};
/**
 * How the link is. `connected`: everything up to now was given. `waiting`: there is none, and will be tried again. `kicked` and
 * `refused` are ends: a newer login took its place, or the token is no good.
 */
export type State = {
    name: "stopped" | "connecting" | "connected" | "waiting" | "kicked" | "refused";
    why: string;
    /**
     * how long until the next try, while `waiting`
     */
    againMs: number;
    /**
     * messages that came while there was no link and were pulled, when `connected`
     */
    missed: number;
};
export type Options = {
    /**
     * where REST is, like `http://127.0.0.1:10000`
     */
    rest: string;
    /**
     * where the websocket is, like `ws://127.0.0.1:7777`
     */
    ws: string;
    uid: string;
    token: string;
    /**
     * of {@link Platform}; `web`
     */
    platform?: number | undefined;
    /**
     * goes along with what is sent
     */
    name?: string | undefined;
    /**
     * the highest seq that is had already; without it, what comes from now on is given, and `history` has the rest
     */
    since?: number | undefined;
    /**
     * a new token when the old one is no good; without it that is the end
     */
    renew?: (() => Promise<string>) | undefined;
    /**
     * another implementation
     */
    WebSocket?: {
        new (url: string | URL, protocols?: string | string[]): WebSocket;
        prototype: WebSocket;
        readonly CONNECTING: 0;
        readonly OPEN: 1;
        readonly CLOSING: 2;
        readonly CLOSED: 3;
    } | undefined;
    /**
     * before a link is tried again: the first, and the longest
     */
    pauseMs?: [number, number] | undefined;
    /**
     * how long a reply may take
     */
    replyMs?: number | undefined;
    /**
     * how often a quiet link is tried
     */
    heartbeatMs?: number | undefined;
    /**
     * messages in one pull
     */
    pageLen?: number | undefined;
    /**
     * messages that may wait for their receipt
     */
    outboxLen?: number | undefined;
};
/**
 * What somebody listens for, and what they get.
 */
export type Events = {
    state: State;
    /**
     * each of the inbox, once, in the order of seq; the own ones too
     */
    message: Message;
    /**
     * what is stored nowhere
     */
    ephemeral: Message;
};
