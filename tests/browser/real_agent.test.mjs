// What only the whole can show: Chromium, the page, the sdk, signetd, its token host with SoftHSM2, a TSA. Started by real_agent.sh.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { unzipSync } from "fflate";
import { Agent, PIN, signet, Tsa, TRUST, until } from "./real_agent.mjs";
import { choose, digestOf, documents, download, freePort, headed, openBench, openPage } from "./support.mjs";

const SLOW = 60_000; // this machine may be building something else
const FOLDER = process.env.SIGNET_TEST_FOLDER;
let bench, tsa;
before(async () => {
  bench = await openBench();
  tsa = await (await Tsa.free()).start();
});
after(async () => {
  await bench.close();
  await tsa.stop();
});

/** An agent that allows the page's origin, and the page told where it is. */
async function agentFor(t, { time_stamps = tsa, start = true } = {}) {
  const agent = new Agent({ port: await freePort(), origins: [bench.server.origin], tsa: time_stamps.url });
  bench.server.agent_ports = [agent.port];
  t.after(() => agent.stop());
  return start ? agent.start() : agent;
}

async function sign(page, files, { level = "b" } = {}) {
  await choose(page, files);
  await page.locator(`input[name=level][value=${level}]`).check();
  await page.locator("#sign").click();
}

async function archive(page) {
  const { bytes } = await download(page, () => page.locator("#save").click());
  return Object.fromEntries(Object.entries(unzipSync(bytes)).map(([name, content]) => [name.replace(/\.xades\.xml$/, ""), Buffer.from(content).toString()]));
}

/** How many signatures the page has put where a reload does not lose them. */
const kept = (page) => page.evaluate(() => new Promise((resolve) => {
  const opening = indexedDB.open("signet");
  opening.onsuccess = () => {
    const counting = opening.result.transaction("results").objectStore("results").count();
    counting.onsuccess = () => {
      opening.result.close();
      resolve(counting.result);
    };
  };
}));

/** Puts documents and their signatures in a folder, for the command line. */
function laid(files, signatures) {
  const folder = mkdtempSync(join(FOLDER, "files-"));
  return files.map((file) => {
    const content = join(folder, file.name);
    const signature = `${content}.xades.xml`;
    writeFileSync(content, file.buffer);
    writeFileSync(signature, signatures[file.name]);
    return { content, signature };
  });
}

async function verified({ signature, content }) {
  const { code, stdout, stderr } = await signet("--json", "verify", signature, "--content", content, "--trust", TRUST);
  assert.ok(stdout.startsWith("{"), stderr);
  return { code, rows: JSON.parse(stdout).signatures.map(({ indication, level }) => [indication, level]) };
}

/** Each verifies by itself, with nothing but its own document. */
async function assertPassed(all, level) {
  const left = [...all];
  const worker = async () => {
    for (let next; (next = left.pop()) !== undefined;) assert.deepEqual(await verified(next), { code: 0, rows: [["TOTAL-PASSED", level]] }, next.content);
  };
  await Promise.all([worker(), worker(), worker()]);
}

test("200 files with time stamps: the bar moves, and every signature in the archive verifies", async (t) => {
  const agent = await agentFor(t);
  const page = await openPage(t, bench);
  await page.evaluate(() => {
    window.bar_values = [];
    new MutationObserver(() => {
      if (document.querySelector("#bar-text").textContent.endsWith("signed")) window.bar_values.push(document.querySelector("#bar").value);
    }).observe(document.querySelector("#work-progress"), { subtree: true, attributes: true, childList: true, characterData: true });
  });
  const files = documents(200);
  await sign(page, files, { level: "t" });
  await headed(page, "All 200 files are signed", SLOW);
  const moved = await page.evaluate(() => [...new Set(window.bar_values)]);
  assert.ok(moved.filter((value) => value > 0 && value < 200).length >= 3, `${moved}`);
  assert.deepEqual(moved, [...moved].sort((one, other) => one - other), "never back");
  assert.equal(await page.locator("#done-unstamped").isVisible(), false);
  assert.equal(agent.dialogs, 2, "once for each origin, which certificate it gets; consent and PIN are one dialog");

  const signatures = await archive(page);
  assert.deepEqual(Object.keys(signatures).sort(), files.map(({ name }) => name).sort());
  const all = laid(files, signatures);
  await assertPassed(all, "XAdES-B-T");
  const swapped = await verified({ signature: all[0].signature, content: all[1].content });
  assert.notEqual(swapped.code, 0, "another's document");
  assert.notEqual(swapped.rows[0][0], "TOTAL-PASSED");
  await agent.assertSignedOnce(files.map(digestOf));
});

