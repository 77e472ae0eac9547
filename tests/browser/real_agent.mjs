// signetd and the time stamp authority of the demonstration as real_agent.test.mjs starts, stops and disturbs them.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "./support.mjs";

const BIN = process.env.SIGNET_TEST_BIN;
const FOLDER = process.env.SIGNET_TEST_FOLDER;
const PINENTRY = join(dirname(fileURLToPath(import.meta.url)), "pinentry");
export const PIN = readFileSync(join(FOLDER, "pin"), "utf8").trim();
export const TRUST = join(FOLDER, "trust");

/** `signet` with these arguments: its exit code and what it printed. */
export function signet(...words) {
  return promisify(execFile)(join(BIN, "signet"), words, { maxBuffer: 64 << 20 })
    .then(({ stdout }) => ({ code: 0, stdout }), ({ code, stdout, stderr }) => ({ code, stdout, stderr }));
}

/** For what no event tells: looks again until it is so. */
export async function until(what, condition, { timeout_ms = 30_000, every_ms = 20 } = {}) {
  const end = Date.now() + timeout_ms;
  for (;;) {
    const found = await condition();
    if (found) return found;
    assert.ok(Date.now() < end, `never: ${what}`);
    await pause(every_ms);
  }
}

async function ended(child) {
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once("exit", resolve));
  return child.signalCode ?? child.exitCode;
}

/** One agent in a folder of its own, with a person at its dialogs. */
export class Agent {
  constructor({ port, origins, tsa }) {
    this.port = port;
    this.folder = mkdtempSync(join(FOLDER, "agent-"));
    this.configuration = join(this.folder, "signet.toml");
    this.log = "";
    this.pin(PIN);
    this.answer("sign");
    writeFileSync(join(this.folder, "dialogs"), "");
    writeFileSync(join(this.folder, "pinentry"), `#!/bin/sh\nexec "${PINENTRY}" "${this.folder}"\n`, { mode: 0o700 });
    mkdirSync(join(this.folder, "run"));
    writeFileSync(this.configuration, `
control_socket = "${this.folder}/run/control.sock"
journal = "${this.folder}/journal"
[[modules]]
name = "SoftHSM2"
path = "${process.env.SIGNET_TEST_MODULE}"
${tsa === undefined ? "" : `[time_stamping]\nurls = ["${tsa}"]\ntries = 1\nrest_after_failure_ms = 0`}
[web]
origins = ${JSON.stringify(origins)}
ports = [${port}]
[dialog]
pinentry = "${this.folder}/pinentry"
`);
  }

  /** The PIN that the person types. */
  pin(text) {
    writeFileSync(join(this.folder, "pin"), `${text}\n`);
  }

  /** `sign` or `cancel`. */
  answer(how) {
    writeFileSync(join(this.folder, "answer"), how);
  }

  async start() {
    this.process = spawn(join(BIN, "signetd"), ["--config", this.configuration], { env: { ...process.env, XDG_STATE_HOME: join(this.folder, "state") } });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on("data", (text) => { this.log += text; });
    await until("signetd answers", async () => {
      assert.equal(this.process.exitCode, null, this.log);
      return (await this.signet("status")).code === 0;
    });
    return this;
  }

  async stop() {
    if (this.process === undefined) return;
    this.process.kill("SIGTERM");
    assert.equal(await ended(this.process), 0, this.log);
  }

  signet(...words) {
    return signet("--config", this.configuration, "--json", ...words);
  }

  async status() {
    return JSON.parse((await this.signet("status")).stdout);
  }

  /** Sends a signal to the process that has the vendor's module in it. */
  async signalHost(signal) {
    const { stdout } = await promisify(execFile)("pgrep", ["-P", String(this.process.pid), "signet-token"]);
    const [host, ...others] = stdout.trim().split("\n").map(Number);
    assert.deepEqual(others, [], "one host for one module");
    process.kill(host, signal);
    return host;
  }

  get dialogs() {
    return readFileSync(join(this.folder, "dialogs"), "utf8").split("\n").length - 1;
  }

  get journal() {
    return readFileSync(join(this.folder, "journal"), "utf8");
  }

  /** The hashes that the journal says were signed, in base64, each as often as it stands there. */
  get signed() {
    return [...this.journal.matchAll(/^\d+ \S+ signed .*?\bitems=(\S+)/gm)].flatMap(([, items]) =>
      decodeURIComponent(items).split(",").map((item) => Buffer.from(item.split(":")[1], "hex").toString("base64")));
  }

  /** Soon after the journal holds so many signatures. */
  signedAtLeast(count) {
    return until(`${count} signatures`, () => this.signed.length >= count, { timeout_ms: 60_000, every_ms: 2 });
  }

  /** The journal is whole, and holds each of these hashes once and nothing else. */
  async assertSignedOnce(digests) {
    assert.deepEqual(this.signed.sort(), [...digests].sort());
    const { code, stdout } = await this.signet("journal", "verify");
    assert.equal(code, 0, stdout);
    assert.equal(JSON.parse(stdout).intact, true);
  }
}

/** The demonstration's TSA, which can be away. */
export class Tsa {
  constructor(port) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}/tsa`;
  }

  static async free() {
    return new Tsa(await freePort());
  }

  async start() {
    this.process = spawn(join(BIN, "signet"), ["demo", "tsa", join(FOLDER, "pki"), "--port", String(this.port)], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: this.process.stdout })) {
      assert.equal(line, this.url);
      return this;
    }
    assert.fail("the TSA did not start");
  }

  async stop() {
    if (this.process === undefined) return;
    this.process.kill("SIGTERM");
    await ended(this.process);
  }
}
