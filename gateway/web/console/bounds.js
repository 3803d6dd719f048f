/** The page Bounds: how much there may be of what is bounded, is, and was at most; the fullest first. */

import { ask, bytes, card, element, number, table, why } from "./parts.js";
import { words } from "./words.js";

const EVERY = 2_000;
/** From here on a bound is near. */
const NEAR = 0.8;

/** @typedef {{name: string, key: string, limit: number | null, now: number | null, highest: number | null, reached: number | null}} Bound */

/** @param {HTMLElement} page */
export function bounds(page) {
  const say = words();
  const rows = table(say.pageNames.bounds, [
    { head: say.bound }, { head: say.full }, { head: say.now, number: true }, { head: say.highest, number: true }, { head: say.limit, number: true },
    { head: say.reached, number: true }, { head: say.thenWhat }, { head: say.key, code: true },
  ]);
  const told = element("p", { class: "hint", role: "status" });
  page.replaceChildren(card(say.pageNames.bounds, element("p", { class: "hint" }, say.boundsHint), told, rows.place));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  let over = false;
  const look = async () => {
    try {
      /** @type {Bound[]} */
      const found = (await ask("api/bounds")).bounds;
      found.sort((one, other) => part(other.highest, other.limit) - part(one.highest, one.limit));
      rows.fill(found.map((bound) => {
        const [what, then] = say.bounds[/** @type {keyof typeof say.bounds} */ (bound.name)] ?? [bound.name, ""];
        const show = say.inBytes.includes(bound.name) ? bytes : number;
        const full = part(bound.now, bound.limit);
        const meter = bound.now !== null && bound.limit !== null && element("meter", { min: "0", max: "1", high: `${NEAR}`, value: `${Math.min(1, full)}`, "aria-label": `${what}: ${Math.round(full * 100)} %` });
        return [
          what, meter, show(bound.now), element("span", { class: part(bound.highest, bound.limit) >= NEAR ? "near" : "" }, show(bound.highest)), bound.limit === null ? say.unbounded : show(bound.limit),
          element("span", { class: bound.reached ? "near" : "" }, number(bound.reached)), then, bound.key,
        ];
      }));
      told.textContent = "";
    } catch (cause) {
      told.textContent = why(cause);
    }
    if (!over) again = setTimeout(look, EVERY);
  };
  void look();
  return () => {
    over = true;
    clearTimeout(again);
  };
}

/** @param {number | null} of @param {number | null} limit */
const part = (of, limit) => (of === null || !limit ? 0 : of / limit);
