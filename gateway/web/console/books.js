/** The page Books: what the log handed to each shard, what became of it, and what of that does not balance. */

import { ask, card, element, number, table, why } from "./parts.js";
import { words } from "./words.js";

const EVERY = 2_000;

/** @typedef {{[name: string]: number}} Counts */
/** @typedef {{became: Counts, reached: Counts, residue: Counts, behindSeconds: number}} Shard */

/** @param {HTMLElement} page */
export function books(page) {
  const say = words();
  const verdict = element("p", { role: "status" });
  const pairs = table(say.accounts, [{ head: say.account }, { head: say.amiss, number: true }]);
  const shards = table(say.shards, [
    { head: say.shardHeads.shard, number: true }, ...Object.values(say.became).map((head) => ({ head, number: true })), ...Object.values(say.reachedBy).map((head) => ({ head, number: true })),
    { head: say.behind, number: true },
  ]);
  page.replaceChildren(
    card(say.pageNames.books, element("p", { class: "hint" }, say.booksHint), verdict, pairs.place),
    card(say.shards, shards.place, element("p", { class: "hint" }, say.behindHint)),
  );
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  let over = false;
  const look = async () => {
    try {
      /** @type {Shard[]} */
      const found = (await ask("api/books")).shards;
      const sum = (/** @type {string} */ name) => found.reduce((sum, shard) => sum + shard.residue[name], 0);
      const all = Object.keys(say.pairs).reduce((all, name) => all + sum(name), 0);
      verdict.className = all ? "fault" : "";
      verdict.textContent = all ? say.unbalanced(number(all)) : say.balanced;
      pairs.fill(Object.entries(say.pairs).map(([name, what]) => [what, element("span", { class: sum(name) ? "near" : "" }, number(sum(name)))]));
      shards.fill(found.map((shard, index) => [
        `${index}`, ...Object.keys(say.became).map((name) => number(shard.became[name])), ...Object.keys(say.reachedBy).map((name) => number(shard.reached[name])), number(shard.behindSeconds),
      ]));
    } catch (cause) {
      verdict.textContent = why(cause);
    }
    if (!over) again = setTimeout(look, EVERY);
  };
  void look();
  return () => {
    over = true;
    clearTimeout(again);
  };
}
