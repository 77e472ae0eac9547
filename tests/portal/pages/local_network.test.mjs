// Chromium's Local Network Access: a portal of the public internet needs the person's leave to reach the agent.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { agentFor, headed, open, openPortalBench } from "./support.mjs";

let bench;
before(async () => {
  bench = await openPortalBench({ flags: ["--ip-address-space-overrides=127.0.0.1:PORT=public"] });
});
after(() => bench.close());

test("without leave: blocked by the browser, and what to do; once it is allowed the page goes on by itself", async (t) => {
  const agent = await agentFor(t, bench);
  const request = bench.server.add({ no_return: true });
  const page = await open(t, bench, `/${request.id}`, { complaints: ["WebSocket connection to", "loopback", "local network", "Local Network"] });
  await page.locator("#sign").click();
  await headed(page, "The browser does not let the page reach Signet");
  assert.equal(agent.requests("hello").length, 0);
  assert.deepEqual(request.calls, [], "nothing was reserved");
  await page.context().grantPermissions(["local-network-access"]);
  await headed(page, "All 3 documents are signed");
});
