/**
 * The console: who is logged in, which page is shown. A page is a function that fills its place and gives what ends it; which one, the
 * address says behind `#`. What the pages are made of is in parts.js; what they say, in words.js.
 */

import { books } from "./books.js";
import { bounds } from "./bounds.js";
import { config } from "./config.js";
import { groups } from "./groups.js";
import { speak, switchLanguage } from "./language.js";
import { audit, log } from "./lines.js";
import { live } from "./live.js";
import { message } from "./message.js";
import { ask, at, element, onEnd, why } from "./parts.js";
import { users } from "./users.js";
import { words } from "./words.js";

/**
 * @typedef {"operator" | "viewer"} Role
 * @typedef {(page: HTMLElement, state: (state: string, text: string) => void, about: string, may: boolean) => (() => void) | void} Page
 */

/** @type {{[name: string]: Page}} */
const PAGES = { live, users, groups, message, books, bounds, config, log, audit };

/** @type {Role | undefined} */
let role;
/** Ends the page that is shown. @type {() => void} */
let leave = () => {};

/** @param {string} state @param {string} text */
function state(state, text) {
  at("state").dataset.state = state;
  at("state").textContent = text;
}

/** Without `%`; what was not written so stays as it is. @param {string} text */
function plain(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What the address names: a page, and what it is about. */
function named() {
  const [name, ...about] = location.hash.slice(1).split("/");
  return { name: Object.hasOwn(PAGES, name) ? name : "live", about: plain(about.join("/")) };
}

function draw() {
  leave();
  leave = () => {};
  speak(words());
  document.title = words().title;
  at("language").textContent = words().other;
  at("enter").hidden = role !== undefined;
  for (const id of ["page", "pages", "who", "leave"]) at(id).hidden = role === undefined;
  state("", "");
  at("page").replaceChildren();
  if (!role) return at("password").focus();
  at("who").textContent = words().roles[role];
  const { name, about } = named();
  const names = /** @type {{[name: string]: string}} */ (words().pageNames);
  at("pages").replaceChildren(
    ...Object.keys(PAGES).map((page) => element("a", { href: `#${page}`, ...(page === name ? { "aria-current": "page" } : {}) }, names[page])),
  );
  document.title = `${names[name]} – ${words().title}`;
  leave = PAGES[name](at("page"), state, about, role === "operator") ?? leave;
}

/** Asks who one is, and shows the page or the login. @param {string} [told] */
async function begin(told = "") {
  try {
    role = (await ask("api/who")).role;
  } catch (cause) {
    role = undefined;
    at("fault").textContent = told || (/** @type {any} */ (cause).why === "login" ? "" : why(cause));
  }
  draw();
}

at("enter-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (at("password"));
  try {
    role = (await ask("login", { password: field.value })).role;
    field.value = "";
    at("fault").textContent = "";
    draw();
    at("page").focus();
  } catch (cause) {
    at("fault").textContent = why(cause);
    field.select();
  }
});

at("leave").addEventListener("click", async () => {
  await ask("logout", {}).catch(() => {});
  role = undefined;
  draw();
});

at("language").addEventListener("click", () => {
  switchLanguage();
  draw();
});

onEnd(() => {
  if (!role) return;
  role = undefined;
  at("fault").textContent = words().expired;
  draw();
});

addEventListener("hashchange", () => {
  draw();
  at("page").focus();
});

// A login ends also while a page only listens.
setInterval(() => role && ask("api/who").catch(() => {}), 30_000);

await begin();
