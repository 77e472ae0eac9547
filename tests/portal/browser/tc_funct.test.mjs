// The test cases of the service that the contract comes from (TC_FUNCT_01 to 06), with a browser, the sample e-service, the portal and an
// agent with a token. Run by run.sh.
import assert from "node:assert/strict";
import { after, before, test as named } from "node:test";
import {
  answer, assertOnce, cancelledPins, chooseInstrument, dialogs, form as filled, headed, HOLDER, onSignPage, press, pressSign, signedMore, status, takes, texts, toSignPage, wellBehaved,
} from "./person.mjs";
import { BROWSER, ESERVICE, openBrowser, PORTAL } from "./support.mjs";

const HOSTILE = ["'; DROP TABLE requests; --", "</script><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "<svg onload=alert(1)>'||(SELECT secret FROM secrets)||'", "&lt;b&gt; {{1}} <!--"];
const IDNP = "2001234567892";

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

const test = (name, work) => named(`${name} (${BROWSER})`, (t) => {
  wellBehaved();
  return work(t);
});
const form = (t, options) => filled(t, browser, options);

async function signed(t, options) {
  const page = await form(t, options);
  await toSignPage(page);
  if (options?.instrument === "sandbox") await page.getByLabel(/IDNP/).fill(IDNP);
  await pressSign(page);
  assert.match(await status(page), /^Success/);
  return page;
}

/** The signers of what is shown as signed, as the service says when it verifies them. */
async function signers(page) {
  await page.getByRole("button", { name: "Verify", exact: true }).click();
  const rows = page.locator("#verified tr.good");
  await rows.first().waitFor();
  return rows.allInnerTexts();
}

for (const [instrument, documents] of [["moldsign", 120], ["sandbox", 5]]) {
  test(`TC_FUNCT_01 the signing succeeds and leads back to the e-service, with ${instrument}`, async (t) => {
    const before = dialogs();
    const page = await signed(t, { instrument, documents });
    assert.equal(await page.locator("a[download]").count(), documents);
    // The first time the certificate is told to the portal's page only after a dialog of its own.
    if (instrument === "sandbox") assert.equal(dialogs(), before);
    else assert.ok(dialogs() - before <= 3, "one consent for the whole batch");
  });
}

test("TC_FUNCT_01 the instrument is chosen on the page, and each takes certificates of its own issuer alone", async (t) => {
  // The agent knows the page's certificate from before: it is the other instrument's.
  for (const instrument of ["nationalid", "moldsign"]) {
    const page = await form(t, { instrument: "" });
    await toSignPage(page);
    await chooseInstrument(page, instrument);
    await pressSign(page);
    await headed(page, "The certificate is not one of the chosen instrument");
    takes(instrument);
    await press(page, "Choose another certificate");
    assert.match(await status(page), /^Success/);
    const rows = await signers(page);
    assert.equal(rows.length, 3);
    for (const row of rows) assert.match(row, instrument === "nationalid" ? /Ana Card/ : /Ana Demo/);
  }
});

test("TC_FUNCT_01 who was expected signs; the certificate of another person is told, and nothing is signed with it", async (t) => {
  await signed(t, { idnp: HOLDER.moldsign });
  const page = await form(t, { idnp: IDNP });
  await toSignPage(page);
  const before = dialogs();
  await pressSign(page);
  await headed(page, "The certificate is another person's");
  assert.equal(dialogs(), before, "no consent was asked");
  await press(page, "Give up");
  assert.match(await status(page), /^Failure/);
  assert.equal(await page.locator("a[download]").count(), 0);
});

test("TC_FUNCT_02 cancelled while the PIN is asked: a reason that says what happened, and the e-service shows the failure", async (t) => {
  answer("cancel-pin");
  const before = cancelledPins();
  const page = await form(t);
  await toSignPage(page);
  await pressSign(page);
  await headed(page, "Signing was not confirmed");
  assert.equal(cancelledPins(), before + 1, "where the PIN is asked");
  await page.getByRole("button", { name: "Try again" }).waitFor();
  await press(page, "Give up");
  assert.match(await status(page), /^Failure: Signing was cancelled by the user\.$/);
});

test("TC_FUNCT_02 cancelled, then tried again: it signs after all", async (t) => {
  answer("cancel");
  const page = await form(t);
  await toSignPage(page);
  await pressSign(page);
  await page.getByRole("button", { name: "Try again" }).waitFor();
  answer("sign");
  await page.getByRole("button", { name: "Try again" }).click();
  assert.match(await status(page), /^Success/);
});

test("TC_FUNCT_03 back from the Sign Page and Sign again: the page shows again, and signs", async (t) => {
  const page = await form(t);
  const first = await toSignPage(page);
  await page.evaluate(() => {
    globalThis.left = true;
  });
  await page.goBack({ waitUntil: "commit" });
  // The e-service's form; or the page between, as browsers remember it or not, whose own form (go) leads to the Sign Page again.
  await page.waitForFunction(() => globalThis.left === undefined && document.readyState === "complete" && document.querySelector("#go") === null);
  if (page.url().startsWith(ESERVICE)) {
    await page.selectOption("#instrument", "moldsign");
    await page.selectOption("#lang", "en");
    assert.notEqual((await toSignPage(page)).id, first.id);
  } else {
    await onSignPage(page);
  }
  await pressSign(page);
  assert.match(await status(page), /^Success/);
});

test("TC_FUNCT_04 a bad MSISDN is refused by the e-service, a bad IDNP by the service: an error, no redirect", async (t) => {
  for (const [fields, said] of [[{ msisdn: "12345" }, /phone number/], [{ idnp: "123" }, /InvalidParameter: ExpectedSigner\.ID/]]) {
    const page = await form(t, { ...fields, complaints: ["status of 400"] });
    await page.click("button");
    assert.match(await page.getByRole("alert").textContent(), said);
    assert.ok(page.url().startsWith(ESERVICE));
  }
});

test("TC_FUNCT_05 what was signed verifies as valid", async (t) => {
  const page = await signed(t);
  await page.getByRole("button", { name: "Verify", exact: true }).click();
  const rows = page.locator("#verified tr.good");
  await rows.first().waitFor();
  assert.equal(await rows.count(), 3);
  assert.match(await rows.first().innerText(), /The signature is valid.*Ana Demo/s);
});

test("TC_FUNCT_06 data that were changed after the signing are clearly invalid", async (t) => {
  const page = await signed(t);
  await page.getByRole("button", { name: "Verify as if the documents had been changed" }).click();
  const rows = page.locator("#verified tr.bad");
  await rows.first().waitFor();
  assert.equal(await rows.count(), 3);
  assert.match(await rows.first().innerText(), /The signature is not valid: it is not over this content/);
});

test("TC_FUNCT_06 a signature that was damaged after the signing is clearly invalid", async (t) => {
  const page = await signed(t);
  await page.getByRole("button", { name: "Verify as if the signatures had been damaged" }).click();
  const rows = page.locator("#verified tr.bad");
  await rows.first().waitFor();
  assert.equal(await rows.count(), 3);
  assert.match(await rows.first().innerText(), /The signature is not valid/);
});

test("a return that nobody was sent with is none: the e-service asks the service, and shows what that says", async (t) => {
  const page = await form(t), other = await form(t);
  const [{ id, fields }, theirs] = [await toSignPage(page), await toSignPage(other)];
  const returned = async (RequestID, RelayState) => {
    const answered = await fetch(`${ESERVICE}/signed`, { method: "POST", body: new URLSearchParams({ RequestID, RelayState }) });
    return [answered.status, await answered.text()];
  };
  for (const [request, state] of [["0".repeat(32), fields.RelayState], [id, "x"], [id, ""], [id, theirs.fields.RelayState], [theirs.id, fields.RelayState], ["", ""]]) {
    const [code, text] = await returned(request, state);
    assert.deepEqual([code, text.includes("belongs to no order of ours")], [400, true]);
  }
  const [code, text] = await returned(id, fields.RelayState);
  assert.equal(code, 200);
  assert.match(text, /class=bad[^>]*>Pending/);
  assert.ok(!text.includes("download="));
});

test("a page that is loaded again in the middle goes on with what is unsigned, and nothing is signed twice", async (t) => {
  const page = await form(t, { documents: 400, named: "Loaded again", complaints: ["Failed to load resource"] });
  await toSignPage(page);
  await pressSign(page);
  await signedMore(page, 20);
  page.on("dialog", (dialog) => dialog.accept());
  await page.reload();
  assert.match(await status(page), /^Success/);
  assert.equal(await page.locator("a[download]").count(), 400);
  assertOnce(texts("Loaded again", 400));
});

/** The pairs that a page's POST to the e-service had, percent-decoded: as bytes, whatever a parser would make of them. */
const returned = (request) => new Map(request.postData().split("&").map((pair) => pair.split("=")
  .map((part) => part.replaceAll("+", " ").replace(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))))));

