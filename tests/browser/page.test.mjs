import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { unzipSync } from "fflate";
import { FakeAgent } from "../../web-bridge/sdk/test/fake_agent.mjs";
import { agentFor, choose, digestOf, documents, download, freePort, headed, openBench, openPage, REAL_PORTS } from "./support.mjs";

let bench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

const signatures = (zip) => Object.fromEntries(Object.entries(unzipSync(zip)).map(([name, bytes]) => [name, Buffer.from(bytes).toString()]));
const failed_connections = ["WebSocket connection to"]; // Chromium says each in the console

test("20 files: chosen, hashed here, signed, and saved as one archive with the right signature for each", async (t) => {
  const agent = await agentFor(t, bench);
  const page = await openPage(t, bench);
  const files = documents(20);
  await choose(page, files);
  assert.equal(await page.locator("#chosen-count").textContent(), "20 files chosen, 1\u00a0kB");
  assert.equal(await page.locator("#sign").textContent(), "Sign 20 files");
  await page.locator("#sign").click();
  await headed(page, "All 20 files are signed");
  assert.equal(await page.locator(".mark.signed").count(), 20);
  const { name, bytes } = await download(page, () => page.locator("#save").click());
  assert.match(name, /^signatures-\d{4}-\d\d-\d\d\.zip$/);
  const inside = signatures(bytes);
  assert.deepEqual(Object.keys(inside).sort(), files.map((file) => `${file.name}.xades.xml`).sort());
  for (const file of files) assert.ok(inside[`${file.name}.xades.xml`].includes(digestOf(file)), file.name);
  if (agent.real) return;
  assert.equal(agent.batches.size, 0, "closed");
  assert.ok(bench.server.requests.every((path) => !path.includes("invoice")), "no file went to the server");
});

test("one signature can be saved alone", async (t) => {
  await agentFor(t, bench);
  const page = await openPage(t, bench);
  const files = documents(3);
  await choose(page, files);
  await page.locator("#sign").click();
  await headed(page, "All 3 files are signed");
  const { name, bytes } = await download(page, () => page.getByRole("button", { name: "Save the signature of invoice-2.pdf" }).click());
  assert.equal(name, "invoice-2.pdf.xades.xml");
  assert.ok(bytes.toString().includes(digestOf(files[1])));
});

test("what the person chose goes to the agent: purpose, level, packaging", async (t) => {
  const agent = await agentFor(t, bench, {});
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(1));
  await page.getByLabel("Purpose").fill("Invoices of November");
  await page.getByLabel("With a time stamp").check();
  await page.getByText("More options").click();
  await page.getByLabel("With the fingerprint inside").check();
  await page.locator("#sign").click();
  await headed(page, "The file is signed");
  const { purpose, level, packaging } = agent.requests("batch.begin")[0].params;
  assert.deepEqual({ purpose, level, packaging }, { purpose: "Invoices of November", level: "t", packaging: "enveloping" });
  assert.equal(agent.requests("hello")[0].params.language, "en");
});

test("files are dropped, removed one by one and all at once; a file chosen twice counts once", async (t) => {
  await agentFor(t, bench);
  const page = await openPage(t, bench);
  const transfer = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    for (const name of ["a.txt", "b.txt", "c.txt"]) data.items.add(new File([name], name, { lastModified: 1 }));
    return data;
  });
  await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer });
  await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer });
  assert.deepEqual(await page.locator("#chosen-list .name").allTextContents(), ["a.txt", "b.txt", "c.txt"]);
  await page.getByRole("button", { name: "Remove b.txt" }).click();
  assert.deepEqual(await page.locator("#chosen-list .name").allTextContents(), ["a.txt", "c.txt"]);
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Remove c.txt");
  await page.getByRole("button", { name: "Remove all" }).click();
  assert.equal(await page.locator("#chosen").isVisible(), false);
});

test("Sign without a file says what is missing and leads there", async (t) => {
  await agentFor(t, bench);
  const page = await openPage(t, bench);
  await page.locator("#sign").click();
  assert.equal(await page.getByRole("alert").textContent(), "Choose at least one file.");
  assert.equal(await page.evaluate(() => document.activeElement.id), "files");
});

