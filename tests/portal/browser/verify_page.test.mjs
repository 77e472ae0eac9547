// The verification page in Chromium with the portal behind it. Run by verify_page.py.
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "../../browser/node_modules/playwright-core/index.mjs";

const PAGE = process.env.SIGNET_VERIFY_PAGE;
const FILES = process.env.SIGNET_VERIFY_FILES;
const ORIGIN = new URL(PAGE).origin;
const IDNP = "2001234567892";
const HOSTILE = "<img src=x onerror=alert(1)>'; DROP TABLE requests; --";
const file = (name) => join(FILES, name);

let browser, folder;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "verify-page-"));
  browser = await chromium.launch({ executablePath: process.env.SIGNET_TEST_CHROMIUM ?? "/usr/bin/chromium", headless: true, args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] });
});
after(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

/** The page; what it asks the portal is kept in `asked`. Ends with the check that nothing went wrong in it, and nothing elsewhere. */
async function open(t, { language = "en", viewport, complaints = [] } = {}) {
  const context = await browser.newContext({ locale: "en-GB", viewport });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const asked = [], wrong = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(`${ORIGIN}/`)) wrong.push(request.url());
    if (request.method() === "POST") asked.push(request.postDataBuffer());
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("dialog", (dialog) => { wrong.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on("console", (message) => { if (message.type() === "error" && !complaints.some((one) => message.text().includes(one))) wrong.push(message.text()); });
  t.after(() => assert.deepEqual(wrong, []));
  await page.goto(`${PAGE}?lang=${language}`);
  return { page, asked };
}

async function verdict(page, signature, document, heading) {
  await page.locator("#signature-file").setInputFiles(signature === undefined ? [] : file(signature));
  await page.locator("#document-file").setInputFiles(document === undefined ? [] : file(document));
  await page.locator("#verify-submit").click();
  await page.locator("#verdict-heading", { hasText: heading }).waitFor();
  return page.locator("#verdict").innerText();
}

const picture = async (page, name) => {
  if (process.env.SIGNET_SCREENSHOTS) await page.screenshot({ path: join(process.env.SIGNET_SCREENSHOTS, `${name}.png`), fullPage: true });
};

test("a document of 5 MB and its signature: valid in three languages and sizes, and of the document only its hash went out", async (t) => {
  const words = { en: ["The signature is valid", /Signer/], ro: ["Semnătura este validă", /Semnatar/], ru: ["Подпись действительна", /Подписал/] };
  const sizes = { en: { width: 1280, height: 800 }, ro: { width: 390, height: 844 }, ru: { width: 1080, height: 1920 } };
  for (const [language, [heading]] of Object.entries(words)) {
    const { page, asked } = await open(t, { language, viewport: sizes[language] });
    const told = await verdict(page, "detached.xml", "contract.pdf", heading);
    assert.ok(told.includes(IDNP) && told.includes(heading), told);
    assert.match(told, /20\d\d/, "the time of signing");
    assert.equal(asked.length, 1);
    assert.ok(asked[0].length < 100_000);
    assert.ok(!asked[0].includes("THE CONTRACT"));
    const body = JSON.parse(asked[0].toString());
    assert.deepEqual(Object.keys(body).sort(), ["algorithm", "digest", "language", "signature"]);
    assert.equal(Buffer.from(body.digest, "base64").toString("hex"), readFileSync(file("contract.sha256"), "utf8"));
    await picture(page, `verify-valid-${language}`);
  }
});

test("the wrong document and a damaged signature: each says what is wrong", async (t) => {
  const { page } = await open(t);
  assert.match(await verdict(page, "detached.xml", "other.pdf", "The signature is not valid"), /it is not over this content/);
  assert.match(await verdict(page, "damaged.xml", "contract.pdf", "The signature is not valid"), /changed or is damaged/);
  await picture(page, "verify-damaged-en");
  assert.match(await verdict(page, "no-signature.xml", "contract.pdf", "The signature is not valid"), /not well formed/);
});

test("a signature without its document: the page asks for it, in each language", async (t) => {
  for (const [language, words] of Object.entries({ en: "Choose the document too", ro: "Alegeți și documentul", ru: "Выберите и документ" })) {
    const { page, asked } = await open(t, { language });
    await page.locator("#signature-file").setInputFiles(file("detached.xml"));
    await page.locator("#verify-submit").click();
    await page.locator("#document-error", { hasText: words }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "document-file");
    assert.equal(asked.length, 0);
  }
});

test("with the fingerprint instead of the document", async (t) => {
  const { page, asked } = await open(t);
  await page.locator("#paste summary").click();
  await page.locator("#digest").fill(readFileSync(file("contract.sha256"), "utf8"));
  await verdict(page, "detached.xml", undefined, "The signature is valid");
  await page.locator("#digest").fill("00".repeat(32));
  assert.match(await verdict(page, "detached.xml", undefined, "The signature is not valid"), /not over this content/);
  assert.equal(asked.length, 2);
});

test("one that carries the hash: without the document, with it, and with another", async (t) => {
  const { page } = await open(t);
  for (const name of ["enveloping.xml", "enveloping-sha512.xml"]) {
    assert.match(await verdict(page, name, undefined, "The signature is valid"), /Ion Țurcanu/);
    await verdict(page, name, "contract.pdf", "The signature is valid");
    await verdict(page, name, "other.pdf", "The signature is not valid");
  }
});

test("too large and no XML are told here, and sent nowhere", async (t) => {
  const { page, asked } = await open(t, { complaints: ["Applying inline style violates"] });
  for (const [name, words] of [["large.xml", "too large"], ["no-xml.xml", "is no XML"]]) {
    await page.locator("#signature-file").setInputFiles(file(name));
    await page.locator("#verify-submit").click();
    await page.locator("#signature-error", { hasText: words }).waitFor();
  }
  assert.equal(asked.length, 0);
});

test("names of markup and SQL, of files and of the signer, are shown as they are and do nothing", async (t) => {
  const { page } = await open(t);
  const names = [`${HOSTILE.replaceAll("/", "")}.xml`, `"><script>alert(2)<${"\u2215"}script>.pdf`];
  copyFileSync(file("hostile.xml"), join(folder, names[0]));
  copyFileSync(file("contract.pdf"), join(folder, names[1]));
  await page.locator("#signature-file").setInputFiles(join(folder, names[0]));
  await page.locator("#document-file").setInputFiles(join(folder, names[1]));
  assert.equal(await page.locator("#signature-name").textContent(), names[0]);
  assert.equal(await page.locator("#document-name").textContent(), names[1]);
  await page.locator("#verify-submit").click();
  await page.locator("#verdict-heading", { hasText: "The signature is valid" }).waitFor();
  assert.ok((await page.locator("#verdict-list").innerText()).includes(`CN=${HOSTILE}`));
  assert.equal(await page.locator("main img, main script").count(), 0);
  await picture(page, "verify-hostile-en");
});

test("the language switch tells the verdict in the other language", async (t) => {
  const { page, asked } = await open(t);
  await verdict(page, "detached.xml", "other.pdf", "The signature is not valid");
  await page.locator("[data-language=ru]").click();
  await page.locator("#verdict-heading", { hasText: "она относится к другому содержимому" }).waitFor();
  assert.equal(JSON.parse(asked.at(-1).toString()).language, "ru");
});
