/** See scripts/try_pages. */

import assert from "node:assert/strict";

import { Client, register } from "../../clients/js/openim.js";
import { SECRET, Server, until } from "../../clients/js/support/server.js";
import { PICTURES, browser, complaints, picture as pictured, tab } from "./browser.js";

/** Words of the pages by language, as an operator sees them. */
const WORDS = {
  en: { users: "Users", find: "Find", groups: "Groups", message: "Message", waits: "waits in the inbox", books: "Books", balanced: "All balances", bounds: "Bounds", config: "Config", log: "Log", audit: "Audit", kick: "Kick", ban: "Ban", needed: "reason first", sure: "once more", done: "done", banned: "banned", none: "nobody", enter: "Log in", wrong: "not the password", ended: "logged out", operator: "operator", leave: "Log out", away: "no answer", live: "Live" },
  zh: { users: "用户", find: "查找", groups: "群组", message: "消息", waits: "收件箱中等待", books: "账目", balanced: "全部平衡", bounds: "界限", config: "配置", log: "日志", audit: "审计", kick: "踢下线", ban: "封禁", needed: "填写原因", sure: "再次点击", done: "已完成", banned: "已封禁", none: "nobody", enter: "登录", wrong: "密码不正确", ended: "登录已失效", operator: "操作员", leave: "退出登录", away: "没有响应", live: "实时" },
};

const server = await Server.start();
const picture = (page, name) => pictured(page, `console-${name}`, true);

async function enter(page, words, password) {
  await page.locator("#password").fill(password);
  await page.getByRole("button", { name: words.enter, exact: true }).click();
}

const figure = async (page, name) => (await page.locator(`[data-figure=${name}]`).textContent())?.replace(/[^\d.]/g, "");

/** People with links, a group, and a message a moment, until what is given back is called. */
async function people(language) {
  const uids = ["ann", "ben", "cat"].map((name) => `${name}-${language}`);
  const clients = [];
  for (const uid of uids) {
    const { token } = await register(server.rest, { secret: SECRET, uid, name: `${uid[0].toUpperCase()}${uid.slice(1)} 名` });
    const client = new Client({ rest: server.rest, ws: server.ws, uid, token });
    client.start();
    await until(`${uid} is connected`, () => client.state.name === "connected");
    clients.push(client);
  }
  const group = await clients[0].createGroup("Team 团队", uids.slice(1));
  // A machine that is busy may keep receipts waiting for longer than the client queues.
  const say = async () => clients[0].send({ user: uids[1] }, "hi").receipt;
  const sending = setInterval(() => say().catch(() => {}), 30);
  const send = (to, text) => clients[1].send(to, text);
  return { uids, group, send, leave: () => (clearInterval(sending), clients.forEach((client) => client.stop())) };
}

const open = async (page, name) => {
  await page.locator("#pages a", { hasText: name }).click();
  await page.locator("#pages a[aria-current]", { hasText: name }).waitFor();
};