test("while the dialog is open the page says which window to look for and counts down", async (t) => {
  const agent = await agentFor(t, bench, { consents: [true, "wait"], waitWhat: "pin", promptSeconds: 65 });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(2));
  await page.locator("#sign").click();
  await headed(page, "Look for the window “Signet”");
  assert.equal(await page.locator("#work-text").textContent(), "Type your PIN there.");
  const first = await page.locator("#work-countdown").textContent();
  assert.match(first, /^Time left: 1:0\d$/);
  await page.waitForFunction((before) => document.querySelector("#work-countdown").textContent !== before, first);
  assert.equal(await page.locator("#signer").textContent(), "Signing as: Maria Rusu");
  await page.waitForFunction(() => document.querySelector("#announce").textContent.includes("Type your PIN there"));
  agent.answerPerson();
  await headed(page, "All 2 files are signed");
});

test("cancel while the dialog is open: nothing is signed, the files are still chosen", async (t) => {
  const agent = await agentFor(t, bench, { consents: [true, "wait"] });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(2));
  await page.locator("#sign").click();
  await headed(page, "Look for the window");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.locator("#notice").waitFor();
  assert.equal(await page.locator("#notice").textContent(), "Signing was cancelled; nothing was signed.");
  assert.equal(await page.locator("#sign").textContent(), "Sign 2 files");
  assert.equal(agent.requests("batch.cancel").length, 1);
});

test("cancel while signing: it stops, and what was made can be saved", async (t) => {
  const agent = await agentFor(t, bench, { chunk: 2, chunkDelay_ms: 150 });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(60));
  await page.locator("#sign").click();
  await page.locator(".mark.signed").nth(3).waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();
  await headed(page, "Signing was stopped");
  const signed = await page.locator(".mark.signed").count();
  assert.ok(signed >= 4 && signed < 60, `${signed}`);
  const { bytes } = await download(page, () => page.locator("#save").click());
  assert.equal(Object.keys(signatures(bytes)).length, signed);
  assert.equal(await page.locator(".mark.unsigned").count(), 60 - signed);
});

test("no agent: how to start it; once it runs Try again goes on", async (t) => {
  if (REAL_PORTS !== undefined) return t.skip("an agent runs");
  const port = await freePort();
  bench.server.agent_ports = [port];
  const page = await openPage(t, bench, { complaints: failed_connections });
  await choose(page, documents(2));
  await page.locator("#sign").click();
  await headed(page, "Signet is not running on this computer");
  assert.ok(await page.getByText("systemctl --user start signetd").isVisible());
  const agent = await new FakeAgent().listen(port);
  t.after(() => agent.close());
  await page.getByRole("button", { name: "Try again" }).click();
  await headed(page, "All 2 files are signed");
});

for (const [code, title] of [["origin_refused", "Signet does not allow signing from this site"], ["other_user", "Signet is run by another user of this computer"], ["too_many", "Too many signings are open"]]) {
  test(`${code} has its own words`, async (t) => {
    if ((await agentFor(t, bench, { refuse: code })) === undefined) return;
    const page = await openPage(t, bench, { complaints: failed_connections });
    await choose(page, documents(1));
    await page.locator("#sign").click();
    await headed(page, title);
    await page.getByRole("button", { name: "Back to the files" }).click();
    assert.equal(await page.locator("#sign").textContent(), "Sign 1 file");
  });
}

test("a policy of the page without the agent's port is told as such, not as a missing agent", async (t) => {
  if ((await agentFor(t, bench, {})) === undefined) return;
  bench.server.policy_ports = [1];
  const page = await openPage(t, bench, { complaints: ["Content Security Policy", ...failed_connections] });
  await choose(page, documents(1));
  await page.locator("#sign").click();
  await headed(page, "The rules of this site do not allow the way to Signet");
  assert.equal(await page.locator("#start-steps").isVisible(), false);
});

test("a wrong PIN: the tries left are told, Try again asks anew, the files are not handed over twice", async (t) => {
  const agent = await agentFor(t, bench, { consents: [true, { code: "pin_incorrect", who: "person", tries_left: 2 }, true] });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(2));
  await page.locator("#sign").click();
  await headed(page, "Wrong PIN");
  assert.equal(await page.locator("#problem-advice").textContent(), "Check the PIN and try again. 2 tries are left.");
  await page.getByRole("button", { name: "Try again" }).click();
  await headed(page, "All 2 files are signed");
  assert.equal(agent.requests("batch.items").length, 1);
});

