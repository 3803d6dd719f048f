/** What the scripts of all pages share: a real Chromium, tabs in both languages, axe, pictures. */

import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const { CHROMIUM, MODULES } = process.env;
export const { PICTURES } = process.env;
const require = createRequire(join(MODULES, "from-here.js"));
const { chromium } = require("playwright-core");
const AXE = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
const GRAVE = ["serious", "critical"];

await mkdir(PICTURES, { recursive: true });
// In a container root has no sandbox of its own; the pages are ours.
export const browser = await chromium.launch({ executablePath: CHROMIUM, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
/** What pages complained of. */
export const complaints = [];

/** A tab in a browser of its own. */
export async function tab(language, { width = 1600, scheme = "light" } = {}) {
  const context = await browser.newContext({ locale: language === "zh" ? "zh-CN" : "en-GB", viewport: { width, height: 900 }, colorScheme: scheme });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(`${error}`));
  page.on("console", (said) => {
    // Chromium tells of each connection to a server that is down, and of each answer that is no good one.
    if (said.type() === "error" && !/ERR_CONNECTION|ERR_INCOMPLETE|WebSocket|Failed to load resource/.test(said.text())) complaints.push(said.text());
  });
  return page;
}

async function axe(page, where) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const grave = violations.filter(({ impact }) => GRAVE.includes(impact));
  assert.deepEqual(grave.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`), []);
}

/** Pictures at both widths, light and dark, each looked at by axe. */
export async function picture(page, name, whole = false) {
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const width of [1600, 400]) {
      await page.setViewportSize({ width, height: 900 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${name}: ${wide} pixels at ${width}`);
      await axe(page, `${name} ${scheme} ${width}`);
      await page.screenshot({ path: join(PICTURES, `${name}-${width}-${scheme}.png`), fullPage: whole });
    }
  }
  await page.setViewportSize({ width: 1600, height: 900 });
}
