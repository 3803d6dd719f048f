/** See scripts/try_pages. */

import assert from "node:assert/strict";

import { Server, until } from "../../clients/js/support/server.js";
import { PICTURES, browser, complaints, picture as pictured, tab } from "./browser.js";

/** Words of the page by language, as a user sees them. */
const WORDS = {
  en: { start: "Start", open: "Open", send: "Send", connected: "connected", make: "Make it", newGroup: "New group", whole: "none is missing", here: "is here", taken: "is taken", wrongKey: "not the key" },
  zh: { start: "开始", open: "打开", send: "发送", connected: "已连接", make: "创建", newGroup: "新建群组", whole: "没有遗漏", here: "在线", taken: "已被使用", wrongKey: "不是此服务器的密钥" },
};

const server = await Server.start();
const picture = (page, name) => pictured(page, `chat-${name}`);

async function enter(page, name, words) {
  await page.goto(`${server.rest}/chat#${await server.key()}`);
  await page.locator("#name").fill(name);
  await page.getByRole("button", { name: words.start }).first().click();
  await page.locator("#link[data-state=connected]").waitFor();
  await page.locator("#link-text", { hasText: words.connected }).waitFor();
  assert.ok(!page.url().includes("#"), "the key is not left in the address");
}

async function talkTo(page, name, words) {
  await page.locator("#talk").fill(name);
  await page.getByRole("button", { name: words.open, exact: true }).click();
  await page.locator("#room-title", { hasText: name }).waitFor();
}

async function say(page, line) {
  await page.locator("#say").fill(line);
  await page.keyboard.press("Enter");
}

const shown = (page) => page.locator("#log li:not(.notice) .content").allTextContents();

/** Two people, a group, a kill: the same in each language. */
async function chat(language) {
  const words = WORDS[language];
  const [ann, ben] = [`ann-${language}`, `ben-${language}`];
  const [first, second] = [await tab(language), await tab(language)];
  await first.goto(`${server.rest}/chat`);
  await first.locator("#key").fill("not-the-key");
  await first.locator("#name").fill(ann);
  await first.getByRole("button", { name: words.start }).first().click();
  await first.locator("#fault", { hasText: words.wrongKey }).waitFor();
  await picture(first, `enter-${language}`);
  await first.goto("about:blank");
  await enter(first, ann, words);
  await second.goto(`${server.rest}/chat#${await server.key()}`);
  await second.locator("#name").fill(ann);
  await second.getByRole("button", { name: words.start }).first().click();
  await second.locator("#fault", { hasText: words.taken }).waitFor();
  await second.goto("about:blank");
  await enter(second, ben, words);

  await talkTo(first, ben, words);
  await talkTo(second, ann, words);
  const said = [];
  for (const [page, line] of [[first, "hello 你好"], [second, "<b>hi</b> & “quotes”\\"], [first, "a longer line ".repeat(20).trim()]]) {
    await say(page, line);
    said.push(line);
    for (const other of [first, second]) await until(`${line} is shown`, async () => (await shown(other)).length === said.length);
  }
  for (const page of [first, second]) {
    assert.deepEqual(await shown(page), said);
    await page.locator("#presence", { hasText: words.here }).waitFor();
    await page.locator("#log li.own .meta", { hasText: /#\d+ · .*\d\d:\d\d:\d\d\.\d{3}/ }).first().waitFor();
  }
  await picture(first, `talk-${language}`);

  // In the middle of it: what is written meanwhile waits, and then all is there once.
  await server.kill();
  await first.locator("#link[data-state=waiting]").waitFor();
  await say(first, "while it is down");
  await say(second, "me too");
  await first.locator("#log li.pending").waitFor();
  await picture(first, `down-${language}`);
  await server.up();
  for (const page of [first, second]) {
    await page.locator("#link[data-state=connected]").waitFor();
    await until("all is shown", async () => (await shown(page)).length === said.length + 2 && !(await page.locator("#log li.pending").count()));
    const now = await shown(page);
    assert.deepEqual(now.slice(0, said.length), said);
    assert.deepEqual(now.slice(said.length).sort(), ["me too", "while it is down"]);
    await page.locator("#books[data-missing='0']", { hasText: words.whole }).waitFor();
  }

  // Another load shows the same from the inbox, and older messages come by scrolling.
  for (let line = 0; line < 130; line++) await say(second, `line ${line}`);
  await until("all are sent", async () => (await shown(first)).at(-1) === "line 129");
  await first.reload();
  await first.locator("#conversations button", { hasText: ben }).click();
  await until("some are shown", async () => (await shown(first)).at(-1) === "line 129");
  await until("all are shown", async () => {
    await first.locator("#scroll").evaluate((scroll) => (scroll.scrollTop = 0));
    return (await shown(first)).length === said.length + 2 + 130;
  });
  assert.deepEqual((await shown(first)).slice(0, said.length), said);

  // A group, by keyboard.
  await first.getByText(words.newGroup).focus();
  await first.keyboard.press("Enter");
  await first.locator("#group-name").fill("Team 团队");
  await first.locator("#group-members").fill(ben);
  await first.keyboard.press("Enter");
  await first.locator("#room-title", { hasText: "Team" }).waitFor();
  await say(first, "to the group");
  await second.locator("#conversations button", { hasText: "Team" }).click();
  await second.locator("#log .content", { hasText: "to the group" }).waitFor();
  await say(second, "from the group");
  await first.locator("#log .content", { hasText: "from the group" }).waitFor();
  await picture(second, `group-${language}`);

  // The same name in another tab takes its place, and is told to.
  const third = await first.context().newPage();
  await third.goto(`${server.rest}/chat`);
  await third.locator("#kept-names button", { hasText: ann }).click();
  await third.locator("#link[data-state=connected]").waitFor();
  await first.locator("#again").waitFor();
  await first.context().close();
  await second.context().close();
}

try {
  const began = Date.now();
  for (const language of Object.keys(WORDS)) await chat(language);
  assert.deepEqual(complaints, []);
  console.log(`chat in both languages, two kills, axe finds nothing serious; pictures in ${PICTURES}; ${Math.round((Date.now() - began) / 1000)} s`);
} finally {
  await browser.close();
  await server.end();
}
