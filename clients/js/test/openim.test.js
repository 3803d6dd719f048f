/** The client against a real server: what it owes to whom uses it, also while the server is killed. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Client, Refused, Unavailable, login, online, register } from "../openim.js";
import { SECRET, Server, until } from "../support/server.js";

/** @type {Server} */
let server;

before(async () => (server = await Server.start()));
after(() => server.end());

/** A user with a client that is connected, and what it was given. */
async function somebody(uid, options = {}, on = server) {
  const { token } = options.token ? options : await register(on.rest, { secret: SECRET, uid });
  const client = new Client({ rest: on.rest, ws: on.ws, uid, pauseMs: [20, 200], ...options, token });
  const given = { messages: [], ephemeral: [], states: [] };
  client.on("message", (message) => given.messages.push(message));
  client.on("ephemeral", (message) => given.ephemeral.push(message));
  client.on("state", (state) => given.states.push(state));
  client.start();
  if (options.wait !== false) await until(`${uid} is connected`, () => client.state.name === "connected");
  return { uid, token, client, given, shown: () => given.messages.map(({ from, content }) => `${from}: ${content}`) };
}

function seqsOf({ given }) {
  return given.messages.map(({ seq }) => seq);
}

function assertWhole(who, from = 1) {
  const seqs = seqsOf(who);
  assert.deepEqual(seqs, seqs.map((_, index) => from + index), `${who.uid}: none missing, none twice`);
}

test("a message is acknowledged, pushed, and numbered in both inboxes", async () => {
  const ann = await somebody("ann");
  const ben = await somebody("ben");
  const { receipt, clientMsgID } = ann.client.send({ user: "ben" }, "hi “<&>” 你好");
  const { serverMsgID, tookMs, sentAt } = await receipt;
  assert.ok(tookMs >= 0 && Math.abs(sentAt - Date.now()) < 3_600_000);
  await until("both have it", () => ann.given.messages.length && ben.given.messages.length);
  for (const who of [ann, ben]) {
    const [{ seq, from, to, group, content, ...ids }] = who.given.messages;
    assert.deepEqual({ seq, from, to, group, content }, { seq: 1, from: "ann", to: "ben", group: "", content: "hi “<&>” 你好" });
    assert.deepEqual([ids.clientMsgID, ids.serverMsgID], [clientMsgID, serverMsgID]);
  }
  assert.deepEqual(await online(server.rest, { secret: SECRET, uids: ["ann", "nobody"] }), new Map([["ann", true], ["nobody", false]]));
  ann.client.stop();
  ben.client.stop();
  assert.equal(ann.client.state.name, "stopped");
});

test("messages in both directions arrive once and in order while the server is killed, over and over", async () => {
  const killed = await Server.start();
  const [eve, fay] = [await somebody("eve", {}, killed), await somebody("fay", {}, killed)];
  const [said, sendings] = [{ eve: [], fay: [] }, []];
  const say = (who, to, line) => {
    said[who.uid].push(`${who.uid}: ${line}`);
    sendings.push(who.client.send({ user: to.uid }, line).receipt);
  };
  for (let life = 0; life < 3; life++) {
    for (let line = 0; line < 30; line++) {
      say(eve, fay, `${life}.${line}`);
      say(fay, eve, `${life}.${line}`);
      await new Promise((pause) => setTimeout(pause, 3));
    }
    await killed.kill();
    say(eve, fay, `${life} while it is down`);
    await until("both notice", () => [eve, fay].every(({ client }) => client.state.name !== "connected"));
    await killed.up();
  }
  const receipts = await Promise.all(sendings);
  assert.equal(new Set(receipts.map(({ serverMsgID }) => serverMsgID)).size, sendings.length);
  const all = said.eve.length + said.fay.length;
  for (const who of [eve, fay]) {
    await until(`${who.uid} has all`, () => who.given.messages.length >= all);
    assertWhole(who);
    for (const name of ["eve", "fay"]) {
      assert.deepEqual(who.shown().filter((line) => line.startsWith(name)), said[name]);
    }
  }
  eve.client.stop();
  fay.client.stop();
  await killed.end();
});

