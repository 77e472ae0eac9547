import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { byKeyboard, headed, open, openPortalBench } from "./support.mjs";

let bench;
before(async () => {
  bench = await openPortalBench();
});
after(() => bench.close());

const VALID = { valid: true, message: "The signature is valid", subject: "C=MD, SERIALNUMBER=2001234567890, CN=Maria Rusu", signed_at: "2026-11-22T08:15:00Z" };
const xml = (algorithm = "http://www.w3.org/2001/04/xmlenc#sha256") => `<?xml version="1.0"?><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>
  <ds:Reference Type="http://uri.etsi.org/01903#SignedProperties"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/></ds:Reference>
  <ds:Reference><ds:DigestMethod Algorithm="${algorithm}"/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference></ds:SignedInfo></ds:Signature>`;
const file = (name, text) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(text) });
const verify = (page) => page.locator("#verify-submit").click();

test("the document is hashed here as the signature says, and only the digest goes out", async (t) => {
  for (const [uri, algorithm] of [["http://www.w3.org/2001/04/xmlenc#sha256", "sha256"], ["http://www.w3.org/2001/04/xmldsig-more#sha384", "sha384"],
    ["http://www.w3.org/2001/04/xmlenc#sha512", "sha512"], ["http://www.w3.org/2000/09/xmldsig#sha1", "sha1"], ["urn:unheard-of", "sha256"]]) {
    bench.server.verdict = { signatures: [VALID] };
    const page = await open(t, bench, "/verify");
    await page.locator("#signature-file").setInputFiles(file("a.xml", xml(uri)));
    await page.locator("#document-file").setInputFiles(file("a.pdf", "the document"));
    await verify(page);
    await headed(page, "The signature is valid");
    assert.deepEqual(bench.server.verified.at(-1), { signature: xml(uri), algorithm, digest: createHash(algorithm).update("the document").digest("base64"), language: "en" });
  }
});

test("a signature is verified with the keyboard alone", async (t) => {
  bench.server.verdict = { signatures: [VALID] };
  const page = await open(t, bench, "/verify");
  for (const [id, chosen] of [["signature-file", file("a.xml", xml())], ["document-file", file("a.pdf", "the document")]]) {
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), byKeyboard(page, id)]);
    await chooser.setFiles(chosen);
  }
  await byKeyboard(page, "verify-submit");
  await headed(page, "The signature is valid");
  assert.equal(await page.evaluate(() => document.activeElement.id), "verdict-heading");
});

test("yes and no are big, with the signer and the time; a change of the files takes the verdict away", async (t) => {
  bench.server.verdict = { signatures: [VALID, { valid: false, message: "The signature is not valid" }] };
  const page = await open(t, bench, "/verify");
  await page.locator("#signature-file").setInputFiles(file("a.xml", xml()));
  await verify(page);
  await headed(page, "1 of 2 signatures is not valid");
  assert.equal(await page.evaluate(() => document.activeElement.id), "verdict-heading");
  assert.ok((await page.locator("#verdict-list").textContent()).includes("CN=Maria Rusu"));
  assert.ok((await page.locator("#verdict-list").textContent()).includes("unknown: no time stamp"));
  assert.equal(bench.server.verified.at(-1).digest, undefined, "no document was given");
  await page.locator("#document-file").setInputFiles(file("b.pdf", "another"));
  assert.equal(await page.locator("#verdict").isVisible(), false);
  bench.server.verdict = { signatures: [{ valid: false, message: "" }] };
  await verify(page);
  await headed(page, "The signature is not valid");
  bench.server.verdict = { signatures: [] };
  await verify(page);
  await headed(page, "The file holds no signature");
});

