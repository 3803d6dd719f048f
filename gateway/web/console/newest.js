/** The newest messages of an inbox, with the way to what became of each: never what they say. */

import { addressOf } from "./message.js";
import { ask, button, card, element, moment, number, table, why } from "./parts.js";
import { words } from "./words.js";

/**
 * A card of them, which fills itself; of those to one group where that is given.
 * @param {string} uid @param {string} [group]
 */
export function newest(uid, group = "") {
  const say = words();
  const place = element("div", { class: "newest" });
  const rows = /** @type {any[]} */ ([]);
  const fill = async (before = 0) => {
    try {
      const told = await ask(`api/messages?${new URLSearchParams({ uid, group, before: `${before}` })}`);
      rows.push(...told.messages);
      const list = table(say.newest, [{ head: "seq", number: true }, { head: say.cameIn }, { head: say.sender }, { head: group ? say.platform : say.receiver }, { head: say.type, number: true }, { head: "clientMsgID", code: true }]);
      list.fill(rows.map((message) => [
        number(message.seq), moment(message.sent), element("a", { href: `#users/${encodeURIComponent(message.from)}` }, message.from),
        group ? say.platforms[message.platform - 1] ?? `${message.platform}`
          : element("a", { href: `#${message.isGroup ? "groups" : "users"}/${encodeURIComponent(message.to)}` }, message.to),
        `${message.type}`, element("a", { href: addressOf(uid, message.clientMsgID, message.from) }, message.clientMsgID),
      ]));
      const more = told.next && button(say.more, () => fill(told.next));
      place.replaceChildren(rows.length ? list.place : element("p", { class: "hint" }, told.next ? say.noneYet : say.none), ...(more ? [more] : []));
    } catch (cause) {
      place.replaceChildren(element("p", { class: "fault", role: "alert" }, why(cause)));
    }
  };
  void fill();
  return card(say.newest, place);
}