test("what came while there was no link is given with the next one, and history goes backwards by pages", async () => {
  const gil = await somebody("gil");
  const hal = await somebody("hal", { pageLen: 10 });
  await gil.client.send({ user: "hal" }, "0").receipt;
  await until("the first is there", () => hal.given.messages.length === 1);
  hal.client.stop();
  for (let line = 1; line < 35; line++) gil.client.send({ user: "hal" }, `${line}`);
  await until("all are sent", () => gil.client.waiting === 0);
  hal.client.start();
  await until("all are there", () => hal.given.messages.length === 35);
  assertWhole(hal);
  await until("it says so", () => hal.client.state.name === "connected");
  assert.equal(hal.client.state.missed, 34);
  // Another one begins now, and reads back.
  hal.client.stop();
  const again = await somebody("hal", { token: hal.token, pageLen: 10 });
  assert.equal(again.given.messages.length, 0);
  const read = [];
  for (let before = again.client.seq + 1, done = false; !done; ) {
    const page = await again.client.history({ before });
    read.unshift(...page.messages.map(({ content }) => content));
    ({ from: before, done } = page);
  }
  assert.deepEqual(read, Array.from({ length: 35 }, (_, line) => `${line}`));
  // And one that knows how far it was gets the rest by itself.
  again.client.stop();
  const since = await somebody("hal", { token: hal.token, since: 30 });
  await until("the rest is there", () => since.given.messages.length === 5);
  assertWhole(since, 31);
  gil.client.stop();
  since.client.stop();
});

test("a group's members get its messages; who has left gets none", async () => {
  const [ida, jon, kay] = [await somebody("ida"), await somebody("jon"), await somebody("kay")];
  const group = await ida.client.createGroup("Friends", ["jon", "unknown"]);
  await ida.client.invite(group, ["kay"]);
  assert.deepEqual((await ida.client.members(group)).sort(), ["ida", "jon", "kay"]);
  assert.deepEqual(await kay.client.groups(), [{ id: group, name: "Friends" }]);
  const texts = ({ given }) => given.messages.filter(({ contentType }) => contentType === 101).map(({ content }) => content);
  await kay.client.send({ group }, "to all").receipt;
  for (const who of [ida, jon, kay]) {
    await until(`${who.uid} has it`, () => texts(who).includes("to all"));
    assert.equal(who.given.messages.find(({ content }) => content === "to all").group, group);
  }
  await kay.client.leave(group);
  await assert.rejects(kay.client.send({ group }, "from outside").receipt, Refused);
  await ida.client.send({ group }, "without her").receipt;
  await until("jon has it", () => texts(jon).includes("without her"));
  assert.ok(!texts(kay).includes("without her"));
  [ida, jon, kay].forEach(({ client }) => client.stop());
});

test("what is stored nowhere has no seq and is not in the inbox", async () => {
  const [lea, max] = [await somebody("lea"), await somebody("max")];
  await lea.client.send({ user: "max" }, "typing", { contentType: 113, ephemeral: true }).receipt;
  await until("it is there", () => max.given.ephemeral.length === 1);
  assert.equal(max.given.ephemeral[0].seq, 0);
  await lea.client.send({ user: "max" }, "typed").receipt;
  await until("the other is there", () => max.given.messages.length === 1);
  assert.deepEqual(seqsOf(max), [1]);
  [lea, max].forEach(({ client }) => client.stop());
});

test("a newer login ends the older client, which stays away; a token that is no good is renewed, or the end", async () => {
  const first = await somebody("ned");
  const second = await somebody("ned", { token: (await login(server.rest, { secret: SECRET, uid: "ned" })).token });
  await until("the first ends", () => first.client.state.name === "kicked");
  const old = await somebody("ned", { token: first.token, wait: false });
  await until("the old token is refused", () => old.client.state.name === "refused");
  let renewed = 0;
  const renew = async () => {
    renewed++;
    return second.token;
  };
  second.client.stop();
  const third = await somebody("ned", { token: first.token, renew });
  assert.equal(renewed, 1);
  assert.equal(first.client.state.name, "kicked");
  third.client.stop();
});

test("what can never be done is refused, and what waits is bounded", async () => {
  const ona = await somebody("ona");
  await assert.rejects(ona.client.send({ user: "ben" }, "").receipt, (cause) => cause instanceof Refused && cause.code === 204);
  await ona.client.send({ user: "ben" }, "the next one goes").receipt;
  await assert.rejects(register(server.rest, { secret: "wrong", uid: "pia" }), Refused);
  ona.client.stop();
  const away = new Client({ rest: server.rest, ws: server.ws, uid: "ona", token: ona.token, outboxLen: 2 });
  away.send({ user: "ben" }, "1");
  away.send({ user: "ben" }, "2");
  assert.throws(() => away.send({ user: "ben" }, "3"), Unavailable);
});