test("each finding is told once, with all whose it is; times have their zone", async (t) => {
  const revoked = "The signature is not valid: the certificate was revoked";
  const told = async (signatures) => {
    bench.server.verdict = { signatures };
    const page = await open(t, bench, "/verify", { timezoneId: "Europe/Chisinau" });
    await page.locator("#signature-file").setInputFiles(file("a.xml", xml()));
    await verify(page);
    await page.locator("#verdict").waitFor();
    return { page, text: await page.locator("#verdict").innerText(), heading: await page.locator("#verdict-heading").textContent() };
  };
  const times = (text, words) => text.split(words).length - 1;
  const one = await told([VALID]);
  assert.deepEqual([one.heading, times(one.text, "is valid")], ["The signature is valid", 1]);
  assert.ok(one.text.includes("22 November 2026 at 10:15 EET"), one.text);
  const bad = await told([{ valid: false, message: revoked, subject: "CN=Maria Rusu" }]);
  assert.deepEqual([bad.heading, times(bad.text, "not valid"), times(bad.text, "CN=Maria Rusu")], [revoked, 1, 1]);
  const unsigned = await told([{ valid: false, message: "The signature is not valid: it is not well formed", subject: "" }]);
  assert.equal(times(unsigned.text, "Signer"), 0, "nobody is no signer");
  const good = await told([VALID, VALID, VALID]);
  assert.deepEqual([good.heading, times(good.text, "valid"), times(good.text, "CN=Maria Rusu")], ["All 3 signatures are valid", 1, 3]);
  const mixed = await told([{ ...VALID, message: "" }, ...["A", "B"].map((name) => ({ valid: false, message: revoked, subject: `CN=${name}` }))]);
  assert.deepEqual([mixed.heading, times(mixed.text, revoked), times(mixed.text, "The signature is valid")], ["2 of 3 signatures are not valid", 1, 1]);
  assert.match(mixed.text, /revoked[^]*CN=A[^]*CN=B[^]*is valid[^]*CN=Maria Rusu/);
});

test("a fingerprint may be pasted; one of the wrong length is told", async (t) => {
  bench.server.verdict = { signatures: [VALID] };
  const page = await open(t, bench, "/verify");
  await page.locator("#signature-file").setInputFiles(file("a.xml", xml()));
  await page.getByText("I have only the document's fingerprint").click();
  await page.getByLabel("Fingerprint (hash)").fill("abcd");
  await verify(page);
  await page.locator("#digest-error", { hasText: /^This is no SHA fingerprint/ }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "digest");
  await page.getByLabel("Fingerprint (hash)").fill("ab".repeat(64));
  await verify(page);
  await headed(page, "The signature is valid");
  assert.deepEqual([bench.server.verified.at(-1).algorithm, bench.server.verified.at(-1).digest], ["sha512", Buffer.alloc(64, 0xab).toString("base64")]);
});

test("what is no signature file is told here and sent nowhere", async (t) => {
  // Chromium's own words about broken XML have a style, which the policy keeps out.
  const page = await open(t, bench, "/verify", { complaints: ["Applying inline style violates"] });
  const before = bench.server.verified.length;
  await verify(page);
  await page.locator("#signature-error", { hasText: "Choose the signature's file." }).waitFor();
  await page.locator("#signature-file").setInputFiles(file("a.pdf", "%PDF-1.7"));
  await verify(page);
  await page.locator("#signature-error", { hasText: "is no XML" }).waitFor();
  await page.locator("#signature-file").setInputFiles(file("a.xml", "<a><b></a>"));
  await verify(page);
  await page.locator("#signature-error", { hasText: "is no XML" }).waitFor();
  await page.locator("#signature-file").setInputFiles(file("a.xml", `<a>${"x".repeat(3_000_001)}</a>`));
  await verify(page);
  await page.locator("#signature-error", { hasText: "too large" }).waitFor();
  assert.equal(bench.server.verified.length, before);
});

test("a portal that fails is no verdict", async (t) => {
  bench.server.verdict = undefined;
  const page = await open(t, bench, "/verify", { complaints: ["Failed to load resource"] });
  await page.locator("#signature-file").setInputFiles(file("a.xml", xml()));
  await verify(page);
  await headed(page, "Verifying was not possible");
});

test("a portal that is busy with others is named so, and asked again it gives its verdict", async (t) => {
  bench.server.verdict = "crowded";
  const page = await open(t, bench, "/verify", { complaints: ["Failed to load resource"] });
  await page.locator("#signature-file").setInputFiles(file("a.xml", xml()));
  await verify(page);
  await headed(page, "The portal is busy");
  assert.match(await page.locator("#verdict-advice").textContent(), /Try again in a minute/);
  bench.server.verdict = { signatures: [VALID] };
  await verify(page);
  await headed(page, "The signature is valid");
});

test("the language switch asks for the verdict in the other language", async (t) => {
  bench.server.verdict = { signatures: [VALID] };
  const page = await open(t, bench, "/verify");
  await page.locator("#signature-file").setInputFiles(file("a.xml", xml()));
  await verify(page);
  await headed(page, "The signature is valid");
  await page.locator("[data-language=ro]").click();
  await headed(page, "Semnătura este validă");
  assert.equal(await page.locator("#signature-name").textContent(), "a.xml");
  for (const end = Date.now() + 5_000; bench.server.verified.at(-1).language !== "ro"; ) {
    assert.ok(Date.now() < end);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
