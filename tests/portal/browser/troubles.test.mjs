// What goes wrong at the Sign Page with portal, agent, token, TSA and e-service behind it: each reason with its way on and its way out, and
// nothing signed twice by the agent's journal. Run by run.sh, in Chromium alone: none of it is the browser's own.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import {
  answer, assertOnce, cancelledPins, form as filled, headed, journaled, PIN, press, pressSign, signedMore, signings, status, texts, toSignPage, types, watch, wellBehaved,
} from "./person.mjs";
import { ESERVICE, openBrowser, openMortalBrowser, PORTAL, site, WAIT_FOR_PAGE_S } from "./support.mjs";

const FAILED_CONNECTIONS = ["WebSocket connection to"]; // Chromium says each in the console
const FAILED_CALLS = ["Failed to load resource"];
const MANY = 400;
const LONG = 1_500; // more than is signed while the agent waits for a page that has gone: a thousand may be unacknowledged
const CHUNK_S = 2; // the one that was in flight, and clocks that count whole seconds

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());
beforeEach(wellBehaved);
const away = new Set(); // what is to be there again for the next test
afterEach(async () => {
  for (const name of away) await site("start", name);
  away.clear();
});
const end = async (name, how = "end") => {
  away.add(name);
  await site(how, name);
};
const start = async (name) => {
  await site("start", name);
  away.delete(name);
};

const form = (t, options) => filled(t, browser, options);
async function until(condition, what) {
  for (const end = Date.now() + 30_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 50))) assert.ok(Date.now() < end, what);
}

const downloads = (page) => page.locator("a[download]").count();
async function begun(t, named, { documents = MANY, atLeast = 20, ...options } = {}) {
  const page = await form(t, { documents, named, ...options });
  const opened = await toSignPage(page);
  await pressSign(page);
  if (atLeast > 0) await signedMore(page, atLeast);
  return { page, ...opened };
}

async function givenUp(page, reason) {
  await press(page, "Give up signing");
  assert.match(await status(page), reason);
}

test("a wrong PIN: the reason; Try again asks anew and signs, Give up is a failure with its words", async (t) => {
  const page = await form(t);
  await toSignPage(page);
  types("000000");
  await pressSign(page);
  await headed(page, "Wrong PIN");
  types(PIN);
  await press(page, "Try again");
  assert.match(await status(page), /^Success/);

  const other = await form(t);
  await toSignPage(other);
  types("000000");
  await pressSign(other);
  await headed(other, "Wrong PIN");
  await givenUp(other, /^Failure: The PIN was wrong\.$/);
  assert.equal(await downloads(other), 0);
});

test("a wrong PIN, and then Cancel where it is asked again", async (t) => {
  const page = await form(t);
  await toSignPage(page);
  types("000000");
  await pressSign(page);
  await headed(page, "Wrong PIN");
  const before = cancelledPins();
  answer("cancel-pin");
  await press(page, "Try again");
  await headed(page, "Signing was not confirmed");
  assert.equal(cancelledPins(), before + 1);
  wellBehaved();
  await press(page, "Try again");
  assert.match(await status(page), /^Success/);
});

test("the token is taken out in the middle: what was signed is kept, also by Give up; put back, Try again goes on with the rest", async (t) => {
  const { page } = await begun(t, "Kept");
  await end("token");
  await headed(page, "The signing device was taken out");
  await start("token");
  await press(page, "Try again");
  assert.match(await status(page), /^Success/);
  assertOnce(texts("Kept", MANY));

  const { page: other } = await begun(t, "Part");
  await end("token");
  await headed(other, "The signing device was taken out");
  const kept = Number((await other.locator("#problem-signed").textContent()).match(/\d+/)[0]);
  assert.ok(kept > 0 && kept < MANY, `${kept}`);
  await givenUp(other, /^Failure: The signing device was not there\.$/);
  assert.ok(await downloads(other) >= kept && await downloads(other) < MANY);
});

test("no token: the reason, and once it is there Try again signs", async (t) => {
  await end("token");
  const page = await form(t);
  await toSignPage(page);
  await pressSign(page);
  await headed(page, "No signing device was found");
  await start("token");
  await press(page, "Try again");
  assert.match(await status(page), /^Success/);
});

test("the TSA is down: the reason; once it is back Try again fetches the time stamps without a second signing, Give up is a failure", async (t) => {
  await end("tsa");
  const page = await form(t, { named: "Stamped" });
  await toSignPage(page);
  await pressSign(page);
  await headed(page, "The time stamp could not be fetched");
  const other = await form(t);
  await toSignPage(other);
  await pressSign(other);
  await headed(other, "The time stamp could not be fetched");
  await givenUp(other, /^Failure: The time stamping service could not be reached\.$/);
  await start("tsa");
  await press(page, "Try again");
  assert.match(await status(page), /^Success/);
  assertOnce(texts("Stamped", 3));
});

