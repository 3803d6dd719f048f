/** What all pages of the console are made of: elements, tables, numbers, and questions to the server. */

import { language } from "./language.js";
import { words } from "./words.js";

/** @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
export const at = (id) => /** @type {T} */ (document.getElementById(id));

/** What is nothing is left out. @typedef {Node | string | undefined | null | false} Inside */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name @param {{[attribute: string]: string}} [attributes] @param {Inside[]} inside
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  for (const part of inside) if (part) made.append(part);
  return made;
}

/** @param {string} title @param {Inside[]} inside */
export const card = (title, ...inside) => element("section", { class: "card" }, element("h2", {}, title), ...inside);

/** @param {string} word @param {() => unknown} act @param {string} [kind] */
export function button(word, act, kind = "") {
  const made = element("button", { type: "button", class: kind }, word);
  made.addEventListener("click", act);
  return made;
}

/** @typedef {{head: string, number?: boolean, code?: boolean}} Column */

/** A table that scrolls by itself where it is too wide. @param {string} label @param {Column[]} columns */
export function table(label, columns) {
  const kind = (/** @type {Column} */ column) => (column.number ? "number" : column.code ? "code" : "");
  const body = element("tbody");
  const head = element("tr", {}, ...columns.map((column) => element("th", { scope: "col", class: kind(column) }, column.head)));
  const whole = element("table", { "aria-label": label }, element("thead", {}, head), body);
  const place = element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": label }, whole);
  return {
    place,
    /** @param {Inside[][]} rows */
    fill(rows) {
      body.replaceChildren(
        ...rows.map((row) => element("tr", {}, ...row.map((cell, index) => element(index ? "td" : "th", { class: kind(columns[index]), ...(index ? {} : { scope: "row" }) }, cell)))),
      );
    },
  };
}

/** A list of names and what they are. @param {[string, Inside][]} pairs */
export function facts(pairs) {
  return element("dl", { class: "facts" }, ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

/** @param {number | null | undefined} value @param {number} [digits] */
export const number = (value, digits = 0) => (value === null || value === undefined ? "–" : value.toLocaleString(locale(), { maximumFractionDigits: digits }));

/** A rate: with a digit behind the point where it is small. @param {number} value */
export const rate = (value) => number(value, value < 10 ? 1 : 0);

/** @param {number | null | undefined} value */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at++;
  }
  return `${number(value, at && value < 100 ? 1 : 0)} ${units[at]}`;
}

/** @param {number | null | undefined} ms */
export const milliseconds = (ms) => (ms === null || ms === undefined ? "–" : `${number(ms, ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`);

/** @param {number | null | undefined} ms */
export const moment = (ms) => (ms ? new Date(ms).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "medium" }) : "–");

/** An answer of the server that is no good one. */
export class Refused extends Error {
  /** @param {string} why @param {string} text */
  constructor(why, text) {
    super(text);
    this.why = why;
  }
}

/** Told when nobody is logged in any more. @type {() => void} */
let ended = () => {};
/** @param {() => void} tell */
export const onEnd = (tell) => (ended = tell);

/** @param {string} path @param {object} [sent] @returns {Promise<any>} */
export async function ask(path, sent) {
  const init = sent ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(sent) } : {};
  const response = await fetch(`/console/${path}`, init).catch(() => {
    throw new Refused("away", words().away);
  });
  const told = await response.json().catch(() => ({}));
  if (response.ok) return told;
  if (told.error === "login") ended();
  throw new Refused(told.error ?? "failed", told.text ?? `${response.status}`);
}

/** What went wrong, for whoever reads. @param {unknown} cause */
export function why(cause) {
  const said = /** @type {{[why: string]: string}} */ (words().refusals);
  if (cause instanceof Refused && said[cause.why]) return said[cause.why];
  return words().failed(cause instanceof Error ? cause.message : `${cause}`);
}

/** The last values of a figure, as a curve. */
export class Curve {
  constructor() {
    this.place = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    for (const [name, value] of [["class", "curve"], ["viewBox", "0 0 59 20"], ["preserveAspectRatio", "none"], ["aria-hidden", "true"]]) this.place.setAttribute(name, value);
    this.place.append(this.line);
    /** @type {number[]} */
    this.values = [];
  }

  /** @param {number | null | undefined} value */
  add(value) {
    this.values = [...this.values, value ?? 0].slice(-60);
    const most = Math.max(...this.values, 1e-9);
    const from = 60 - this.values.length;
    this.line.setAttribute("points", this.values.map((one, index) => `${from + index},${(19 - (one / most) * 18).toFixed(1)}`).join(" "));
  }
}
