// What the browser tests share: Chromium, the page's server, and an agent — the scripted one of the sdk's tests, or a real one that
// the environment names:
//   SIGNET_TEST_AGENT_PORTS="18580 18581"   ports to look for it; its dialogs must be answered by whoever started it
//   SIGNET_TEST_PAGE_PORT=8443              the page's port, so that its origin (https://sign.example:8443) can be allowed beforehand
// Tests that need an agent to misbehave are skipped with a real one.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { chromium } from "playwright-core";
import { FakeAgent } from "../../web-bridge/sdk/test/fake_agent.mjs";
import { PageServer } from "./server.mjs";

export const REAL_PORTS = process.env.SIGNET_TEST_AGENT_PORTS?.split(/\s+/).map(Number);
const CHROMIUM = process.env.SIGNET_TEST_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--host-resolver-rules=MAP *.example 127.0.0.1"];

export const LANGUAGES = ["ro", "ru", "en"];
export const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 }, kiosk: { width: 1080, height: 1920 } };

/** One browser and one server for a file of tests. */
export async function openBench({ flags = [], Server = PageServer } = {}) {
  const server = await new Server({ certificate: process.env.SIGNET_TEST_CERTIFICATE, key: process.env.SIGNET_TEST_KEY }).listen(Number(process.env.SIGNET_TEST_PAGE_PORT ?? 0));
  const port = new URL(server.origin).port;
  const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS, ...flags.map((flag) => flag.replace("PORT", port))] });
  return { server, browser, close: async () => {
    await browser.close();
    await server.close();
  } };
}

/** An agent as the script says; with a real agent the test is skipped unless it can do without a script. */
export async function agentFor(t, bench, script) {
  if (REAL_PORTS !== undefined) {
    if (script !== undefined) {
      t.skip("needs an agent that follows a script");
      return undefined;
    }
    bench.server.agent_ports = REAL_PORTS;
    return { real: true, requests: () => [], batches: new Map() };
  }
  const agent = await new FakeAgent(script).listen();
  t.after(() => agent.close());
  bench.server.agent_ports = [agent.port];
  bench.server.policy_ports = undefined;
  return agent;
}

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The page in a fresh browser profile; whatever it complains of in the console fails the test. */
export async function openPage(t, bench, { size = "desktop", language = "en", complaints = [], origin = bench.server.origin, path = "/", hosts: known_hosts = [], before_load, ...context_options } = {}) {
  const context = await bench.browser.newContext({ ignoreHTTPSErrors: true, locale: { ro: "ro-RO", ru: "ru-RU", en: "en-GB" }[language] ?? language,
    viewport: SIZES[size], acceptDownloads: true, ...context_options });
  if (before_load !== undefined) await context.addInitScript(before_load);
  const page = await context.newPage();
  const heard = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !complaints.some((known) => message.text().includes(known))) heard.push(message.text());
  });
  page.on("pageerror", (error) => heard.push(String(error)));
  const hosts = new Set();
  page.on("request", (request) => hosts.add(new URL(request.url()).host));
  t.after(async () => {
    await context.close();
    assert.deepEqual(heard, [], "the page complained");
    for (const host of hosts) assert.ok([new URL(origin).hostname, "127.0.0.1", "localhost", "", ...known_hosts].includes(host.split(":")[0]), `the page asked ${host}`);
  });
  await page.goto(new URL(path, origin).href);
  return page;
}

export function documents(count, name = (index) => `invoice-${index}.pdf`) {
  return Array.from({ length: count }, (_, index) => ({ name: name(index + 1), mimeType: "application/pdf", buffer: Buffer.from(`document ${index + 1}`) }));
}

export const digestOf = (document) => createHash("sha256").update(document.buffer).digest("base64");

export const choose = (page, files) => page.locator("#files").setInputFiles(files);
export const heading = (page) => page.locator("section.state:not([hidden]) h2");

/** Waits until the view's heading says so. */
export async function headed(page, text, timeout = 15_000) {
  await page.locator("section.state:not([hidden]) h2", { hasText: text }).waitFor({ timeout });
}

export async function download(page, press) {
  const [file] = await Promise.all([page.waitForEvent("download"), press()]);
  const chunks = [];
  for await (const chunk of await file.createReadStream()) chunks.push(chunk);
  return { name: file.suggestedFilename(), bytes: Buffer.concat(chunks) };
}
