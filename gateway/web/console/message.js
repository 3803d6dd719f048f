/** The page Message: a user and a message: why they did not get it, or how they did, in plain words; what it was, and its path. */

import { ask, card, element, facts, moment, number, why } from "./parts.js";
import { language } from "./language.js";
import { words } from "./words.js";

/** What stands between the parts of an address; no uid and no id has it. */
const BETWEEN = "\n";

/** The address of what became of a message with somebody. @param {string} uid @param {string} [id] @param {string} [sender] */
export const addressOf = (uid, id = "", sender = "") => `#message/${encodeURIComponent([uid, id, sender].join(BETWEEN))}`;

/** @param {HTMLElement} page @param {(state: string, text: string) => void} _state @param {string} about */
export function message(page, _state, about) {
  const say = words();
  const [uid = "", id = "", sender = ""] = about.split(BETWEEN);
  const text = (/** @type {string} */ name, /** @type {string} */ value, most = "256") => element("input", { id: name, maxlength: most, spellcheck: "false", autocapitalize: "off", value });
  const [who, what, from] = [text("uid", uid), text("message", id), text("sender", sender)];
  const device = element("select", { id: "device" }, ...[say.anyPlatform, ...say.platforms].map((name, at) => element("option", { value: `${at}` }, name)));
  const sent = element("input", { id: "sent", type: "datetime-local" });
  const form = element("form", { class: "fields", role: "search" },
    ...[[who, say.whoAsked], [what, say.messageName], [from, say.sender], [device, say.platform], [sent, say.sentAbout]].map(([field, label]) =>
      element("div", {}, element("label", { for: /** @type {HTMLElement} */ (field).id }, label), field)),
    element("button", { class: "main" }, say.find));
  const one = element("div", { id: "one" });
  const look = () => show(one, { uid: who.value.trim(), message: what.value.trim(), sender: from.value.trim(), platform: device.value, near: `${sent.value ? new Date(sent.value).getTime() : 0}` });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void look();
  });
  page.replaceChildren(card(say.pageNames.message, form, element("p", { class: "hint" }, say.messageHint)), one);
  if (uid && id) void look();
}

/** @param {HTMLElement} place @param {{[name: string]: string}} asked */
async function show(place, asked) {
  const say = words();
  let told;
  try {
    told = await ask(`api/why?${new URLSearchParams(asked)}`);
  } catch (cause) {
    return place.replaceChildren(card(say.answer, element("p", { class: "fault", role: "alert" }, why(cause))));
  }
  const found = told.message;
  const user = (/** @type {string} */ uid) => element("a", { href: `#users/${encodeURIComponent(uid)}` }, uid);
  const code = (/** @type {string} */ text) => element("span", { class: "code" }, text);
  const others = found && [found.sendID, ...(found.sessionType === 2 ? [] : [found.recvID])].filter((uid) => uid && uid !== asked.uid);
  place.replaceChildren(
    card(say.answer, element("p", { class: "answer", role: "status", "data-reason": told.reason }, language === "zh" ? told.textZh : told.text),
      facts([
        [say.reasonName, code(told.reason)],
        [say.inInbox, told.seq ? say.seqOf(number(told.seq)) : say.inNoInbox],
        [say.when, moment(told.at)],
        [say.platform, told.platform ? say.platforms[told.platform - 1] ?? `${told.platform}` : "–"],
        [say.link, told.link ? code(told.link) : "–"],
        [say.knownFrom, moment(told.knownFrom)],
      ])),
    found ? card(say.message, facts([
      [say.cameIn, moment(found.sendTime)],
      [say.sender, user(found.sendID)],
      [found.sessionType === 2 ? say.group : say.receiver, found.sessionType === 2 ? element("a", { href: `#groups/${encodeURIComponent(found.recvID)}` }, found.recvID) : user(found.recvID)],
      ["clientMsgID", code(found.clientMsgID)],
      ["serverMsgID", code(found.serverMsgID)],
    ]), others.length > 0 && element("p", {}, `${say.sameFor} `, ...others.map((/** @type {string} */ uid) => element("a", { href: addressOf(uid, found.clientMsgID, found.sendID) }, uid)))) : "",
  );
}
