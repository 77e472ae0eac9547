// TC_FUNCT_01 where portal and e-service are at an address of the world (203.0.113.10, RFC 5737) with HTTPS, as people meet them. Chromium asks
// the person before such a page may reach the agent on the loopback, and here a person answers, on a screen. Run by run.sh.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { BROWSER, ESERVICE, openTrustingBrowser, PORTAL } from "./support.mjs";

const TRIES = 10;
const ANSWER_SHOWS_WITHIN_MS = 3_000;

/** To the question beside the address: its keys are Alt+Shift+A, Tab from Block to Allow, Enter. It takes none at first. */
async function allow(page) {
  const granted = () => page.evaluate((within_ms) => navigator.permissions.query({ name: "loopback-network" }).then((permission) => new Promise((resolve) => {
    if (permission.state !== "prompt") resolve(permission.state);
    permission.addEventListener("change", () => resolve(permission.state));
    setTimeout(() => resolve(permission.state), within_ms);
  })), ANSWER_SHOWS_WITHIN_MS);
  for (let tried = 0; tried < TRIES; ++tried) {
    execFileSync("xdotool", ["key", "--clearmodifiers", "alt+shift+a", "Tab", "Return"]);
    const state = await granted();
    if (state !== "prompt") return assert.equal(state, "granted");
  }
  assert.fail("the browser takes no answer");
}

test(`TC_FUNCT_01 from public address space: the browser's question is told and answered, the signing succeeds (${BROWSER})`, async (t) => {
  const { context, close } = await openTrustingBrowser({ headless: false, viewport: null });
  t.after(close);
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  await page.goto(`${ESERVICE}/`);
  assert.ok(await page.evaluate(() => isSecureContext), "its certificate is trusted");
  await page.selectOption("#instrument", "moldsign");
  await page.selectOption("#lang", "en");
  await page.click("button");
  await page.waitForURL(`${PORTAL}/**`);
  assert.ok(page.url().startsWith("https://203.0.113.10:"));
  await page.getByRole("button", { name: /^Sign / }).click();
  if (BROWSER === "chromium") {
    await page.getByRole("heading", { name: "The browser is asking you" }).waitFor();
    assert.match(await page.locator("main").innerText(), /beside the address.*Press “Allow”/);
    await allow(page);
  }
  await page.waitForURL(`${ESERVICE}/signed`);
  assert.match(await page.locator("#status").textContent(), /^\s*Success/);
  assert.equal(await page.locator("a[download]").count(), 2);
});
