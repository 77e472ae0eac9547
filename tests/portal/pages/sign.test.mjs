import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { FakeAgent } from "../../../web-bridge/sdk/test/fake_agent.mjs";
import { agentFor, byKeyboard, FAILED_CALLS, FAILED_CONNECTIONS, headed, noAgent, open, openPortalBench } from "./support.mjs";

let bench;
before(async () => {
  bench = await openPortalBench();
});
after(() => bench.close());

const sign = (page) => page.locator("#sign").click();
const calls = (request, name) => request.calls.filter(({ call }) => call === name);
const leaves = (page) => page.waitForURL(/services\.example/);
/** Without the seconds that the page gives to hear what happened. */
async function back(page) {
  await page.locator("#return-button").click();
  await leaves(page);
}
// Where a page that leads back by itself would go too early for the test.
const stays = () => {
  HTMLFormElement.prototype.submit = () => { throw new Error("the page left by itself"); };
};
const INSTRUMENTS = ["moldsign", "nationalid", "securesign", "tax"].map((id) => ({ id, kind: "token", available: true, reason: "" }));

/** Looks again within bounds. */
async function until(condition, what, ms = 10_000) {
  for (const end = Date.now() + ms; !condition(); ) {
    if (Date.now() > end) assert.fail(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("200 documents: each chunk is with the portal before the agent hears that it may forget it, then back by POST with RelayState byte for byte", async (t) => {
  const agent = await agentFor(t, bench, { chunk: 20 });
  const relay_state = " a+b%20&=\u0219\u{1F600}\"<script>'\t;";
  const request = bench.server.add({ count: 200, relay_state });
  const early = [];
  const push = agent.log.push;
  agent.log.push = function (entry) {
    if (entry.method === "batch.acknowledge" && request.signatures.size < entry.params.through) early.push([entry.params.through, request.signatures.size]);
    return push.call(this, entry);
  };
  const page = await open(t, bench, `/${request.id}`);
  assert.equal(await page.locator("#sign").textContent(), "Sign 200 documents");
  await sign(page);
  await headed(page, "All 200 documents are signed");
  assert.match(await page.locator("#leaving").textContent(), /^You go back to services\.example:\d+ in [123] seconds?\.$/);
  await leaves(page);
  assert.deepEqual(early, []);
  assert.ok(agent.requests("batch.acknowledge").length > 0);
  assert.ok(calls(request, "save").length >= 10);
  for (const { number, digest } of request.items) assert.ok(request.signatures.get(number).includes(digest), `document ${number}`);
  assert.deepEqual(bench.server.returned.at(-1).fields, { RequestID: request.id, RelayState: relay_state });
  assert.equal(agent.batches.size, 0, "closed");
  const { purpose, level } = agent.requests("batch.begin")[0].params;
  assert.deepEqual([purpose, level], ["Serviciul Fiscal de Stat: Facturi fiscale, noiembrie 2026", "t"]);
  assert.equal(agent.requests("batch.items")[0].params.items[0].name, "invoice-1.pdf");
});

test("the list of contents comes in pages, and only what is not signed", async (t) => {
  const agent = await agentFor(t, bench);
  const request = bench.server.add({ count: 95, signed: 20, page: 30 });
  const page = await open(t, bench, `/${request.id}`);
  assert.equal(await page.locator("#about-count").textContent(), "95 documents, 20 are already signed");
  await sign(page);
  await back(page);
  assert.deepEqual(calls(request, "contents").map(({ params }) => params.after), [null, 49, 79, 94]);
  assert.equal(agent.requests("batch.items").flatMap(({ params }) => params.items).length, 75);
});

test("names of markup are shown as they are, in the list, its search and what was refused, and make no element", async (t) => {
  await agentFor(t, bench);
  const names = ["</script><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'; DROP TABLE requests; --", "&lt;b&gt;<!--"];
  const documents = (texts) => ({ count: texts.length, signed: 0, names: texts });
  const shapes = [];
  for (const texts of [names, names.map((_, index) => `invoice-${index}.pdf`)]) {
    const [title] = texts;
    const request = bench.server.add({ count: texts.length, refusing: new Map([[1, texts[0]], [2, "signer_differs"]]), data: { short_description: title, description: title, consumer: title, documents: documents(texts) } });
    request.items.forEach((item, index) => { item.name = texts[index]; });
    const page = await open(t, bench, `/${request.id}`);
    for (const text of texts) assert.equal(await page.locator("#documents-list li", { hasText: text }).count(), 1, text);
    const found = await page.evaluate(() => [...document.querySelectorAll("*")].map(({ localName }) => localName).join(" "));
    await sign(page);
    await headed(page, "2 documents are not signed");
    assert.ok((await page.locator("#reasons").innerText()).includes(texts[2]));
    shapes.push([found, await page.evaluate(() => [...document.querySelectorAll("*")].map(({ localName }) => localName).join(" "))]);
  }
  assert.deepEqual(shapes[0], shapes[1]);
});

test("the form says for whom, what, for whom else, and its list can be searched", async (t) => {
  await agentFor(t, bench);
  const request = bench.server.add({ count: 300, data: { test: true, on_behalf_of: { type: "Organization", id: "1003600012346" }, consumer: "<b>Fisc</b> & Co" } });
  const page = await open(t, bench, `/${request.id}`);
  assert.equal(await page.locator("#about-consumer").textContent(), "<b>Fisc</b> & Co");
  assert.equal(await page.locator("#about-behalf").textContent(), "the organization with IDNO 1003600012346");
  assert.ok(await page.getByText("Test environment").isVisible());
  await page.getByText("List of the documents").click();
  assert.equal(await page.locator("#documents-list li").count(), 200);
  assert.equal(await page.locator("#documents-listed").textContent(), "The list holds the first 200 of 300 documents.");
  await page.getByLabel("Search the list").fill("INVOICE-19");
  assert.equal(await page.locator("#documents-list li").count(), 11);
  assert.equal(await page.locator("#search-found").textContent(), "11 documents found");
  await page.getByLabel("Search the list").fill("nothing like it");
  assert.equal(await page.locator("#search-found").textContent(), "No document fits.");
});

test("the instrument is chosen; one that is not available says why; none chosen is told", async (t) => {
  await agentFor(t, bench);
  const request = bench.server.add({ data: { instruments: [...INSTRUMENTS, { id: "mobile", kind: "mobile", available: false, reason: "no_phones" }] } });
  const page = await open(t, bench, `/${request.id}`);
  const unavailable = page.locator("label.choice", { hasText: "Mobile signature" });
  assert.ok((await unavailable.textContent()).includes("This portal is connected to no mobile operator."));
  assert.ok(await unavailable.locator("input").isDisabled());
  await sign(page);
  await page.locator("#instrument-error", { hasText: "Choose what you sign with." }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.value), "moldsign");
  await page.keyboard.press("ArrowDown");
  await page.locator("[data-language=ru]").click();
  assert.equal(await page.evaluate(() => document.querySelector("input[name=instrument]:checked").value), "nationalid", "the language switch keeps the choice");
  await sign(page);
  await back(page);
  assert.equal(calls(request, "claim")[0].params.instrument, "nationalid");
  assert.match(calls(request, "claim")[0].params.key, /^[0-9a-f]{32}$/);
});

test("an instrument that the e-service named and that is not available: the reason in each language, nothing to fill in, and only the way out", async (t) => {
  const mobile = { id: "mobile", kind: "mobile", available: false, reason: "no_phones" };
  const request = bench.server.add({ data: { instruments: [...INSTRUMENTS, mobile], instrument: "mobile", msisdn: "37369123456" } });
  const page = await open(t, bench, `/${request.id}`);
  for (const [language, reason] of [["ro", "niciun operator"], ["ru", "мобильным оператором"], ["en", "no mobile operator"]]) {
    await page.locator(`[data-language=${language}]`).click();
    assert.ok((await page.locator("#instruments").textContent()).includes(reason), language);
  }
  assert.equal(await page.getByLabel("Phone number").isVisible(), false);
  assert.ok(await page.locator("#sign").isDisabled());
  await page.getByRole("button", { name: "Give up signing" }).click();
  await back(page);
  assert.deepEqual([request.reason, calls(request, "claim")], ["user_cancelled", []]);
});

test("the e-service's instrument is not asked for", async (t) => {
  await agentFor(t, bench);
  const request = bench.server.add({ data: { instruments: INSTRUMENTS, instrument: "tax" } });
  const page = await open(t, bench, `/${request.id}`);
  assert.equal(await page.locator("input[name=instrument]").count(), 1);
  await sign(page);
  await back(page);
  assert.equal(calls(request, "claim")[0].params.instrument, "tax");
});

test("without a way back the page says that it may be closed", async (t) => {
  await agentFor(t, bench);
  const page = await open(t, bench, `/${bench.server.add({ no_return: true }).id}`);
  await sign(page);
  await headed(page, "All 3 documents are signed");
  assert.ok(await page.locator("#ended-text", { hasText: "You may close this window" }).isVisible());
  assert.equal(await page.locator("#return").isVisible(), false);
});

test("no agent: how to start it and where to get it; then Try again goes on", async (t) => {
  await noAgent(bench);
  const request = bench.server.add();
  const page = await open(t, bench, `/${request.id}`, { complaints: FAILED_CONNECTIONS });
  await sign(page);
  await headed(page, "Signet is not running on this computer");
  assert.equal(await page.getByRole("link", { name: "Install Signet" }).getAttribute("href"), "https://signet.example/install");
  assert.equal(await page.evaluate(() => document.activeElement.id), "problem-heading");
  assert.equal(calls(request, "claim").length, 0, "nothing was reserved");
  const agent = await new FakeAgent().listen(bench.server.agent_ports[0]);
  t.after(() => agent.close());
  await page.getByRole("button", { name: "Try again" }).click();
  await back(page);
});

for (const [code, title] of [["origin_refused", "Signet does not allow signing from this site"], ["other_user", "Signet is run by another user"]]) {
  test(`${code} has its own words`, async (t) => {
    await agentFor(t, bench, { refuse: code });
    const page = await open(t, bench, `/${bench.server.add().id}`, { complaints: FAILED_CONNECTIONS });
    await sign(page);
    await headed(page, title);
  });
}

test("while the dialog is open the page names the window and counts down; Cancel keeps everything", async (t) => {
  const agent = await agentFor(t, bench, { consents: [true, "wait"], waitWhat: "pin", promptSeconds: 65 });
  const request = bench.server.add({ count: 2 });
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await headed(page, "Look for the window “Signet”");
  assert.match(await page.locator("#work-countdown").textContent(), /^Time left: 1:0\d$/);
  assert.equal(await page.locator("#signer").textContent(), "Signing as: Maria Rusu");
  await page.getByRole("button", { name: "Cancel" }).click();
  await headed(page, "Signing was stopped");
  assert.equal(request.status, "pending", "only Give up makes it a failure");
  assert.equal(agent.batches.size, 0);
  await page.getByRole("button", { name: "Try again" }).click();
  await back(page);
  assert.equal(request.status, "success");
});

test("a wrong PIN: the reason and the tries that are left; Try again asks once more", async (t) => {
  const agent = await agentFor(t, bench, { consents: [true, { code: "pin_incorrect", who: "person", tries_left: 2 }] });
  const page = await open(t, bench, `/${bench.server.add().id}`);
  await sign(page);
  await headed(page, "Wrong PIN");
  assert.ok((await page.locator("#problem-advice").textContent()).includes("2 tries are left."));
  await page.getByRole("button", { name: "Try again" }).click();
  await back(page);
  assert.equal(agent.requests("batch.begin").length, 1);
});

test("the token is taken out in the middle: what was signed is kept, Try again goes on with the rest", async (t) => {
  const agent = await agentFor(t, bench, { chunk: 10, pauseAfter: { results: 20, code: "token_removed" } });
  const request = bench.server.add({ count: 50 });
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await headed(page, "The signing device was taken out");
  await page.locator("#problem-signed", { hasText: "20 documents are already signed." }).waitFor();
  assert.equal(request.signatures.size, 20);
  await page.getByRole("button", { name: "Try again" }).click();
  await back(page);
  assert.equal(agent.requests("batch.begin").length, 1);
});

test("a time stamp that is missing is not sent to the portal; Try again fetches it", async (t) => {
  const unstamped = new Set(["1"]);
  await agentFor(t, bench, { unstamped });
  const request = bench.server.add();
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await headed(page, "The time stamp could not be fetched");
  assert.deepEqual([...request.signatures.keys()].sort(), [0, 2]);
  unstamped.clear();
  await page.getByRole("button", { name: "Try again" }).click();
  await back(page);
});

test("an agent without time stamps is told, unless the portal makes them", async (t) => {
  const agent = await agentFor(t, bench, { levels: ["b"] });
  const page = await open(t, bench, `/${bench.server.add().id}`);
  await sign(page);
  await headed(page, "This Signet has no time-stamping service");
  const other = await open(t, bench, `/${bench.server.add({ level: "b" }).id}`);
  await sign(other);
  await back(other);
  assert.equal(agent.requests("batch.begin")[0].params.level, "b");
});

test("a time stamp that the portal could not add is tried again with the same signatures, without the token", async (t) => {
  const agent = await agentFor(t, bench, {});
  const request = bench.server.add({ count: 4, level: "b", refusing: new Map([[1, "time_stamp_failed"], [2, "time_stamp_failed"]]) });
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await headed(page, "The time stamp could not be fetched");
  assert.match(await page.locator("#reasons").textContent(), /The time stamp could not be obtained; try again/);
  assert.equal(await page.locator("#problem-signed").isVisible(), true);
  const first = calls(request, "save").flatMap(({ params }) => params.results).filter(({ number }) => number === 1 || number === 2);
  await page.getByRole("button", { name: "Try again" }).click();
  await back(page);
  assert.equal(agent.requests("batch.begin").length, 1);
  const again = calls(request, "save").filter(({ params }) => params.again === true).flatMap(({ params }) => params.results);
  assert.deepEqual(again, first);
});

test("refused results are told by reason and by name; Try again signs them alone", async (t) => {
  const agent = await agentFor(t, bench, { failing: new Map([["8", "token_failed"]]) });
  const request = bench.server.add({ count: 10, refusing: new Map([[1, "revocation_unknown"], [4, "revocation_unknown"], [6, "signer_differs"]]) });
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await headed(page, "4 documents are not signed");
  assert.deepEqual(await page.locator("#reasons li").allTextContents(), [
    "2 documents: Could not check whether the certificate is revoked; try again.invoice-2.pdf, invoice-5.pdf",
    "1 document: Signed by another person than the expected one.invoice-7.pdf",
    "1 document: The signing device did not answer as it should.invoice-9.pdf",
  ]);
  agent.script.failing.clear();
  await page.getByRole("button", { name: "Try again" }).click();
  await back(page);
  assert.deepEqual(agent.requests("batch.items").map(({ params }) => params.items.map(({ id }) => id)), [["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], ["1", "4", "6", "8"]]);
});

test("a network that fails while saving is told and tried again; nothing is acknowledged until then, nothing is lost", async (t) => {
  const agent = await agentFor(t, bench, { chunk: 5 });
  const request = bench.server.add({ count: 20, save_fails: 4 }); // Chromium itself asks a second time
  const page = await open(t, bench, `/${request.id}`, { complaints: FAILED_CALLS });
  await sign(page);
  await page.locator("#trouble").waitFor();
  assert.match(await page.locator("#trouble").textContent(), /^The portal does not answer\./);
  assert.equal(agent.requests("batch.acknowledge").length, 0);
  await back(page);
  assert.equal(request.signatures.size, 20);
});

test("a claim is renewed while it is needed", async (t) => {
  const agent = await agentFor(t, bench, { consents: [true, "wait"] });
  const request = bench.server.add({ claim_ms: 2_500 });
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await until(() => calls(request, "claim").length >= 3, "two renewals");
  assert.equal(new Set(calls(request, "claim").map(({ params }) => params.key)).size, 1);
  agent.answerPerson();
  await back(page);
});

test("a claim that another page took: this one stops, shows the other's progress, and takes over when it is free", async (t) => {
  const agent = await agentFor(t, bench, { consents: [true, "wait"] });
  const request = bench.server.add({ count: 4, claim_ms: 2_500 });
  const page = await open(t, bench, `/${request.id}`, { complaints: FAILED_CALLS });
  await sign(page);
  await headed(page, "Look for the window");
  request.claim = { key: "f".repeat(32), until: Date.now() + 60_000 };
  await headed(page, "The request is being signed in another window");
  await until(() => agent.batches.size === 0, "the agent's dialog is gone");
  request.signatures.set(0, "by the other");
  await page.locator("#held-text", { hasText: "1 of 4 signed" }).waitFor();
  request.claim = undefined;
  await page.locator("#notice", { hasText: "The request is free." }).waitFor();
  assert.equal(await page.locator("#sign").textContent(), "Sign 3 documents");
  assert.equal(await page.evaluate(() => document.activeElement.id), "heading");
  await sign(page);
  await back(page);
});

test("a second tab waits, and ends when the first one does", async (t) => {
  await agentFor(t, bench, { consents: [true, "wait"] });
  const request = bench.server.add();
  request.claim = { key: "f".repeat(32), until: Date.now() + 60_000 };
  const page = await open(t, bench, `/${request.id}`);
  await headed(page, "The request is being signed in another window");
  Object.assign(request, { status: "success", claim: undefined });
  await headed(page, "All 3 documents are signed");
  assert.equal(await page.locator("#leaving").isVisible(), false, "the other one goes back by itself");
  await back(page);
});

test("a reload in the middle: the claim is given back, taken with a new key, and signing goes on with the unsigned alone", async (t) => {
  const agent = await agentFor(t, bench, { chunk: 5, chunkDelay_ms: 150 });
  const request = bench.server.add({ count: 60 });
  const page = await open(t, bench, `/${request.id}`, { complaints: FAILED_CALLS });
  await sign(page);
  await until(() => request.signatures.size >= 10, "some are signed");
  await page.reload();
  await back(page);
  assert.ok(calls(request, "release").length >= 1, "released on the way out");
  assert.equal(new Set(calls(request, "claim").map(({ params }) => params.key)).size, 2);
  assert.equal(agent.requests("batch.begin").length, 1, "the same batch went on");
  assert.equal(agent.requests("batch.resume").length, 1);
  assert.equal(request.signatures.size, 60);
});

test("a reload whose release was lost waits until the old claim ends, and says so", async (t) => {
  await agentFor(t, bench, { chunk: 5, chunkDelay_ms: 150 });
  const request = bench.server.add({ count: 60, claim_ms: 4_000 });
  const page = await open(t, bench, `/${request.id}`, { complaints: FAILED_CALLS });
  await page.route("**/release", (route) => route.abort());
  await sign(page);
  await until(() => request.signatures.size >= 10, "some are signed");
  await page.reload();
  await headed(page, "One moment…");
  await back(page);
  assert.equal(request.signatures.size, 60);
});

test("a reload after which the agent knows nothing more: what was signed is kept, the rest is a press away", async (t) => {
  const agent = await agentFor(t, bench, { chunk: 5, chunkDelay_ms: 150 });
  const request = bench.server.add({ count: 40 });
  const page = await open(t, bench, `/${request.id}`, { complaints: [...FAILED_CALLS, ...FAILED_CONNECTIONS] });
  await sign(page);
  await until(() => request.signatures.size >= 10, "some are signed");
  await page.goto("about:blank");
  agent.batches.clear();
  await page.goto(`${bench.server.origin}/${request.id}?lang=en`);
  await page.locator("#notice", { hasText: "Signing was interrupted." }).waitFor();
  await sign(page);
  await back(page);
  assert.equal(request.signatures.size, 40);
});

test("Give up: the reason reaches the portal, it is shown, and the way back is a POST", async (t) => {
  await agentFor(t, bench, { consents: [true, { code: "pin_locked", who: "person" }] });
  const request = bench.server.add({ relay_state: "state of the e-service" });
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await headed(page, "The PIN is locked");
  await page.getByRole("button", { name: "Give up signing" }).click();
  await headed(page, "The documents were not signed");
  assert.equal(await page.locator("#ended-reason").textContent(), "Reason: The PIN is locked");
  assert.deepEqual([request.status, request.reason], ["failure", "pin_locked"]);
  await page.getByRole("button", { name: /^Back to services\.example/ }).click();
  await leaves(page);
  assert.deepEqual(bench.server.returned.at(-1).fields, { RequestID: request.id, RelayState: "state of the e-service" });
});

test("Give up before anything was tried", async (t) => {
  const request = bench.server.add();
  const page = await open(t, bench, `/${request.id}`);
  await page.getByRole("button", { name: "Give up signing" }).click();
  await back(page);
  assert.equal(request.reason, "user_cancelled");
});

test("going back after the end shows the end again, and sends nobody away", async (t) => {
  await agentFor(t, bench);
  const request = bench.server.add();
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await back(page);
  const before = bench.server.returned.length;
  await page.goBack();
  await headed(page, "All 3 documents are signed");
  assert.ok(await page.locator("#ended-text", { hasText: "This request is finished." }).isVisible());
  assert.equal(await page.locator("#leaving").isVisible(), false);
  await page.getByRole("button", { name: /^Back to services/ }).click();
  await leaves(page);
  assert.equal(bench.server.returned.length, before + 1);
});

test("a request that has ended leads back by itself; an expired one without a way back says what to do", async (t) => {
  const request = bench.server.add();
  Object.assign(request, { status: "failure", reason: "user_cancelled" });
  const page = await open(t, bench, `/${request.id}`);
  await headed(page, "The documents were not signed");
  await leaves(page);
  const expired = bench.server.add({ no_return: true });
  expired.status = "expired";
  const other = await open(t, bench, `/${expired.id}`);
  await headed(other, "The request has expired");
  assert.ok(await other.locator("#ended-text", { hasText: "Start signing anew" }).isVisible());
});

test("a request that expires under way ends", async (t) => {
  await agentFor(t, bench, { consents: [true, "wait"] });
  const request = bench.server.add({ claim_ms: 2_000, no_return: true });
  const page = await open(t, bench, `/${request.id}`, { complaints: FAILED_CALLS });
  await sign(page);
  await headed(page, "Look for the window");
  Object.assign(request, { status: "expired", claim: undefined });
  await headed(page, "The request has expired");
});

for (const [status, heading, words] of [["success", "All 3 documents are signed", "This request is finished."], ["failure", "The documents were not signed", "This request is finished."],
  ["expired", "The request has expired", "Start signing anew"]]) {
  test(`a form left open learns that its request ended elsewhere (${status}), offers the way back and sends nobody away`, async (t) => {
    const request = bench.server.add();
    const page = await open(t, bench, `/${request.id}`, { before_load: stays });
    const before = bench.server.returned.length;
    await page.clock.install();
    await page.reload();
    Object.assign(request, { status, claim: undefined });
    await page.clock.runFor(11_000);
    assert.equal(calls(request, "state").length, 0, "gently");
    await page.clock.runFor(2_000);
    await headed(page, heading);
    await page.locator("#ended-text", { hasText: words }).waitFor();
    await page.clock.runFor(60_000);
    assert.equal(bench.server.returned.length, before);
    assert.equal(calls(request, "state").length, 1, "and asks no more");
    await back(page);
    assert.equal(bench.server.returned.length, before + 1);
  });
}

test("a form that nobody sees asks nothing, and looks at once when it is seen again; what is typed stays", async (t) => {
  const request = bench.server.add({ data: { instruments: [{ id: "sandbox", kind: "sandbox", available: true }], test: true } });
  const page = await open(t, bench, `/${request.id}`, { complaints: FAILED_CALLS });
  const seen = (state) => page.evaluate((visible) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => visible });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
  await page.clock.install();
  await page.reload();
  await page.getByLabel("The signer's IDNP").fill("20012");
  await sign(page);
  await page.locator("#idnp-error", { hasText: "13 digits" }).waitFor();
  await seen("hidden");
  await page.clock.runFor(120_000);
  assert.equal(calls(request, "state").length, 0);
  request.broken = true;
  await Promise.all([page.waitForEvent("requestfailed"), seen("visible")]);
  request.broken = false;
  const failed = calls(request, "state").length; // a browser itself may ask twice
  await page.clock.runFor(13_000);
  await until(() => calls(request, "state").length > failed, "what failed is looked at the next time");
  assert.equal(await page.getByLabel("The signer's IDNP").inputValue(), "20012");
  assert.ok(await page.locator("#idnp-error").isVisible());
  request.claim = { key: "f".repeat(32), until: Date.now() + 60_000 };
  await page.clock.runFor(13_000);
  await headed(page, "The request is being signed in another window");
});

test("a page token that is no longer good asks for a reload", async (t) => {
  await agentFor(t, bench);
  const request = bench.server.add();
  const page = await open(t, bench, `/${request.id}`, { complaints: FAILED_CALLS });
  request.token = "another";
  await sign(page);
  await headed(page, "This page is out of date");
  await Promise.all([page.waitForEvent("load"), page.getByRole("button", { name: "Load the page again" }).click()]);
  await sign(page);
  await back(page);
});

test("a certificate of another instrument is told before anything is signed", async (t) => {
  const der = readFileSync(process.env.SIGNET_TEST_CERTIFICATE, "utf8").replace(/-----[^-]+-----|\s/g, "");
  const agent = await agentFor(t, bench, { certificate: { der, id: "9b", subject: "CN=sign.example", issuer: "CN=sign.example", not_before: "2026-01-01T00:00:00Z", not_after: "2027-01-01T00:00:00Z", validity: "valid", days_left: 300 } });
  const request = bench.server.add({ filter: { issuers: ["AAAA"] } });
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await headed(page, "The certificate is not one of the chosen instrument");
  request.filter = {};
  await page.getByRole("button", { name: "Choose another certificate" }).click();
  await back(page);
  assert.deepEqual(agent.requests("certificate.choose").map(({ params }) => params.again), [false, true]);
});

test("mobile: the number is checked, the code is shown, and the phone's answer ends it", async (t) => {
  const request = bench.server.add({ data: { instruments: [{ id: "mobile", kind: "mobile", available: true }] } });
  const page = await open(t, bench, `/${request.id}`);
  await page.getByLabel("Phone number").fill("69 12");
  await sign(page);
  await page.locator("#msisdn-error", { hasText: /^Type a number of Moldova/ }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "msisdn");
  request.phone.push({}, { reason: "user_cancelled" });
  await page.getByLabel("Phone number").fill("069 123 456");
  await sign(page);
  await headed(page, "Confirm on your phone");
  assert.equal(await page.locator("#phone-code").textContent(), "4711");
  assert.deepEqual(calls(request, "mobile")[0].params.msisdn, "37369123456");
  await headed(page, "The confirmation was refused");
  request.phone.push({ status: "success" });
  await page.getByRole("button", { name: "Try again" }).click();
  await back(page);
});

test("mobile: a simulated phone refuses and confirms on the page, by keyboard too", async (t) => {
  const request = bench.server.add({ simulated: true, data: { instruments: [{ id: "mobile", kind: "mobile", available: true }], msisdn: "37369123456", test: true } });
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await headed(page, "Confirm on your phone");
  const phone = page.getByRole("group", { name: "TEST The phone is simulated. What does it answer?" });
  await phone.getByRole("button", { name: "The phone refuses" }).click();
  await headed(page, "The confirmation was refused");
  await page.getByRole("button", { name: "Try again" }).click();
  await headed(page, "Confirm on your phone");
  await phone.getByRole("button", { name: "The phone confirms" }).focus();
  await page.keyboard.press("Enter");
  await back(page);
  assert.deepEqual(calls(request, "phone").map(({ params }) => params.action), ["refuse", "confirm"]);
});

test("mobile: a phone that is a person's has no buttons on the page", async (t) => {
  const request = bench.server.add({ data: { instruments: [{ id: "mobile", kind: "mobile", available: true }], msisdn: "37369123456", test: true } });
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await headed(page, "Confirm on your phone");
  assert.equal(await page.locator("#phone-test").isVisible(), false);
});

test("mobile: the number that the e-service named stands there", async (t) => {
  const request = bench.server.add({ data: { instruments: [{ id: "mobile", kind: "mobile", available: true }], instrument: "mobile", msisdn: "37369123456" } });
  const page = await open(t, bench, `/${request.id}`);
  assert.equal(await page.getByLabel("Phone number").inputValue(), "37369123456");
});

for (const [label, status] of [["Sign", "success"], ["Fail", "failure"], ["Cancel", "failure"], ["Expire", "expired"]]) {
  test(`sandbox: ${label} makes ${status}`, async (t) => {
    const request = bench.server.add({ data: { instruments: [{ id: "sandbox", kind: "sandbox", available: true }], test: true } });
    const page = await open(t, bench, `/${request.id}`);
    await page.locator("#sandbox-fields").getByText(label, { exact: true }).click();
    assert.equal(await page.getByLabel("The signer's IDNP").evaluate(({ required }) => required), label === "Sign");
    assert.equal(await page.locator("#idnp-required").isVisible(), label === "Sign");
    if (label === "Sign") {
      await sign(page);
      await page.locator("#idnp-error", { hasText: "An IDNP has exactly 13 digits." }).waitFor();
      await page.getByLabel("The signer's IDNP").fill("2001234567890");
      await page.getByLabel("Delay, in seconds").fill("1.5");
    }
    await sign(page);
    await back(page);
    assert.equal(request.status, status);
    const { action, idnp, delay_ms } = calls(request, "sandbox")[0].params;
    assert.deepEqual([action, idnp, delay_ms], [label.toLowerCase(), label === "Sign" ? "2001234567890" : undefined, label === "Sign" ? 1_500 : 0]);
  });
}

test("sandbox: who is expected stands there, and is who signs", async (t) => {
  const request = bench.server.add({ data: { instruments: [{ id: "sandbox", kind: "sandbox", available: true }], test: true, expected_signer: "2001234567890" } });
  const page = await open(t, bench, `/${request.id}`);
  assert.equal(await page.getByLabel("The signer's IDNP").inputValue(), "2001234567890");
  await sign(page);
  await back(page);
  assert.equal(calls(request, "sandbox")[0].params.idnp, "2001234567890");
});

test("the window where the PIN is typed is spoken of with a token alone", async (t) => {
  const kinds = ["token", "mobile", "sandbox"];
  const request = bench.server.add({ data: { instruments: kinds.map((kind) => ({ id: kind === "token" ? "moldsign" : kind, kind, available: true })) } });
  const page = await open(t, bench, `/${request.id}`);
  const hint = page.locator("#sign-hint");
  assert.equal(await hint.isVisible(), false, "nothing is chosen");
  for (const [id, words] of [["moldsign", /window of Signet/], ["mobile", /on your phone/], ["sandbox", undefined]]) {
    await page.locator(`#instruments input[value=${id}]`).check();
    assert.equal(await hint.isVisible(), words !== undefined, id);
    if (words !== undefined) assert.match(await hint.textContent(), words);
  }
});

test("sandbox: an outcome that comes late is waited for", async (t) => {
  const request = bench.server.add({ slow: true, data: { instruments: [{ id: "sandbox", kind: "sandbox", available: true }], test: true } });
  const page = await open(t, bench, `/${request.id}`);
  await page.locator("#sandbox-fields").getByText("Expire", { exact: true }).click();
  await sign(page);
  await headed(page, "The trial is under way…");
  await back(page);
  assert.equal(request.status, "expired");
});

test("sandbox: what it signed as the wrong person is told", async (t) => {
  const request = bench.server.add({ count: 2, wrong_signer: true, data: { instruments: [{ id: "sandbox", kind: "sandbox", available: true }], test: true } });
  const page = await open(t, bench, `/${request.id}`);
  await page.getByLabel("The signer's IDNP").fill("2001234567890");
  await sign(page);
  await headed(page, "2 documents are not signed");
  assert.match(await page.locator("#reasons").textContent(), /Signed by another person than the expected one\..*invoice-1\.pdf, invoice-2\.pdf$/);
});

for (const [code, title] of [["request_unknown", "There is no such signing request"], ["return_url_refused", "The way back is not allowed"], ["return_url_missing", "The way back is missing"],
  ["parameter_invalid", "The page was opened with wrong data"], ["internal", "Something went wrong on the portal"], ["of_tomorrow", "Something went wrong on the portal"]]) {
  test(`error page ${code} says what to do`, async (t) => {
    const page = await open(t, bench, `/error/${code}`);
    await headed(page, title);
    assert.ok((await page.locator("#error-advice").textContent()).length > 20);
    assert.equal(await page.locator("#error-reload").isVisible(), title.startsWith("Something"));
  });
}

for (const [query, words] of [["return_url_refused?parameter=ReturnUrl&host=evil.example:8443", /^ReturnUrl leads to evil\.example:8443\. It must begin/],
  ["return_url_refused?parameter=ReturnUrl", /^ReturnUrl must be a whole address/], ["parameter_invalid?parameter=MSISDN", /^MSISDN: 373/],
  ["parameter_invalid?parameter=RelayState", /^RelayState: text in UTF-8/], ["parameter_invalid?parameter=Instrument", /^Instrument: none/],
  ["return_url_refused?parameter=ReturnUrl&host=%3Cimg%20src%3Dx%3E", /^ReturnUrl leads to <img src=x>/]]) {
  test(`error page ${query} says what is to be mended, and links nowhere`, async (t) => {
    const page = await open(t, bench, `/error/${query}`);
    await page.locator("#error-parameter", { hasText: words }).waitFor();
    assert.equal(await page.locator("#error a, #error img").count(), 0);
  });
}

test("the language switch keeps what is under way", async (t) => {
  const agent = await agentFor(t, bench, { consents: [true, "wait"], waitWhat: "consent" });
  const page = await open(t, bench, `/${bench.server.add({ count: 20 }).id}`, { language: "ro" });
  await sign(page);
  await headed(page, "Căutați fereastra „Signet”");
  assert.equal(await page.locator("#work-text").textContent(), "Verificați lista de 20 de documente și confirmați acolo semnarea.");
  await page.locator("[data-language=ru]").click();
  await headed(page, "Найдите окно «Signet»");
  assert.equal(await page.getAttribute("html", "lang"), "ru");
  agent.answerPerson();
  await headed(page, "Подписаны все 20 документов");
});

test("everything can be done with the keyboard", async (t) => {
  await agentFor(t, bench);
  const request = bench.server.add({ data: { instruments: INSTRUMENTS } });
  const page = await open(t, bench, `/${request.id}`);
  const reached = [];
  for (let step = 0; step < 14; step += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => document.activeElement.id || document.activeElement.name || document.activeElement.textContent.trim());
    reached.push(at);
    if (at === "instrument") await page.keyboard.press("Space");
    if (at === "sign") break;
  }
  assert.deepEqual(reached.slice(0, 1), ["Skip to the content"]);
  assert.equal(reached.at(-1), "sign", reached.join(" · "));
  await page.keyboard.press("Enter");
  await back(page);
});

test("what stopped it, the end, and the way back can be done with the keyboard alone", async (t) => {
  await agentFor(t, bench, { consents: [true, { code: "pin_incorrect", who: "person", tries_left: 2 }, { code: "pin_locked", who: "person" }] });
  const request = bench.server.add();
  const page = await open(t, bench, `/${request.id}`, { before_load: () => { HTMLFormElement.prototype.submit = () => {}; } });
  await byKeyboard(page, "sign");
  await headed(page, "Wrong PIN");
  assert.equal(await page.evaluate(() => document.activeElement.id), "problem-heading");
  await byKeyboard(page, "again");
  await headed(page, "The PIN is locked");
  await byKeyboard(page, "give-up");
  await headed(page, "The documents were not signed");
  assert.deepEqual([request.status, request.reason], ["failure", "pin_locked"]);
  assert.equal(await page.evaluate(() => document.activeElement.id), "ended-heading");
  await byKeyboard(page, "return-button");
  await leaves(page);
});

test("results on their way when the person gives up are kept, and none comes after the end", async (t) => {
  await agentFor(t, bench, { chunk: 5, pauseAfter: { results: 20, code: "token_removed" } });
  const request = bench.server.add({ count: 50, save_ms: 300 });
  const page = await open(t, bench, `/${request.id}`);
  await sign(page);
  await headed(page, "The signing device was taken out");
  await page.getByRole("button", { name: "Give up signing" }).click();
  await back(page);
  assert.deepEqual([request.status, request.signatures.size], ["failure", 20]);
  assert.equal(request.calls.map(({ call }) => call).filter((call) => call === "save" || call === "give_up").at(-1), "give_up");
});

test("progress is told politely, not at every step", async (t) => {
  await agentFor(t, bench, { chunk: 1, chunkDelay_ms: 15 });
  const page = await open(t, bench, `/${bench.server.add({ count: 60, no_return: true }).id}`);
  await page.evaluate(() => {
    globalThis.told = [];
    new MutationObserver(() => globalThis.told.push(document.querySelector("#announce").textContent)).observe(document.querySelector("#announce"), { childList: true, characterData: true, subtree: true });
  });
  await sign(page);
  await headed(page, "All 60 documents are signed");
  const told = await page.evaluate(() => globalThis.told);
  assert.ok(told.some((text) => /of 60 signed/.test(text)), told.join("\n"));
  // Each quarter of what is counted once, whichever of them a slow machine comes to show; and a few words in between.
  assert.ok(told.filter((text) => / of 60 signed/.test(text)).length <= 4, told.join("\n"));
  assert.ok(told.length <= 20, `${told.length}: ${told.join("\n")}`);
  assert.match(told.at(-1), /^All 60 documents are signed/);
});

test("opened by POST, the page works the same, a reload included", async (t) => {
  await agentFor(t, bench, { chunk: 5, chunkDelay_ms: 150 });
  const request = bench.server.add({ count: 40 });
  const page = await open(t, bench, `/error/internal`, { complaints: FAILED_CALLS });
  await page.evaluate((path) => {
    const form = document.querySelector("#return");
    form.setAttribute("action", path);
    form.submit();
  }, `/${request.id}?lang=en`);
  await page.locator("#sign").waitFor();
  await sign(page);
  await until(() => request.signatures.size >= 5, "some are signed");
  await page.reload();
  await back(page);
  assert.equal(request.signatures.size, 40);
});