test("TC_FUNCT_01 texts of markup and SQL are texts, at the e-service, on the Sign Page and in the verdict, and such a RelayState comes back byte for byte", async (t) => {
  const page = await form(t, { instrument: "moldsign" });
  await page.fill("#documents", HOSTILE.join("\n"));
  await page.fill("#title", HOSTILE[2]);
  const harmless = await form(t, { instrument: "moldsign", documents: HOSTILE.length, complaints: ["status of 400"] }); // of the e-service, to a return that is none
  for (const one of [page, harmless]) one.on("dialog", () => assert.fail("a dialog"));
  const { id, fields } = await toSignPage(page);
  const other = await toSignPage(harmless);
  const elements = () => JSON.stringify([...document.querySelectorAll("*")].map(({ localName }) => localName));
  for (const one of [page, harmless]) await one.locator("#documents-list li").nth(HOSTILE.length - 1).waitFor({ state: "attached" });
  assert.equal(await page.evaluate(elements), await harmless.evaluate(elements));
  assert.ok((await page.locator("#about").innerText()).includes(HOSTILE[2]));
  await pressSign(page);
  assert.match(await status(page), /^Success/);
  for (const text of HOSTILE) assert.equal(await page.getByRole("cell", { name: text, exact: true }).count(), 1, text);
  assert.equal((await signers(page)).length, HOSTILE.length);
  for (const text of HOSTILE) assert.equal(await page.getByRole("cell", { name: text, exact: true }).count(), 1, text);
  assert.equal(await page.locator("script, img, svg, b").count(), 0);

  assertOnce(HOSTILE);
  if (BROWSER === "firefox") return; // it tells nobody what a form posted
  for (const text of [...HOSTILE, "a\r\nb\tc\n", " \u0000\u0001\u007f\ufeff\u2028\u{1F58B} %41%zz&=+;"]) {
    const [request] = await Promise.all([
      harmless.waitForRequest(`${ESERVICE}/signed`),
      (async () => {
        await harmless.goto(`${PORTAL}/${id}?${new URLSearchParams({ ...fields, RelayState: text })}`);
        await harmless.locator("#return-button").click();
      })(),
    ]);
    const back = returned(request);
    const line_ends = text.replace(/\r?\n/g, "\r\n"); // as every form sends them
    assert.deepEqual([back.get("RequestID"), back.get("RelayState")], [id, Buffer.from(line_ends).toString("latin1")]);
  }
});