/** Each page, with something on it. */
async function pages(page, language) {
  const words = WORDS[language];
  const { uids, group, send, leave } = await people(language);
  await until("messages are told", async () => Number(await figure(page, "messages")) > 0);
  await until("times are told", async () => /\d/.test((await figure(page, "sendHalf")) ?? ""));
  await page.waitForTimeout(6_000);
  await picture(page, `live-${language}`);

  await open(page, words.users);
  await page.locator("#found a", { hasText: uids[1] }).waitFor();
  await page.locator("#find").fill(uids[0]);
  await page.keyboard.press("Enter");
  await until("one is found", async () => (await page.locator("#found tbody tr").count()) === 1);
  await picture(page, `users-${language}`);
  await page.locator("#found a", { hasText: uids[0] }).click();
  await page.locator("#one h2", { hasText: uids[0] }).waitFor();
  await page.getByRole("button", { name: words.kick, exact: true }).click();
  await page.getByText(words.needed).waitFor();
  await page.locator("#user-reason").fill("asked for by phone");
  await page.locator("#one .newest a", { hasText: uids[1] }).first().waitFor();
  await picture(page, `user-${language}`);
  await page.getByRole("button", { name: words.ban, exact: true }).click();
  await page.getByRole("button", { name: words.sure }).click();
  await page.locator("#one strong", { hasText: words.banned }).waitFor();

  await page.goto(`${server.operators}/console#groups/${group}`);
  await page.locator("#one h2", { hasText: "Team" }).waitFor();
  await until("members are shown", async () => (await page.locator("#one tbody tr").count()) >= 3);
  await picture(page, `group-${language}`);

  // Somebody who is not here is sent a message: it waits for them.
  await register(server.rest, { secret: SECRET, uid: `dan-${language}`, name: "Dan" });
  const { clientMsgID, receipt } = send({ user: `dan-${language}` }, "are you there?");
  await receipt;
  await open(page, words.message);
  await page.locator("#uid").fill(`dan-${language}`);
  await page.locator("#message").fill(clientMsgID);
  await page.keyboard.press("Enter");
  await page.locator("[data-reason=waits]", { hasText: words.waits }).waitFor();
  await picture(page, `message-${language}`);
  await page.locator("#one a", { hasText: uids[1] }).last().click();
  // Its sender has it: a device that has sent or pulled it.
  await page.locator(":is([data-reason=other_device], [data-reason=pulled], [data-reason=pushed])").waitFor();

  await open(page, words.books);
  await page.locator("[role=status]", { hasText: words.balanced }).waitFor();
  await picture(page, `books-${language}`);
  await open(page, words.bounds);
  await page.locator("meter").first().waitFor();
  await picture(page, `bounds-${language}`);
  await open(page, words.config);
  await page.locator("tbody tr", { hasText: "OPENIM_GATEWAY_SHARDS" }).waitFor();
  await picture(page, `config-${language}`);
  await page.locator("#all").check();
  await until("all are shown", async () => (await page.locator("tbody tr").count()) > 100);
  await open(page, words.log);
  await page.locator("#level").waitFor();
  await picture(page, `log-${language}`);
  await open(page, words.audit);
  await page.locator(".lines li", { hasText: "asked for by phone" }).first().waitFor();
  await picture(page, `audit-${language}`);
  await open(page, words.live);
  leave();
}

/** Whatever stands behind `#`, the page is whole. */
async function addresses(page, words) {
  for (const [address, shown] of [["users/%", words.users], ["toString", words.live], ["users/%E4%BD", words.users], ["__proto__/x", words.live]]) {
    await page.goto(`${server.operators}/console#${address}`);
    await page.locator("#pages a[aria-current]", { hasText: shown }).waitFor();
    if (shown === words.users) await page.locator("#one .fault").waitFor();
    await page.reload();
    await page.locator("#pages a[aria-current]", { hasText: shown }).waitFor();
  }
  await open(page, words.live);
  await page.locator("#state[data-state=here]").waitFor();
}

/** Logging in, looking, and being logged out: the same in each language. */
async function look(language) {
  const words = WORDS[language];
  const page = await tab(language);
  await page.goto(`${server.operators}/console`);
  await enter(page, words, "not-the-password");
  await page.locator("#fault", { hasText: words.wrong }).waitFor();
  await picture(page, `enter-${language}`);
  await enter(page, words, await server.password());
  await page.locator("#who", { hasText: words.operator }).waitFor();

  await page.locator("#pages a[aria-current]", { hasText: words.live }).waitFor();
  await until("figures are told", async () => /\d/.test((await figure(page, "resident")) ?? ""));
  await page.locator("#state[data-state=here]").waitFor();
  await addresses(page, words);
  await pages(page, language);

  // The server is killed: the page says so, and the login is over when it is back.
  await server.kill();
  await page.locator("#state[data-state=away]", { hasText: words.away }).waitFor();
  await server.up();
  await page.locator("#fault", { hasText: words.ended }).waitFor();
  await enter(page, words, await server.password());
  await page.locator("#state[data-state=here]").waitFor();

  // By keyboard: out again.
  await page.getByRole("button", { name: words.leave }).focus();
  await page.keyboard.press("Enter");
  await page.locator("#password").waitFor();
  await page.context().close();
}

try {
  const began = Date.now();
  for (const language of Object.keys(WORDS)) await look(language);
  assert.deepEqual(complaints, []);
  console.log(`console in both languages, axe finds nothing serious; pictures in ${PICTURES}; ${Math.round((Date.now() - began) / 1000)} s`);
} finally {
  await browser.close();
  await server.end();
}