test("a reload in the middle of 300: what was made is delivered at once, the rest follows, none twice", async (t) => {
  const agent = await agentFor(t);
  const page = await openPage(t, bench);
  const files = documents(300);
  await sign(page, files);
  await agent.signedAtLeast(175);
  await agent.signalHost("SIGSTOP"); // a card that is slow just now: nothing is signed while the page is away
  await page.reload();
  await until("all that was made is with the page", async () => await kept(page) === agent.signed.length);
  const made = agent.signed.length;
  t.diagnostic(`reloaded at ${made} of 300`);
  assert.ok(made < 300, "there was a rest");
  await agent.signalHost("SIGCONT");
  await headed(page, "All 300 files are signed", SLOW);
  assert.equal(agent.dialogs, 2);
  const signatures = await archive(page);
  for (const file of files) assert.ok(signatures[file.name]?.includes(digestOf(file)), file.name);
  await assertPassed(laid(files, signatures).filter((_, index) => index % 30 === 0), "XAdES-B-B");
  await agent.assertSignedOnce(files.map(digestOf));
});

test("the token host killed in the middle of 300: another one takes over without a dialog, none twice", async (t) => {
  const agent = await agentFor(t);
  const page = await openPage(t, bench);
  const files = documents(300);
  await sign(page, files, { level: "t" });
  await agent.signedAtLeast(175);
  const first = await agent.signalHost("SIGKILL");
  const made = agent.signed.length;
  t.diagnostic(`killed at ${made} of 300`);
  assert.ok(made < 300, "there was a rest");
  await headed(page, "All 300 files are signed", SLOW);
  assert.equal(agent.dialogs, 2);
  const [module] = (await agent.status()).modules;
  assert.equal(module.starts, 2, `after ${first}`);
  const signatures = await archive(page);
  assert.equal(Object.keys(signatures).length, 300);
  await assertPassed(laid(files, signatures).filter((_, index) => index % 30 === 0), "XAdES-B-T");
  await agent.assertSignedOnce(files.map(digestOf));
});

