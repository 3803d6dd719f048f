/** The page Users: found by uid or name; one with links, inbox, friends and groups; what an operator may do to them. */

import { ask, at, bytes, button, card, element, facts, moment, number, table, why } from "./parts.js";
import { addressOf } from "./message.js";
import { newest } from "./newest.js";
import { words } from "./words.js";

/** @typedef {import("./parts.js").Inside} Inside */

/** @param {HTMLElement} page @param {(state: string, text: string) => void} _state @param {string} about @param {boolean} may */
export function users(page, _state, about, may) {
  const say = words();
  const field = element("input", { id: "find", maxlength: "64", spellcheck: "false", autocapitalize: "off" });
  const results = element("div", { id: "found", class: "results", role: "status" });
  const form = element("form", { class: "line", role: "search" }, element("label", { for: "find" }, say.findUser), field, element("button", { class: "main" }, say.find));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void find(results, field.value.trim());
  });
  const one = element("div", { id: "one" });
  page.replaceChildren(element("h2", { class: "unseen" }, say.pageNames.users), card(say.findUserTitle, form, results), one);
  if (about) void show(one, about, may);
  else void find(results, "");
}

/** @param {HTMLElement} place @param {string} text @param {string} [after] */
async function find(place, text, after = "") {
  const say = words();
  try {
    const found = await ask(`api/users?find=${encodeURIComponent(text)}&after=${encodeURIComponent(after)}`);
    const rows = table(say.findUserTitle, [{ head: say.uid }, { head: say.name }, { head: say.created }, { head: say.linksOn }]);
    rows.fill(found.users.map((/** @type {any} */ user) => [
      element("a", { href: `#users/${encodeURIComponent(user.uid)}` }, user.uid), user.name, moment(user.created), platforms(user.platforms),
    ]));
    const more = found.next && button(say.more, () => find(place, text, found.next));
    place.replaceChildren(found.users.length ? rows.place : element("p", { class: "hint" }, found.next ? say.noneYet : say.none), ...(more ? [more] : []));
  } catch (cause) {
    place.replaceChildren(element("p", { class: "fault" }, why(cause)));
  }
}

/** @param {number[]} on */
function platforms(on) {
  const names = words().platforms;
  return on.length ? element("span", { class: "here" }, on.map((platform) => names[platform - 1] ?? `${platform}`).join(", ")) : "–";
}

/** @param {HTMLElement} place @param {string} uid @param {boolean} may */
async function show(place, uid, may) {
  const say = words();
  let user;
  try {
    user = await ask(`api/user?uid=${encodeURIComponent(uid)}`);
  } catch (cause) {
    return place.replaceChildren(card(uid, element("p", { class: "fault", role: "alert" }, why(cause))));
  }
  const profile = user.profile ?? {};
  /** @type {[string, Inside][]} */
  const about = [
    [say.name, profile.name ?? say.notRegistered],
    [say.created, moment(profile.created)],
    [say.state, user.ban ? element("strong", { class: "fault" }, say.banned(user.ban.until ? moment(user.ban.until * 1000) : "", user.ban.reason)) : user.erased ? say.erased : user.isManager ? say.isManager : say.ordinary],
    [say.inbox, user.inbox ? say.inboxRange(number(user.inbox.min), number(user.inbox.newest)) : "–"],
    ...(/** @type {[string, Inside][]} */ ([["mobile", profile.mobile], ["email", profile.email], ["birth", profile.birth], ["ex", profile.ex]].filter(([, value]) => value))),
  ];
  const links = table(say.linksTitle, [{ head: say.platform }, { head: say.since }, { head: say.address, code: true }, { head: say.reads }, { head: say.waiting, number: true }]);
  links.fill(user.links.map((/** @type {any} */ link) => [
    say.platforms[link.platform - 1] ?? `${link.platform}`, moment(link.since), link.address ?? "–", link.reads === "seconds" ? say.seconds : say.nanoseconds, bytes(link.waiting),
  ]));
  const groups = table(say.groups, [{ head: say.group, code: true }, { head: say.name }, { head: say.role }]);
  groups.fill(user.groups.first.map((/** @type {any} */ group) => [element("a", { href: `#groups/${encodeURIComponent(group.group)}` }, group.group), group.name ?? say.ended, say.memberRoles[group.role]]));
  const others = (/** @type {any} */ some) => [
    some.first.length ? element("ul", { class: "line" }, ...some.first.map((/** @type {any} */ other) => element("li", {}, element("a", { href: `#users/${encodeURIComponent(other.uid)}` }, other.uid)))) : element("p", { class: "hint" }, say.none),
    some.more && element("p", { class: "hint" }, say.andMore),
  ];
  place.replaceChildren(
    element("div", { class: "halves" },
      card(user.uid, facts(about), element("p", {}, element("a", { href: addressOf(uid) }, say.whyNot))),
      may ? acts(uid, user, () => show(place, uid, may)) : "",
      card(say.linksTitle, user.links.length ? links.place : element("p", { class: "hint" }, say.noLinks)),
      card(say.groups, user.groups.first.length ? groups.place : element("p", { class: "hint" }, say.none), user.groups.more && element("p", { class: "hint" }, say.andMore)),
      card(say.friends, ...others(user.friends)),
      card(say.blocked, ...others(user.blocked)),
    ),
    newest(uid),
  );
}

