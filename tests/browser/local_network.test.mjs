// Chromium's Local Network Access: a page of the public internet needs the person's leave to reach the loopback.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { agentFor, choose, documents, headed, openBench, openPage } from "./support.mjs";

let bench;
before(async () => {
  bench = await openBench({ flags: ["--ip-address-space-overrides=127.0.0.1:PORT=public"] });
});
after(() => bench.close());

test("a public page without leave: blocked by the browser, not a missing agent", async (t) => {
  const agent = await agentFor(t, bench, {});
  if (agent === undefined) return;
  const page = await openPage(t, bench, { complaints: ["WebSocket connection to", "loopback", "local network", "Local Network"] });
  await choose(page, documents(1));
  await page.locator("#sign").click();
  await headed(page, "The browser does not let the page reach Signet");
  assert.equal(agent.requests("hello").length, 0);
});

test("when the person allows it in the settings the page goes on by itself", async (t) => {
  const agent = await agentFor(t, bench, {});
  if (agent === undefined) return;
  const page = await openPage(t, bench, { complaints: ["WebSocket connection to", "loopback", "local network", "Local Network"] });
  await choose(page, documents(2));
  await page.locator("#sign").click();
  await headed(page, "The browser does not let the page reach Signet");
  await page.context().grantPermissions(["local-network-access"]);
  await headed(page, "All 2 files are signed");
});

test("a public page with leave signs", async (t) => {
  if ((await agentFor(t, bench, {})) === undefined) return;
  const page = await openPage(t, bench, { permissions: ["local-network-access"] });
  await choose(page, documents(2));
  await page.locator("#sign").click();
  await headed(page, "All 2 files are signed");
});