test("the certificate was revoked: the page says so of each document, nothing is a success; Give up keeps nothing, and once it is not revoked Try again signs", async (t) => {
  await end("certificate");
  const [page, other] = [await form(t, { named: "Revoked" }), await form(t)];
  const { id, fields } = await toSignPage(page);
  await toSignPage(other);
  for (const one of [page, other]) {
    await pressSign(one);
    await headed(one, "3 documents are not signed");
    assert.match(await one.locator("#reasons").innerText(), /^3 documents: The certificate is not trusted, has expired or was revoked\./);
    assert.equal(await one.locator("#problem-signed").isVisible(), false);
  }
  const looks = await (await browser.newContext()).newPage();
  t.after(() => looks.context().close());
  await looks.goto(`${PORTAL}/${id}?${new URLSearchParams(fields)}`);
  assert.equal(await looks.evaluate(() => JSON.parse(document.querySelector("#data").textContent).documents.signed), 0);
  await givenUp(other, /^Failure: /);
  assert.equal(await downloads(other), 0);
  await start("certificate");
  await press(page, "Try again");
  assert.match(await status(page), /^Success/);
  assert.equal(await downloads(page), 3);
});

test("no agent: how to start it; once it runs Try again signs, and Give up is a failure", async (t) => {
  await end("agent");
  const [page, other] = [await form(t, { complaints: FAILED_CONNECTIONS }), await form(t, { complaints: FAILED_CONNECTIONS })];
  for (const one of [page, other]) {
    await toSignPage(one);
    await pressSign(one);
    await headed(one, "Signet is not running on this computer");
  }
  await givenUp(other, /^Failure/);
  await start("agent");
  await press(page, "Try again");
  assert.match(await status(page), /^Success/);
});

test("the portal is killed in the middle and starts again: the page goes on by itself, and each document is signed once", async (t) => {
  const { page } = await begun(t, "Killed portal", { complaints: FAILED_CALLS });
  await end("portal", "kill");
  await page.locator("#trouble").waitFor();
  await start("portal");
  assert.match(await status(page), /^Success/);
  assert.equal(await downloads(page), MANY);
  assertOnce(texts("Killed portal", MANY));
});

test("a second tab only looks on, and ends when the first one does; each document is signed once", async (t) => {
  const { page, id, fields } = await begun(t, "Second tab", { complaints: FAILED_CALLS });
  const second = await page.context().newPage();
  watch(t, second);
  await second.goto(`${PORTAL}/${id}?${new URLSearchParams(fields)}`);
  await headed(second, "The request is being signed in another window");
  assert.match(await status(page), /^Success/);
  assert.match(await status(second), /^Success/);
  assertOnce(texts("Second tab", MANY));
});

test("the browser is killed in the middle: the agent pauses, another browser goes on with what is unsigned, and only what was signed and not saved until then is signed twice", { timeout: 180_000 }, async (t) => {
  const mortal = await openMortalBrowser();
  t.after(() => mortal.kill());
  const page = await (await mortal.browser.newContext({ locale: "en-GB" })).newPage();
  page.setDefaultTimeout(30_000);
  await page.goto(`${ESERVICE}/`);
  await page.fill("#documents", texts("Killed browser", LONG).join("\n"));
  await page.selectOption("#instrument", "moldsign");
  await page.selectOption("#lang", "en");
  const { id, fields } = await toSignPage(page);
  await pressSign(page);
  await signedMore(page, 20);
  const paused = journaled("paused").length;
  const killed_at = Date.now();
  await mortal.kill();
  await until(() => journaled("paused").length > paused, "the agent pauses");
  const made = signings(texts("Killed browser", LONG)).filter((count) => count === 1).length;
  assert.ok(made < LONG, "not all is signed for nobody");
  assert.ok(journaled("signed").at(-1).time <= killed_at + (WAIT_FOR_PAGE_S + CHUNK_S) * 1_000, "nor for longer than the agent waits");

  const context = await browser.newContext({ locale: "en-GB" });
  t.after(() => context.close());
  const next = await context.newPage();
  next.setDefaultTimeout(60_000); // the claim of the page that died runs out first
  watch(t, next, FAILED_CALLS);
  await next.goto(`${PORTAL}/${id}?${new URLSearchParams(fields)}`);
  await headed(next, "The request is being signed in another window");
  await next.locator("#notice", { hasText: "The request is free." }).waitFor();
  const left = Number((await next.locator("#sign").textContent()).replace(/\D/g, ""));
  assert.ok(left > 0 && left < LONG, `${left}`);
  await pressSign(next);
  assert.match(await status(next), /^Success/);
  assert.equal(await downloads(next), LONG);
  const counts = signings(texts("Killed browser", LONG));
  const twice = counts.filter((count) => count === 2).length;
  t.diagnostic(`${LONG - left} were saved and ${made} signed when the agent paused; signed once ${counts.filter((count) => count === 1).length}, twice ${twice}`);
  assert.ok(counts.every((count) => count === 1 || count === 2));
  assert.equal(twice, made - (LONG - left), "what the portal had is not signed again, and what nobody had signed is signed once");
});
