/**
 * Who one is here: names with their tokens, and the server's key, as this browser keeps them.
 *
 * A token is all that there is to a name: whoever has lost it cannot have the name again, and nobody else can have it either. They
 * are in `localStorage`, which pages of this server alone can read; which of them a tab uses, in `sessionStorage`.
 */

import { register } from "./openim.js";

/** @typedef {import("./openim.js").Account & {name: string}} Kept */

const KEY = "openim.key";
const ACCOUNTS = "openim.accounts";
const MINE = "openim.me";

/**
 * What the server says of itself: where its websocket is, and what the uids of guests begin with; empty where there are none.
 * @typedef {{websocket: string, guests: string}} About
 */

/** Takes the key out of the address, where it would be seen and kept in the history. */
export function takeKey() {
  const key = decodeURIComponent(location.hash.slice(1));
  if (!key) return;
  keepKey(key);
  history.replaceState(null, "", location.pathname + location.search);
}

/** @param {string} key */
export function keepKey(key) {
  localStorage.setItem(KEY, key);
}

export function key() {
  return localStorage.getItem(KEY) ?? "";
}

/** @returns {Promise<About>} */
export async function about() {
  const answer = await fetch("/chat/server.json");
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  const said = await answer.json();
  const here = location.origin.replace(/^http/, "ws");
  return { ...said, websocket: said.websocket || here };
}

/** Names that can be used again, without those whose time is over. @returns {Kept[]} */
export function kept() {
  /** @type {Kept[]} */
  const all = JSON.parse(localStorage.getItem(ACCOUNTS) ?? "[]");
  return all.filter(({ expiresAt }) => expiresAt === 0 || expiresAt > Date.now());
}

/** @param {Kept} account */
export function keep(account) {
  const others = kept().filter(({ uid }) => uid !== account.uid);
  // More than anybody looks through.
  localStorage.setItem(ACCOUNTS, JSON.stringify([account, ...others].slice(0, 50)));
}

/** @param {string} uid */
export function forget(uid) {
  localStorage.setItem(ACCOUNTS, JSON.stringify(kept().filter((account) => account.uid !== uid)));
}

/** Whom this tab was used by before it was loaded again. @returns {Kept | undefined} */
export function mine() {
  const uid = sessionStorage.getItem(MINE);
  return kept().find((account) => account.uid === uid);
}

/** @param {string} uid empty: nobody any more */
export function use(uid) {
  sessionStorage.setItem(MINE, uid);
}

/** The uid of the guest with this name; uids have no white space. @param {About} server @param {string} name */
export function guest({ guests }, name) {
  return guests + name.trim().replace(/\s+/g, "_");
}

/** The name again, and of others the uid. @param {About} server @param {string} uid */
export function nameOf({ guests }, uid) {
  return guests && uid.startsWith(guests) ? uid.slice(guests.length) : uid;
}

/** A new name, or one that this browser has. @param {About} server @param {string} name @returns {Promise<Kept>} */
export async function enter(server, name) {
  const uid = guest(server, name);
  const known = kept().find((account) => account.uid === uid);
  if (known) return known;
  const account = { ...(await register(location.origin, { secret: key(), uid, name: name.trim() })), name: name.trim() };
  keep(account);
  return account;
}
