/** The pages Log and Audit: the last lines, as they come, by level and text. */

import { ask, button, card, element, number, why } from "./parts.js";
import { words } from "./words.js";

const EVERY = 2_000;

/** @typedef {{number: number, level: string, text: string}} Line */

/** @param {"log" | "audit"} of */
const page = (of) => (/** @type {HTMLElement} */ place) => {
  const say = words();
  const level = element("select", { id: "level" }, ...["", "ERROR", "WARN", "INFO", "DEBUG"].map((name) => element("option", { value: name }, name || say.allLevels)));
  const text = element("input", { id: "text", maxlength: "200", spellcheck: "false" });
  const list = lines();
  const hint = element("p", { class: "hint" });
  const told = element("p", { class: "hint", role: "status" });
  let from = 0;
  let paused = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  const look = async () => {
    clearTimeout(again);
    try {
      const found = await ask(`api/${of}?from=${from}&level=${level.value}&text=${encodeURIComponent(text.value)}`);
      // It counts anew from its start on.
      if (found.next < from) return void anew();
      from = found.next;
      list.prepend(...found.lines.map(line).reverse());
      // As many as the server keeps.
      while (list.childElementCount > found.kept) list.lastElementChild?.remove();
      hint.textContent = (of === "log" ? say.logHint : say.auditHint)(number(found.kept));
      told.textContent = list.childElementCount ? "" : say.noLines;
    } catch (cause) {
      told.textContent = why(cause);
    }
    if (!paused) again = setTimeout(look, EVERY);
  };
  const anew = () => {
    from = 0;
    list.replaceChildren();
    void look();
  };
  level.addEventListener("change", anew);
  const form = element("form", { class: "line", role: "search" },
    ...(of === "log" ? [element("label", { for: "level" }, say.level), level] : []), element("label", { for: "text" }, say.contains), text, element("button", { class: "main" }, say.find));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    anew();
  });
  const pause = button(say.pause, () => {
    paused = !paused;
    pause.textContent = paused ? say.goOn : say.pause;
    if (paused) clearTimeout(again);
    else void look();
  });
  form.append(pause);
  place.replaceChildren(card(say.pageNames[of], form, hint, told, list));
  void look();
  return () => {
    paused = true;
    clearTimeout(again);
  };
};

/** @param {Line} line */
export function line({ number: at, level, text }) {
  return element("li", { "data-level": level, "data-number": `${at}` }, text);
}

export const lines = () => element("ul", { class: "lines" });
export const log = page("log");
export const audit = page("audit");