test("a token pulled in the middle: the page says so, and goes on where it stopped", async (t) => {
  const agent = await agentFor(t, bench, { chunk: 5, pauseAfter: { results: 10, code: "token_removed" } });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(20));
  await page.locator("#sign").click();
  await headed(page, "The signing device was taken out");
  assert.equal(await page.locator("#problem-signed").textContent(), "10 files are already signed.");
  await page.getByRole("button", { name: "Try again" }).click();
  await headed(page, "All 20 files are signed");
  assert.equal(agent.requests("batch.commit").length, 1);
});

test("an expired certificate: another one can be chosen", async (t) => {
  const agent = await agentFor(t, bench, { consents: ["certificate_expired", true, true] });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(1));
  await page.locator("#sign").click();
  await headed(page, "The certificate is outside its validity");
  await page.getByRole("button", { name: "Choose another certificate" }).click();
  await headed(page, "The file is signed");
  assert.deepEqual(agent.requests("certificate.choose").map(({ params }) => params.again), [false, true]);
});

test("files that fail and time stamps that are missing are told apart; the stamps are asked for again", async (t) => {
  const unstamped = new Set(["2", "4"]);
  const agent = await agentFor(t, bench, { unstamped, failing: new Map([["3", "token_failed"]]) });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(5));
  await page.getByLabel("With a time stamp").check();
  await page.locator("#sign").click();
  await headed(page, "4 of 5 files signed");
  assert.equal(await page.locator("#done-failed").textContent(), "1 file could not be signed; the table says why.");
  assert.equal(await page.locator("#done-unstamped").textContent(), "2 signatures have no time stamp yet.");
  assert.deepEqual(await page.locator("#rows td:nth-child(2)").allTextContents(),
    ["Signed", "Signed, without a time stamp", "Not signed. The signing device did not answer as it should.", "Signed, without a time stamp", "Signed"]);
  await page.reload();
  await headed(page, "4 of 5 files signed");
  unstamped.clear();
  await page.getByRole("button", { name: "Ask for the time stamps again" }).click();
  await page.locator("#done-unstamped").waitFor({ state: "hidden" });
  await headed(page, "4 of 5 files signed");
  assert.equal(await page.locator(".mark.signed").count(), 4);
});

test("an agent without time stamps says so instead of signing something else", async (t) => {
  const agent = await agentFor(t, bench, { levels: ["b"] });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(1));
  await page.getByLabel("With a time stamp").check();
  await page.locator("#sign").click();
  await headed(page, "This Signet has no time-stamping service");
  assert.equal(agent.requests("batch.begin").length, 0);
});

test("a reload in the middle goes on by itself: nothing lost, one consent", async (t) => {
  const agent = await agentFor(t, bench, { chunk: 4, chunkDelay_ms: 60 });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  const files = documents(80);
  await choose(page, files);
  await page.locator("#sign").click();
  await page.locator(".mark.signed").nth(10).waitFor();
  await page.reload();
  await headed(page, "All 80 files are signed", 30_000);
  assert.equal(await page.locator(".mark.signed").count(), 80);
  assert.equal(agent.requests("batch.commit").length, 1);
  const { bytes } = await download(page, () => page.locator("#save").click());
  const inside = signatures(bytes);
  for (const file of files) assert.ok(inside[`${file.name}.xades.xml`]?.includes(digestOf(file)), file.name);
});

test("a reload after the end still shows and saves everything; Sign other files forgets it", async (t) => {
  await agentFor(t, bench);
  const page = await openPage(t, bench);
  await choose(page, documents(3));
  await page.locator("#sign").click();
  await headed(page, "All 3 files are signed");
  await page.reload();
  await headed(page, "All 3 files are signed");
  const { bytes } = await download(page, () => page.locator("#save").click());
  assert.equal(Object.keys(signatures(bytes)).length, 3);
  await page.getByRole("button", { name: "Sign other files" }).click();
  await page.reload();
  await page.locator("#form").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.equal(await page.evaluate(() => new Promise((resolve) => {
    const opening = indexedDB.open("signet");
    opening.onsuccess = () => {
      const counting = opening.result.transaction("results").objectStore("results").count();
      counting.onsuccess = () => resolve(counting.result);
    };
  })), 0);
});

