/** The page Config: what each setting is and who gave it; first those that differ. */

import { ask, card, element, table, why } from "./parts.js";
import { words } from "./words.js";

/**
 * @typedef {{kind: "default"} | {kind: "file", file: string, line: number | null} | {kind: "environment", variable: string}} From
 * @typedef {{key: string, value: string, default: string, differs: boolean, secret: boolean, from: From}} Setting
 */

/** @param {HTMLElement} page */
export function config(page) {
  const say = words();
  const all = element("input", { id: "all", type: "checkbox" });
  const text = element("input", { id: "key", maxlength: "100", spellcheck: "false" });
  const rows = table(say.settings, [{ head: say.key, code: true }, { head: say.value, code: true }, { head: say.givenBy }, { head: say.default, code: true }]);
  const told = element("p", { class: "hint", role: "status" });
  /** @type {Setting[]} */
  let settings = [];
  const draw = () => {
    const shown = settings.filter((setting) => (all.checked || setting.differs) && setting.key.toLowerCase().includes(text.value.trim().toLowerCase()));
    rows.fill(shown.map((setting) => [setting.key, setting.secret && setting.value ? say.secretSet : setting.value, origin(setting.from), setting.default || "–"]));
    told.textContent = say.ofSettings(shown.length, settings.length);
  };
  all.addEventListener("change", draw);
  text.addEventListener("input", draw);
  page.replaceChildren(card(say.settings,
    element("div", { class: "line" }, element("label", { for: "key" }, say.contains), text, element("label", { class: "check" }, all, ` ${say.showAll}`)), told, rows.place, element("p", { class: "hint" }, say.configHint)));
  ask("api/config").then((found) => {
    settings = found.settings;
    draw();
  }, (cause) => (told.textContent = why(cause)));
}

/** Who gave it: a line of the file, a variable, nobody. @param {From} from */
function origin(from) {
  if (from.kind === "default") return words().built;
  if (from.kind === "environment") return element("span", { class: "code" }, from.variable);
  return element("span", { class: "code" }, from.line ? `${from.file}:${from.line}` : from.file);
}
