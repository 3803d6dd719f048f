#!/usr/bin/env node
/**
 * A chat client for openim in Node, made of clients/js: Node 22, or 20.10 with --experimental-websocket; no packages.
 *
 *     node examples/client.mjs --secret-file data/secret --me alice --to bob
 *
 * It logs in (and registers first if it must), shows what was missed, then what comes, and sends each line that is typed.
 * Ctrl-D ends it once everything is sent. Links may break and the server may restart meanwhile: every line arrives once,
 * in order. Messages go to standard output, everything else to standard error.
 *
 * A real app differs in one thing: the server's secret stays on the app's own server, which hands tokens to clients.
 */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Client, Platform, Refused, Unavailable, login, register } from "../clients/js/openim.js";

const { values: given } = parseArgs({
  options: {
    url: { type: "string", default: "http://127.0.0.1:10000" },
    ws: { type: "string", default: "ws://127.0.0.1:7777" },
    secret: { type: "string" },
    "secret-file": { type: "string" }, // the file `secret` in the data directory
    me: { type: "string" },
    to: { type: "string" },
    group: { type: "string" },
  },
});
const { url, ws, me: uid } = given;
const to = given.group ? { group: given.group } : { user: given.to };
if (!uid || !(given.to || given.group) || !(given.secret || given["secret-file"])) {
  console.error("usage: client.mjs --me UID (--to UID | --group ID) (--secret TEXT | --secret-file FILE) [--url URL] [--ws URL]");
  process.exit(2);
}
const secret = given.secret ?? readFileSync(given["secret-file"], "utf8").trim();

const note = (text) => console.error(`-- ${text}`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A new token; registers the user if there is none yet. */
async function token() {
  const who = { secret, uid, platform: Platform.linux };
  for (;;) {
    try {
      return (await login(url, who).catch((refused) => {
        if (refused instanceof Refused) return register(url, who);
        throw refused;
      })).token;
    } catch (cause) {
      if (!(cause instanceof Unavailable)) throw cause;
      note(`cannot log in now: ${cause.message}`);
      await sleep(500 + Math.random() * 500);
    }
  }
}

// With `since` 0 the whole inbox is shown; an app keeps `client.seq` and goes on from there.
const client = new Client({ rest: url, ws, uid, token: await token(), platform: Platform.linux, renew: token, since: 0 });

// Own messages come back in the inbox; these have been on this screen already.
const own = new Set();
client.on("message", ({ from, group, content, clientMsgID }) => {
  if (!own.delete(clientMsgID)) console.log(`${group ? `${group}/` : ""}${from}: ${content}`);
});
client.on("state", ({ name, why }) => {
  if (name === "connected") note(`connected as ${uid}, all shown up to seq ${client.seq}`);
  if (name === "waiting") note(`no link: ${why}`);
  if (name === "refused") fail(`refused: ${why}`);
  if (name === "kicked") fail("logged in elsewhere: a newer link of this user and platform took over");
});

function fail(text) {
  console.error(text);
  process.exit(1);
}

client.start();
let last = Promise.resolve();
for await (const line of createInterface({ input: process.stdin })) {
  if (!line.trim()) continue;
  const { clientMsgID, receipt } = client.send(to, line);
  own.add(clientMsgID);
  last = receipt.catch((refused) => {
    own.delete(clientMsgID);
    note(`not sent, ${refused.message}: ${line}`);
  });
  // They wait in memory, and `send` takes no more than its bound.
  if (client.waiting > 500) await last;
}
await last; // receipts come in the order of the sends
client.stop();
