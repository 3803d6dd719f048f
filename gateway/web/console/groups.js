/** The page Groups: one by its id, with members and requests by page; what an operator may do to it. */

import { ask, button, card, element, facts, moment, number, table, why } from "./parts.js";
import { newest } from "./newest.js";
import { doing } from "./users.js";
import { words } from "./words.js";

/** @param {HTMLElement} page @param {(state: string, text: string) => void} _state @param {string} about @param {boolean} may */
export function groups(page, _state, about, may) {
  const say = words();
  const field = element("input", { id: "group", maxlength: "64", spellcheck: "false", autocapitalize: "off", value: about });
  const form = element("form", { class: "line", role: "search" }, element("label", { for: "group" }, say.groupId), field, element("button", { class: "main" }, say.show));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = `#groups/${encodeURIComponent(field.value.trim())}`;
  });
  const one = element("div", { id: "one" });
  page.replaceChildren(element("h2", { class: "unseen" }, say.pageNames.groups), card(say.findGroup, form, element("p", { class: "hint" }, say.groupHint)), one);
  if (about) void show(one, about, may);
}

/** @param {HTMLElement} place @param {string} id @param {boolean} may @param {string} [after] @param {number} [requestsAfter] */
async function show(place, id, may, after = "", requestsAfter = 0) {
  const say = words();
  let group;
  try {
    group = await ask(`api/group?group=${encodeURIComponent(id)}&after=${encodeURIComponent(after)}&requestsAfter=${requestsAfter}`);
  } catch (cause) {
    return place.replaceChildren(card(id, element("p", { class: "fault", role: "alert" }, why(cause))));
  }
  const again = () => show(place, id, may);
  const of = (/** @type {string} */ uid) => element("a", { href: `#users/${encodeURIComponent(uid)}` }, uid);
  const act = doing("group-", (_name, reason) => ({ group: id, reason }), () => setTimeout(again, 1_200));
  const members = table(say.members, [{ head: say.uid }, { head: say.nickname }, { head: say.role }, { head: say.joined }, { head: may ? say.acts : "" }]);
  members.fill(group.members.map((/** @type {any} */ member) => [
    of(member.uid), member.nickname, say.memberRoles[member.role], moment(member.joined), may && member.role !== 1 ? act.button("remove", true, { uid: member.uid }) : "",
  ]));
  const requests = table(say.requests, [{ head: say.from }, { head: say.to }, { head: say.said }, { head: say.asked }, { head: say.state }]);
  requests.fill(group.requests.map((/** @type {any} */ request) => [
    of(request.from), request.to === "0" ? say.themselves : request.to, request.message, moment(request.created), request.flag === 0 ? say.open : request.flag === 1 ? say.agreed : say.refused,
  ]));
  place.replaceChildren(
    element("div", { class: "halves" },
      card(group.name || id, facts([
        [say.groupId, element("span", { class: "code" }, id)], [say.owner, group.owner ? of(group.owner) : "–"], [say.members, number(group.count)],
        [say.made, moment(group.created)], [say.introduction, group.introduction || "–"], [say.notification, group.notification || "–"],
      ])),
      may ? card(say.acts, act.reason, element("div", { class: "acts" }, act.button("dismiss", true)), element("p", { class: "hint" }, say.groupActsHint), act.told) : "",
    ),
    group.owner ? newest(group.owner, id) : "",
    card(say.members, members.place, group.next && button(say.more, () => show(place, id, may, group.next, requestsAfter)), after !== "" && button(say.toBegin, again)),
    card(say.requests, group.requests.length ? requests.place : element("p", { class: "hint" }, say.none), group.requestsNext && button(say.more, () => show(place, id, may, after, group.requestsNext))),
  );
}