test("2 000 hashes by the sdk alone, the token host killed three times: each signed and delivered once", { timeout: 3 * SLOW }, async (t) => {
  const agent = await agentFor(t);
  const page = await openPage(t, bench);
  const batch = page.evaluate(async (port) => {
    const { connect } = await import("/signet-sdk.js");
    const agent = await connect({ language: "en", ports: [port] });
    const items = [];
    for (let index = 1; index <= 2_000; index += 1) {
      items.push({ id: `${index}`, name: `hash ${index}`, digest: new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${index}`))) });
    }
    const results = [];
    const summary = await agent.signBatch({ purpose: "Hashes", items, onResult: ({ id, signature }) => void results.push([id, signature?.length > 0]) }).finished;
    agent.close();
    return { summary, results, digests: items.map(({ digest }) => btoa(String.fromCharCode(...digest))) };
  }, agent.port);
  const died = [];
  for (const count of [200, 900, 1_600]) {
    await Promise.race([agent.signedAtLeast(count), batch]);
    died.push(await agent.signalHost("SIGKILL"));
  }
  const { summary, results, digests } = await batch;
  assert.deepEqual(summary, { signed: 2_000, failed: 0, withoutTimeStamp: 0 });
  assert.equal(new Set(died).size, 3);
  assert.equal(results.length, 2_000);
  assert.ok(results.every(([, signed]) => signed));
  assert.equal(new Set(results.map(([id]) => id)).size, 2_000);
  assert.equal(agent.dialogs, 1);
  await agent.assertSignedOnce(digests);
});

test("an origin that is not allowed is told so and nothing else; no dialog opens", async (t) => {
  const agent = await agentFor(t);
  const origin = bench.server.origin.replace("sign.example", "evil.example");
  const page = await openPage(t, bench, { origin });
  await sign(page, documents(2));
  await headed(page, "Signet does not allow signing from this site");
  const heard = await page.evaluate((port) => new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1`, "signet.v1");
    const messages = [];
    socket.onopen = () => {
      for (const message of [{ id: 1, method: "hello", params: { protocol: 1 } }, { id: 2, method: "certificate.choose", params: {} }]) socket.send(JSON.stringify(message));
    };
    socket.onmessage = ({ data }) => messages.push(JSON.parse(data));
    socket.onclose = ({ code }) => resolve({ code, messages });
  }), agent.port);
  assert.equal(heard.code, 4403);
  assert.deepEqual(heard.messages.map(({ event, params }) => [event, params.code]), [["refused", "origin_refused"]]);
  assert.equal(agent.dialogs, 0);
  assert.equal(agent.journal, "");
});

test("a wrong PIN is told in the page and not tried again; Try again asks anew and signs", async (t) => {
  const agent = await agentFor(t);
  const page = await openPage(t, bench);
  const files = documents(5);
  agent.pin(PIN === "000000" ? "111111" : "000000");
  await sign(page, files);
  await headed(page, "Wrong PIN", SLOW);
  assert.equal(await page.locator("#problem-code").textContent().then((code) => code.includes("pin_incorrect")), true);
  assert.equal(agent.journal.match(/ pin-refused /g)?.length, 1);
  assert.equal(agent.dialogs, 2);
  agent.pin(PIN);
  await page.getByRole("button", { name: "Try again" }).click();
  await headed(page, "All 5 files are signed", SLOW);
  assert.equal(agent.dialogs, 3);
  await agent.assertSignedOnce(files.map(digestOf));
});

test("Cancel in the dialog: nothing is signed; Try again opens it again", async (t) => {
  const agent = await agentFor(t);
  const page = await openPage(t, bench);
  const files = documents(5);
  agent.answer("cancel");
  await sign(page, files);
  await headed(page, "Signing was not confirmed", SLOW);
  assert.deepEqual(agent.signed, []);
  agent.answer("sign");
  await page.getByRole("button", { name: "Try again" }).click();
  await headed(page, "All 5 files are signed", SLOW);
  assert.equal(agent.dialogs, 3);
  await agent.assertSignedOnce(files.map(digestOf));
});

test("no agent: the page says how to start it; once it runs Try again signs", async (t) => {
  const agent = await agentFor(t, { start: false });
  const page = await openPage(t, bench, { complaints: ["WebSocket connection to"] });
  await sign(page, documents(3));
  await headed(page, "Signet is not running on this computer");
  assert.ok(await page.getByText("systemctl --user start signetd").isVisible());
  await agent.start();
  await page.getByRole("button", { name: "Try again" }).click();
  await headed(page, "All 3 files are signed", SLOW);
});

test("the TSA away: B-B with the reason; the TSA back: B-T without a dialog", async (t) => {
  const away = await Tsa.free();
  const agent = await agentFor(t, { time_stamps: away });
  const page = await openPage(t, bench);
  const files = documents(12);
  await sign(page, files, { level: "t" });
  await headed(page, "All 12 files are signed", SLOW);
  assert.equal(await page.locator("#done-unstamped").textContent(), "12 signatures have no time stamp yet.");
  assert.equal(await page.locator(".mark.unstamped").count(), 12);
  await assertPassed(laid(files.slice(0, 2), await archive(page)), "XAdES-B-B");

  await away.start();
  t.after(() => away.stop());
  await page.getByRole("button", { name: "Ask for the time stamps again" }).click();
  await page.locator("#done-unstamped").waitFor({ state: "hidden" });
  await headed(page, "All 12 files are signed");
  assert.equal(await page.locator(".mark.signed").count(), 12);
  assert.equal(agent.dialogs, 2);
  await assertPassed(laid(files, await archive(page)), "XAdES-B-T");
  await agent.assertSignedOnce(files.map(digestOf));
});

test("the TSA away, by the sdk: each result names the reason, retryTimeStamps brings the rest", async (t) => {
  const away = await Tsa.free();
  const agent = await agentFor(t, { time_stamps: away });
  const page = await openPage(t, bench);
  const first = await page.evaluate(async (port) => {
    const { connect } = await import("/signet-sdk.js");
    const results = [];
    const agent = await connect({ language: "en", ports: [port] });
    const items = Array.from({ length: 30 }, (_, index) => ({ id: `${index}`, name: `hash ${index}`, digest: new Uint8Array(32).fill(index) }));
    const batch = agent.signBatch({ purpose: "Hashes", level: "t", items, onResult: ({ id, level, timeStampError }) => void results.push({ id, level, reason: timeStampError?.code }) });
    window.stamping = { batch, results };
    return { summary: await batch.finished, results };
  }, agent.port);
  assert.deepEqual(first.summary, { signed: 30, failed: 0, withoutTimeStamp: 30 });
  assert.ok(first.results.every(({ level, reason }) => level === "b" && reason === "time_stamp_failed"), JSON.stringify(first.results[0]));
  await away.start();
  t.after(() => away.stop());
  const second = await page.evaluate(async () => {
    const { batch, results } = window.stamping;
    results.length = 0;
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error("the time stamps never came")), 15_000));
    return { missing: await Promise.race([batch.retryTimeStamps(), late]), results, summary: batch.summary };
  });
  assert.equal(second.missing, 0);
  assert.deepEqual(second.summary, { signed: 30, failed: 0, withoutTimeStamp: 0 });
  assert.equal(new Set(second.results.map(({ id }) => id)).size, 30);
  assert.ok(second.results.every(({ level, reason }) => level === "t" && reason === undefined));
  assert.equal(agent.dialogs, 1);
  assert.equal(agent.signed.length, 30);
});

const CUSTOMERS = ["Livada Nord", "Moara Veche", "Apa Codrilor", "Tipografia Lumina", "Vinăria Dealu Mare", "Farmacia Salvia", "Brutăria Spicul",
  "Atelier Țesut", "Grădina Roua", "Librăria Cărturar", "Ceramica Orhei", "Transport Răut"];

for (const [language, done, invoice] of [["ro", "Toate cele 12 fișiere sunt semnate", "Factura"], ["en", "All 12 files are signed", "Invoice"]]) {
  test(`12 invoices, in ${language}: the picture of the README`, async (t) => {
    await agentFor(t);
    const page = await openPage(t, bench, { language, deviceScaleFactor: 1.5, viewport: { width: 1100, height: 860 } });
    await sign(page, documents(12, (index) => `${invoice} ${1183 + index} ${CUSTOMERS[index - 1]}.pdf`), { level: "t" });
    await headed(page, done, SLOW);
    assert.equal(await page.locator(".mark.signed").count(), 12);
    if (process.env.SIGNET_SCREENSHOTS === undefined) return;
    mkdirSync(process.env.SIGNET_SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: join(process.env.SIGNET_SCREENSHOTS, `page-signed-${language}.png`), fullPage: true, animations: "disabled" });
  });
}
