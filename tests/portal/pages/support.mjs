// What the tests of the portal's pages share; the browser, the agent and the watching of the console are those of tests/browser.
import assert from "node:assert/strict";
import { FakeAgent } from "../../../web-bridge/sdk/test/fake_agent.mjs";
import { freePort, openBench, openPage } from "../../browser/support.mjs";
import { ScriptedPortal } from "./scripted_portal.mjs";

export const FAILED_CONNECTIONS = ["WebSocket connection to"]; // Chromium says each in the console
export const FAILED_CALLS = ["Failed to load resource"];

export const openPortalBench = (options = {}) => openBench({ ...options, Server: ScriptedPortal });

/** An agent that follows a script, for the pages that are opened from now on. */
export async function agentFor(t, bench, script = {}) {
  const agent = await new FakeAgent(script).listen();
  t.after(() => agent.close());
  bench.server.agent_ports = [agent.port];
  return agent;
}

export async function noAgent(bench) {
  bench.server.agent_ports = [await freePort()];
}

export function open(t, bench, path, { language = "en", ...options } = {}) {
  return openPage(t, bench, { language, hosts: ["services.example"], ...options, path: `${path}${path.includes("?") ? "&" : "?"}lang=${language}` });
}

export const heading = (page) => page.locator("section.state:not([hidden]) > h2");

export async function headed(page, text, timeout = 15_000) {
  await page.locator("section.state:not([hidden]) > h2", { hasText: text }).waitFor({ timeout });
}

/** Presses Tab until it is there, then Enter. */
export async function byKeyboard(page, id) {
  for (let step = 0; step < 20; step += 1) {
    if (await page.evaluate((wanted) => document.activeElement.id === wanted, id)) return page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
  }
  assert.fail(`the keyboard does not reach ${id}`);
}
