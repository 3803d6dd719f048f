/** See scripts/try_pages. */

import assert from "node:assert/strict";

import { Server, until } from "../../clients/js/support/server.js";
import { PICTURES, browser, complaints, picture as pictured, tab } from "./browser.js";

/** Words of the pages by language, as an operator sees them. */
const WORDS = {
  en: { enter: "Log in", wrong: "not the password", ended: "logged out", operator: "operator", leave: "Log out", away: "no answer", live: "Live" },
  zh: { enter: "登录", wrong: "密码不正确", ended: "登录已失效", operator: "操作员", leave: "退出登录", away: "没有响应", live: "实时" },
};

const server = await Server.start();
const picture = (page, name) => pictured(page, `console-${name}`, true);

async function enter(page, words, password) {
  await page.locator("#password").fill(password);
  await page.getByRole("button", { name: words.enter, exact: true }).click();
}

const figure = async (page, name) => (await page.locator(`[data-figure=${name}]`).textContent())?.replace(/[^\d.]/g, "");

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
  await picture(page, `live-${language}`);

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