/** What an operator may do. @param {string} uid @param {any} user @param {() => unknown} again */
function acts(uid, user, again) {
  const say = words();
  const choice = element("select", { id: "platform" }, ...[say.allPlatforms, ...say.platforms].map((name, id) => element("option", { value: `${id}` }, name)));
  const act = doing("user-", (name, reason) => {
    const platform = Number(choice.value);
    if (name === "token") return { uid, reason, platform: platform || 5 };
    return name === "kick" || name === "logout" ? { uid, reason, platform } : { uid, reason };
  }, (name, done) => {
    if (name === "token") at("user-token").replaceChildren(element("p", {}, say.newToken), element("code", { class: "code" }, done.token));
    else setTimeout(again, 1_200);
  });
  return card(
    say.acts,
    act.reason,
    element("div", { class: "line" }, element("label", { for: "platform" }, say.platform), choice),
    element("div", { class: "acts" },
      act.button("kick"), act.button("logout"), act.button("token"),
      user.ban ? act.button("unban") : act.button("ban", true), act.button("delete", true)),
    element("p", { class: "hint" }, say.actsHint),
    act.told,
    element("div", { id: "user-token" }),
  );
}

/**
 * A reason, buttons that act with it, and what came of it. What cannot be undone asks once more.
 * @param {string} prefix @param {(name: string, reason: string) => object} body @param {(name: string, done: any) => void} then
 */
export function doing(prefix, body, then) {
  const say = words();
  const names = /** @type {{[act: string]: string}} */ (say.actNames);
  const field = element("input", { id: `${prefix}reason`, maxlength: "256" });
  const told = element("p", { role: "status" });
  /** @type {HTMLButtonElement | undefined} */
  let asked;
  const calm = () => {
    if (asked) asked.textContent = names[asked.dataset.act ?? ""];
    asked = undefined;
  };
  field.addEventListener("input", () => {
    calm();
    told.textContent = "";
  });
  return {
    told,
    reason: element("div", { class: "line" }, element("label", { for: `${prefix}reason` }, say.reason), field),
    /** @param {string} name @param {boolean} [grave] @param {object} [more] */
    button(name, grave = false, more = {}) {
      const made = button(names[name], async () => {
        const reason = field.value.trim();
        if (!reason) {
          told.className = "fault";
          told.textContent = say.reasonNeeded;
          return field.focus();
        }
        if (grave && asked !== made) {
          calm();
          asked = made;
          made.textContent = say.really(names[name]);
          return;
        }
        calm();
        try {
          const done = await ask(`api/act/${name}`, { ...body(name, reason), ...more });
          told.className = "done";
          told.textContent = say.done(names[name]);
          then(name, done);
        } catch (cause) {
          told.className = "fault";
          told.textContent = why(cause);
        }
      }, grave ? "grave" : "");
      made.dataset.act = name;
      return made;
    },
  };
}
