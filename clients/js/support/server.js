/**
 * A server of its own for a test: free ports, a known secret, a data directory that goes away. PROGRAM names the program,
 * else it is the debug build.
 */

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const SECRET = "clients-under-test";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export class Server {
  /** @param {{[variable: string]: string}} [settings] */
  static async start(settings = {}) {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "openim-client-"));
    server.settings = settings;
    server.ports = await freePorts(3);
    server.log = [];
    await server.up();
    return server;
  }

  get rest() {
    return `http://127.0.0.1:${this.ports[0]}`;
  }

  get ws() {
    return `ws://127.0.0.1:${this.ports[1]}`;
  }

  get operators() {
    return `http://127.0.0.1:${this.ports[2]}`;
  }

  /** Starts it, again on the same data and ports, and waits for `ready`. */
  async up() {
    const target = process.env.CARGO_TARGET_DIR || "target";
    const program = process.env.PROGRAM || join(resolve(ROOT, target), "debug", "openim");
    const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("OPENIM_"));
    this.process = spawn(program, ["serve", "--data-dir", join(this.folder, "data")], {
      cwd: this.folder,
      env: {
        ...Object.fromEntries(kept),
        OPENIM_SERVERIP: "127.0.0.1", OPENIM_API_OPENIMAPIPORT: `${this.ports[0]}`,
        OPENIM_LONGCONNSVR_WEBSOCKETPORT: `${this.ports[1]}`, OPENIM_ADMIN_LISTEN: `127.0.0.1:${this.ports[2]}`,
        OPENIM_GATEWAY_SHARDS: "2", OPENIM_GATEWAY_PIN: "false", OPENIM_SECRET: SECRET, ...this.settings,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.ended = new Promise((end) => this.process.once("close", end));
    createInterface(this.process.stderr).on("line", (line) => this.log.push(line));
    const lines = createInterface(this.process.stdout);
    await new Promise((ready, failed) => {
      lines.on("line", (line) => line === "ready" && ready());
      this.process.once("error", failed);
      void this.ended.then(() => failed(new Error(`the server did not get ready:\n${this.log.join("\n")}`)));
    });
  }

  /** As a power cut would. */
  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  /** What browsers must know to pick a name. */
  async key() {
    return (await readFile(join(this.folder, "data", "chat_key"), "utf8")).trim();
  }

  /** What operators must know to log in to the console. */
  async password() {
    return (await readFile(join(this.folder, "data", "console_password"), "utf8")).trim();
  }

  /** Ends it and takes its data away; what it complained of is an error. */
  async end() {
    await this.kill();
    await rm(this.folder, { recursive: true });
    const complaints = this.log.filter((line) => /WARN|ERROR|panicked/.test(line));
    if (complaints.length) throw new Error(`the server's log:\n${complaints.join("\n")}`);
  }
}

/** Below those that the system gives to outgoing connections: one of these could take the port of a server that is down. */
async function freePorts(count) {
  const free = [];
  while (free.length < count) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const bound = await new Promise((done) => {
      probe.once("error", () => done(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => done(true)));
    });
    if (bound && !free.includes(port)) free.push(port);
  }
  return free;
}

/** Waits until it holds; what does not happen ends the test. */
export async function until(what, holds, seconds = 120) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${seconds} s: ${what}`);
    await new Promise((again) => setTimeout(again, 20));
  }
}
