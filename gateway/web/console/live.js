/** The page Live: what happens now, as the server tells it once a second. */

import { Curve, ask, bytes, card, element, milliseconds, number, rate, table } from "./parts.js";
import { line, lines } from "./lines.js";
import { words } from "./words.js";

/**
 * @typedef {{count: number, p50: number | null, p99: number | null}} Spread
 * @typedef {{links: number, opened: number, logins: number, messages: number, refused: number, deliveries: number, bytesIn: number, bytesOut: number}} Rates
 * @typedef {{at: number, stage: string, since: number, cpu: number, total: Rates, send: Spread, flush: Spread, shards: (Rates & {send: Spread, stuck: number})[], memory: {[part: string]: number}, slow: {uid: string, platform: number | null, bytes: number}[], wrong: import("./lines.js").Line[]}} Told
 */

/** The figures on top: how each is read, and how it is shown. @type {[keyof ReturnType<typeof words>["figures"], (told: Told) => number | null, (value: number | null) => string][]} */
const FIGURES = [
  ["links", (told) => told.total.links, number],
  ["logins", (told) => told.total.logins, (value) => rate(value ?? 0)],
  ["messages", (told) => told.total.messages, (value) => rate(value ?? 0)],
  ["deliveries", (told) => told.total.deliveries, (value) => rate(value ?? 0)],
  ["sendHalf", (told) => told.send.p50, milliseconds],
  ["sendMost", (told) => told.send.p99, milliseconds],
  ["flushHalf", (told) => told.flush.p50, milliseconds],
  ["flushMost", (told) => told.flush.p99, milliseconds],
  ["cpu", (told) => told.cpu, (value) => `${number(value, 1)} %`],
  ["resident", (told) => told.memory.resident, bytes],
];

/** @param {HTMLElement} page @param {(state: string, text: string) => void} state */
export function live(page, state) {
  const say = words();
  const figures = FIGURES.map(([name, read, show]) => {
    const value = element("dd", { "data-figure": name }, "–");
    const curve = new Curve();
    const place = element("div", { class: "figure" }, element("dt", {}, say.figures[name]), value);
    place.append(curve.place);
    return { place, draw: (/** @type {Told} */ told) => {
      value.textContent = show(read(told));
      curve.add(read(told));
    } };
  });
  const heads = say.shardHeads;
  const shards = table(say.shards, [
    { head: heads.shard }, { head: heads.links, number: true }, { head: heads.messages, number: true }, { head: heads.deliveries, number: true },
    { head: heads.refused, number: true }, { head: "p50", number: true }, { head: "p99", number: true }, { head: heads.bytesIn, number: true }, { head: heads.bytesOut, number: true },
  ]);
  const wrong = lines();
  const slow = table(say.slow, [{ head: say.uid }, { head: say.platform }, { head: say.waiting, number: true }]);
  const nobody = element("p", { class: "hint" }, say.nobodySlow);
  const memory = table(say.memory, [{ head: say.part }, { head: say.bytes, number: true }]);
  page.replaceChildren(
    element("h2", { class: "unseen" }, say.pageNames.live),
    element("dl", { class: "figures" }, ...figures.map((figure) => figure.place)),
    card(say.shards, shards.place),
    element("div", { class: "halves" }, card(say.memory, memory.place), element("div", { class: "stack" }, card(say.slow, nobody, slow.place), card(say.wrong, wrong))),
  );
  /** @param {Told} told */
  const draw = (told) => {
    state("here", say.stage(told.stage, new Date(told.at).toLocaleTimeString()));
    for (const figure of figures) figure.draw(told);
    shards.fill(told.shards.map((shard, index) => [
      element("span", {}, `${index}`, shard.stuck > 0 && element("strong", { class: "fault" }, ` ${say.stuck(number(shard.stuck))}`)), number(shard.links), rate(shard.messages), rate(shard.deliveries), rate(shard.refused),
      milliseconds(shard.send.p50), milliseconds(shard.send.p99), bytes(shard.bytesIn), bytes(shard.bytesOut),
    ]));
    slow.place.hidden = !told.slow.length;
    nobody.hidden = !slow.place.hidden;
    slow.fill(told.slow.map((link) => [element("a", { href: `#users/${encodeURIComponent(link.uid)}` }, link.uid), say.platforms[(link.platform ?? 0) - 1] ?? "–", bytes(link.bytes)]));
    wrong.replaceChildren(...(told.wrong.length ? told.wrong.map(line).reverse() : [element("li", {}, say.nothingWrong)]));
    const parts = Object.entries(told.memory).sort(([, one], [, other]) => other - one);
    memory.fill(parts.map(([part, held]) => [say.parts[/** @type {keyof typeof say.parts} */ (part)] ?? part, bytes(held)]));
  };
  return listen(draw, () => state("away", say.noNews));
}

/** Hears the server until what is given back is called. @param {(told: Told) => void} draw @param {() => void} away */
function listen(draw, away) {
  /** @type {EventSource} */
  let source;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  const open = () => {
    source = new EventSource("/console/api/live");
    source.onmessage = (event) => draw(JSON.parse(event.data));
    source.onerror = () => {
      away();
      if (source.readyState !== EventSource.CLOSED) return;
      // Refused: by a login that has ended, which this finds out, or for now.
      ask("api/who").catch(() => {});
      again = setTimeout(open, 5_000);
    };
  };
  open();
  return () => {
    source.close();
    clearTimeout(again);
  };
}
