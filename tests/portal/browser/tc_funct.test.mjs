// The test cases of the service that the contract comes from (TC_FUNCT_01 to 06), with a browser, the sample e-service, the portal and an
// agent with a token. Run by run.sh.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test as named } from "node:test";
import { BROWSER, ESERVICE, openBrowser, PERSON, PORTAL } from "./support.mjs";

const IDNP = "2001234567892";
const test = (name, work) => named(`${name} (${BROWSER})`, work);

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser.close());

const answer = (how) => writeFileSync(join(PERSON, "answer"), how);
const dialogs = () => readFileSync(join(PERSON, "dialogs"), "utf8").split("\n").length - 1;

/** The e-service's form, filled in. */
async function form(t, { documents = 3, instrument = "moldsign", ...fields } = {}) {
  const context = await browser.newContext({ locale: "en-GB" });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  t.after(() => assert.deepEqual(complaints, []));
  await page.goto(`${ESERVICE}/`);
  await page.fill("#documents", Array.from({ length: documents }, (_, index) => `Invoice ${index + 1}`).join("\n"));
  await page.selectOption("#instrument", instrument);
  await page.selectOption("#lang", "en");
  for (const [name, value] of Object.entries(fields)) await page.fill(`#${name}`, value);
  return page;
}

async function toSignPage(page) {
  await page.click("button");
  await page.waitForURL(`${PORTAL}/**`);
  await page.getByRole("heading", { level: 1, name: "Signing documents" }).waitFor();
}

const pressSign = (page) => page.getByRole("button", { name: /^Sign / }).click();
const status = async (page) => {
  await page.waitForURL(`${ESERVICE}/signed`);
  return (await page.locator("#status").textContent()).trim();
};

async function signed(t, options) {
  const page = await form(t, options);
  await toSignPage(page);
  if (options?.instrument === "sandbox") await page.getByLabel(/IDNP/).fill(IDNP);
  await pressSign(page);
  assert.match(await status(page), /^Success/);
  return page;
}

for (const [instrument, documents] of [["moldsign", 120], ["nationalid", 3], ["sandbox", 5]]) {
  test(`TC_FUNCT_01 the signing succeeds and leads back to the e-service, with ${instrument}`, async (t) => {
    answer("sign");
    const before = dialogs();
    const page = await signed(t, { instrument, documents });
    assert.equal(await page.locator("a[download]").count(), documents);
    // The first time the certificate is told to the portal's page only after a dialog of its own.
    if (instrument === "sandbox") assert.equal(dialogs(), before);
    else assert.ok([1, 2].includes(dialogs() - before), "one consent for the whole batch");
  });
}

test("TC_FUNCT_02 cancelled while the PIN is asked: a reason that says what happened, and the e-service shows the failure", async (t) => {
  answer("cancel");
  const page = await form(t);
  await toSignPage(page);
  await pressSign(page);
  await page.getByRole("button", { name: "Try again" }).waitFor();
  assert.match(await page.locator("main").innerText(), /not confirmed/i);
  await page.getByRole("button", { name: "Give up" }).click();
  assert.match(await status(page), /^Failure: Signing was cancelled by the user\.$/);
  answer("sign");
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
  answer("sign");
  const page = await form(t);
  await toSignPage(page);
  await page.goto(`${ESERVICE}/`);
  await page.selectOption("#instrument", "moldsign");
  await page.selectOption("#lang", "en");
  await toSignPage(page);
  await pressSign(page);
  assert.match(await status(page), /^Success/);
});

test("TC_FUNCT_04 a bad MSISDN is refused by the e-service, a bad IDNP by the service: an error, no redirect", async (t) => {
  for (const [fields, said] of [[{ msisdn: "12345" }, /phone number/], [{ idnp: "123" }, /InvalidParameter: ExpectedSigner\.ID/]]) {
    const page = await form(t, fields);
    await page.click("button");
    assert.match(await page.getByRole("alert").textContent(), said);
    assert.ok(page.url().startsWith(ESERVICE));
  }
});

test("TC_FUNCT_05 what was signed verifies as valid", async (t) => {
  answer("sign");
  const page = await signed(t);
  await page.getByRole("button", { name: "Verify", exact: true }).click();
  const rows = page.locator("#verified tr.good");
  await rows.first().waitFor();
  assert.equal(await rows.count(), 3);
  assert.match(await rows.first().innerText(), /The signature is valid.*Ana Demo/s);
});

test("TC_FUNCT_06 data that were changed after the signing are clearly invalid", async (t) => {
  answer("sign");
  const page = await signed(t);
  await page.getByRole("button", { name: "Verify as if the documents had been changed" }).click();
  const rows = page.locator("#verified tr.bad");
  await rows.first().waitFor();
  assert.equal(await rows.count(), 3);
  assert.match(await rows.first().innerText(), /The signature is not valid: it is not over this content/);
});

test("a page that is loaded again in the middle goes on with what is unsigned, and nothing is signed twice", async (t) => {
  answer("sign");
  const page = await form(t, { documents: 400 });
  await toSignPage(page);
  await pressSign(page);
  await page.locator("#bar").waitFor();
  await page.waitForFunction(() => Number(document.querySelector("#bar")?.value) > 20);
  page.on("dialog", (dialog) => dialog.accept());
  await page.reload();
  await page.getByRole("heading", { level: 1 }).waitFor();
  if (page.url().startsWith(PORTAL)) {
    const again = page.getByRole("button", { name: /^(Sign|Go on|Continue)/ });
    await Promise.race([again.first().waitFor().then(() => again.first().click()), page.waitForURL(`${ESERVICE}/signed`)]);
  }
  assert.match(await status(page), /^Success/);
  assert.equal(await page.locator("a[download]").count(), 400);
});
