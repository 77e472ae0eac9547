// What a person does at the e-service, at the Sign Page and at the agent's dialogs, and what is watched meanwhile.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BIN, ESERVICE, JOURNAL, PERSON, PORTAL } from "./support.mjs";

export const PIN = "482913";
/** The person of the token, and of its second certificate: the identity card's. */
export const HOLDER = { moldsign: "2000000000001", nationalid: "2000000000009" };
const ISSUERS = { moldsign: "Signet Demo CA", nationalid: "Identity Card TEST CA" };

const told = (name, text) => writeFileSync(join(PERSON, name), text);
const lines = (name) => readFileSync(join(PERSON, name), "utf8").split("\n").length - 1;
/** sign, cancel or cancel-pin. */
export const answer = (how) => told("answer", how);
export const types = (pin) => told("pin", `${pin}\n`);
/** Which certificate they take where they are asked. */
export const takes = (instrument) => told("certificate", ISSUERS[instrument]);
export const dialogs = () => lines("dialogs");
export const cancelledPins = () => lines("cancelled");
export function wellBehaved() {
  answer("sign");
  types(PIN);
  takes("moldsign");
}

/** Fails the test for an error on the console, a policy that was violated, and a host that is none of ours. `complaints` are expected. */
export function watch(t, page, complaints = []) {
  const heard = [], hosts = new Set();
  const hears = (text) => complaints.some((known) => text.includes(known)) || heard.push(text);
  page.on("pageerror", (error) => hears(String(error)));
  page.on("console", (message) => message.type() === "error" && hears(`${message.text()} ${message.location().url}`));
  page.on("request", (request) => hosts.add(new URL(request.url()).origin));
  page.on("websocket", (socket) => hosts.add(new URL(socket.url()).hostname));
  t.after(() => {
    assert.deepEqual(heard, []);
    // Firefox tells of the connection to the agent as of any request.
    const ours = [new URL(ESERVICE).origin, new URL(PORTAL).origin, process.env.SIGNET_SITE_AGENT, "127.0.0.1", "localhost", "null"];
    assert.deepEqual([...hosts].filter((host) => !ours.includes(host)), [], "asked others");
  });
}

/** The page of a new person, at the e-service's form, filled in. */
export async function form(t, browser, { documents = 3, named = "Invoice", instrument = "moldsign", complaints = [], ...fields } = {}) {
  const context = await browser.newContext({ locale: "en-GB" });
  t.after(() => context.close());
  await context.addInitScript(() => addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => console.error(`policy: ${violatedDirective} ${blockedURI}`)));
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  watch(t, page, complaints);
  await page.goto(`${ESERVICE}/`);
  await page.fill("#documents", texts(named, documents).join("\n"));
  await page.selectOption("#instrument", instrument);
  await page.selectOption("#lang", "en");
  for (const [name, value] of Object.entries(fields)) await page.fill(`#${name}`, value);
  return page;
}

export const texts = (named, count) => Array.from({ length: count }, (_, index) => `${named} ${index + 1}`);

/** To the Sign Page; answers the request's id, and what the e-service sent the person there with. */
export async function toSignPage(page) {
  await page.click("button");
  return onSignPage(page);
}

export async function onSignPage(page) {
  await page.waitForURL(`${PORTAL}/**`);
  await page.getByRole("heading", { level: 1, name: "Signing documents" }).waitFor();
  const { request: id, token, instrument, language: lang } = await page.evaluate(() => JSON.parse(document.querySelector("#data").textContent));
  // Not every browser tells what a form posted: the page's token has it, for the way back.
  const [ReturnUrl, RelayState] = token.split(".").slice(2, 4).map((part) => Buffer.from(part, "base64").toString());
  return { id, fields: { ReturnUrl, RelayState, lang, ...(instrument === undefined ? {} : { Instrument: instrument }) } };
}

async function shows(page, { message }) {
  throw new Error(`${message}\nthe page shows: ${(await page.locator("body").innerText()).slice(0, 1_000)}`);
}

export const chooseInstrument = (page, instrument) => page.locator(`#instruments input[value=${instrument}]`).check();
export const pressSign = (page) => page.getByRole("button", { name: /^Sign / }).click();
export const press = (page, name) => page.getByRole("button", { name }).click();
export const headed = (page, text) => page.locator("section.state:not([hidden]) > h2", { hasText: text }).waitFor().catch((error) => shows(page, error));

/** What the e-service reads once the person is back there; they press the button rather than wait until the page leads back by itself. */
export async function status(page) {
  await Promise.race([page.waitForURL(`${ESERVICE}/signed`), page.locator("#return-button").click({ noWaitAfter: true })]).catch(() => undefined);
  await page.waitForURL(`${ESERVICE}/signed`).catch((error) => shows(page, error));
  return (await page.locator("#status").textContent()).trim();
}

/** Until more than so many documents are signed, while others are not. */
export const signedMore = (page, count) => page.waitForFunction((than) =>
  Number(document.querySelector("#bar")?.value) > than && document.querySelector("#bar-text").textContent.endsWith("signed"), count);

/** What the agent's journal says: its lines of an event, each with its time in milliseconds. */
export const journaled = (event) => [...readFileSync(JOURNAL, "utf8").matchAll(/^\d+ (\S+) (\S+) (.*)$/gm)]
  .filter(([, , what]) => what === event).map(([, time, , fields]) => ({ time: Date.parse(time), fields }));

/** How often each of these documents stands in the agent's journal as signed; the journal is whole. */
export function signings(documents) {
  execFileSync(`${BIN}/signet`, ["journal", "verify", JOURNAL]);
  const counts = new Map(documents.map((text) => [createHash("sha256").update(text).digest("hex"), 0]));
  for (const { fields } of journaled("signed")) {
    for (const item of decodeURIComponent(fields.match(/\bitems=(\S+)/)[1]).split(",")) {
      const hash = item.split(":")[1];
      if (counts.has(hash)) counts.set(hash, counts.get(hash) + 1);
    }
  }
  return [...counts.values()];
}
export const assertOnce = (documents) => assert.deepEqual(signings(documents), documents.map(() => 1));