test("a reload while the dialog is open asks again", async (t) => {
  const agent = await agentFor(t, bench, { consents: [true, "wait", true] });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(3));
  await page.locator("#sign").click();
  await headed(page, "Look for the window");
  await page.waitForFunction(() => sessionStorage.getItem("signet.batch")?.includes('"sealed":true'));
  await page.reload();
  await headed(page, "All 3 files are signed");
});

test("a connection lost in the middle is found again without a word from the person", async (t) => {
  const agent = await agentFor(t, bench, { chunk: 5, dropAfterResults: [10, 25] });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await choose(page, documents(40));
  await page.locator("#sign").click();
  await headed(page, "All 40 files are signed");
  assert.equal(agent.connections, 3);
});

test("3 000 files: all are signed, the table stays short, the archive is whole", async (t) => {
  const agent = await agentFor(t, bench, { chunk: 50 });
  if (agent === undefined) return;
  const page = await openPage(t, bench);
  await page.evaluate(() => {
    const data = new DataTransfer();
    for (let index = 1; index <= 3_000; index += 1) data.items.add(new File([`document ${index}`], `invoice-${index}.pdf`));
    document.querySelector("#drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
  });
  await page.locator("#sign").click();
  await headed(page, "All 3,000 files are signed", 60_000);
  assert.equal(await page.locator("#rows tr").count(), 200);
  assert.equal(await page.locator("#rows-more").textContent(), "Showing 200 of 3,000 files; the ZIP archive holds all.");
  const { bytes } = await download(page, () => page.locator("#save").click());
  assert.equal(Object.keys(signatures(bytes)).length, 3_000);
});

test("by keyboard alone: language, files, signing, saving; the focus is always where the news is", async (t) => {
  await agentFor(t, bench);
  const page = await openPage(t, bench, { language: "ro" });
  // Before anything else: Chromium must have heard that the dialog is ours when Enter comes.
  const chooser = page.waitForEvent("filechooser");
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  const tabTo = async (wanted) => {
    for (let step = 0; step < 40; step += 1) {
      await page.keyboard.press("Tab");
      if ((await focused()).includes(wanted)) return;
    }
    assert.fail(`Tab never came to ${wanted}`);
  };
  await tabTo("Salt la conținut");
  await tabTo("English");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("h1").textContent(), "Sign documents");
  await tabTo("files");
  await page.keyboard.press("Enter");
  await (await chooser).setFiles(documents(2));
  await tabTo("purpose");
  await page.keyboard.type("Minutes");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.locator("input[name=level]:checked").getAttribute("value"), "t");
  await page.keyboard.press("ArrowUp");
  await tabTo("sign");
  await page.keyboard.press("Enter");
  await headed(page, "All 2 files are signed");
  assert.equal(await focused(), "done-heading");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "save");
  const { name } = await download(page, () => page.keyboard.press("Enter"));
  assert.match(name, /\.zip$/);
});

test("the language follows the browser, the switch is remembered, and the page says its language", async (t) => {
  await agentFor(t, bench);
  const page = await openPage(t, bench, { language: "ru" });
  assert.equal(await page.locator("h1").textContent(), "Подпишите документы");
  assert.equal(await page.getAttribute("html", "lang"), "ru");
  await page.getByRole("button", { name: "Română" }).click();
  assert.equal(await page.locator("h1").textContent(), "Semnați documente");
  assert.equal(await page.title(), "Semnare de documente – Signet");
  await page.reload();
  assert.equal(await page.getAttribute("html", "lang"), "ro");
  assert.equal(await page.getByRole("button", { name: "Română" }).getAttribute("aria-pressed"), "true");
});

test("another language of the browser: Romanian", async (t) => {
  await agentFor(t, bench);
  const page = await openPage(t, bench, { language: "de-DE" });
  assert.equal(await page.getAttribute("html", "lang"), "ro");
});
