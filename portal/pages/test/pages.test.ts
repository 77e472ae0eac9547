import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { webcrypto } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SignetError } from "signet-sdk";
import { misfit, names } from "../src/certificate.js";
import { Claim, drawKey } from "../src/claim.js";
import { readData, type SignData, type SignedItem } from "../src/data.js";
import { digestFrom, idnp, msisdn, spaced } from "../src/numbers.js";
import { Portal, PortalError } from "../src/portal.js";
import { Saver } from "../src/saver.js";
import { byReason, firstInstrument, giveUpReason, initial, leavesByItself, search, unsigned } from "../src/state.js";
import { coded, moment, TEXTS } from "../src/texts.js";
import { fieldsOf, leadsToSite } from "../src/way_back.js";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = (name: string) => readFileSync(join(folder, "dist", name), "utf8");

test("dist/ holds four static files", () => {
  assert.deepEqual(readdirSync(join(folder, "dist")).sort(), ["favicon.svg", "index.html", "page.css", "page.js"]);
});

test("the page works under a strict policy: no inline script, style or handler, nothing from elsewhere", () => {
  const html = dist("index.html");
  assert.ok(!/<style|style=|\son[a-z]+=|javascript:/i.test(html));
  for (const [tag] of html.matchAll(/<script[^>]*>/g)) assert.ok(tag === '<script type="application/json" id="data">' || tag === '<script src="/page.js" defer>', tag);
  for (const name of ["index.html", "page.css"]) assert.ok(!/https?:\/\//.test(dist(name)), name);
  assert.ok(!/@import|url\(/.test(dist("page.css")));
  assert.ok(!/\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write/.test(dist("page.js")));
  assert.ok(!/localStorage|indexedDB|document\.cookie/.test(dist("page.js")), "nothing is kept but the sdk's handle");
});

test("the portal fills two places, each once", () => {
  assert.deepEqual(dist("index.html").match(/\{\{[^}]*\}\}/g), ["{{language}}", "{{data}}"]);
});

test("without JavaScript the page says so in three languages", () => {
  const said = /<noscript>([\s\S]*?)<\/noscript>/.exec(dist("index.html"))?.[1] ?? "";
  for (const language of ["ro", "ru", "en"]) assert.ok(said.includes(`lang="${language}"`), language);
});

test("every text that the HTML names is in the catalogue", () => {
  for (const [, key] of dist("index.html").matchAll(/data-(?:text|label)="([a-z_0-9]+)"/g)) assert.equal(typeof TEXTS.en[key as keyof typeof TEXTS.en], "string", key);
});

test("every text is there in each language's own letters, also those made of parts", () => {
  const keys = Object.keys(TEXTS.ro).sort();
  for (const [language, texts] of Object.entries(TEXTS)) {
    assert.deepEqual(Object.keys(texts).sort(), keys);
    for (const [key, text] of Object.entries(texts)) {
      const written = typeof text === "string" ? text : (text as (...parts: unknown[]) => string)(3, 7);
      assert.ok(written.length > 1 && !written.includes("undefined") && !written.includes("#"), `${language} ${key}: ${written}`);
      assert.ok(!/[şţŞŢ]/.test(written), `${key}: cedillas are not Romanian`);
      if (language !== "ru") assert.ok(!/[а-яё]/i.test(written), `${language} ${key}`);
      else if (!/^instrument_(moldsign|securesign)$/.test(key)) assert.ok(/[а-яё]/i.test(written), key);
    }
  }
});

test("counts follow the languages' plurals", () => {
  assert.deepEqual([1, 2, 19, 20, 101, 120].map(TEXTS.ro.sign), ["Semnează 1 document", "Semnează 2 documente", "Semnează 19 documente", "Semnează 20 de documente",
    "Semnează 101 documente", "Semnează 120 de documente"]);
  assert.deepEqual([1, 2, 5, 21, 111].map(TEXTS.ru.sign), ["Подписать 1 документ", "Подписать 2 документа", "Подписать 5 документов", "Подписать 21 документ", "Подписать 111 документов"]);
  assert.deepEqual([1, 3].map((seconds) => TEXTS.ro.leaving("servicii.example", seconds)), ["Peste 1 secundă reveniți la servicii.example.", "Peste 3 secunde reveniți la servicii.example."]);
  assert.equal(TEXTS.en.ended_success_count(1), "The document is signed");
});

test("each code of the contract has words of its own in each language; an unknown one has general words", () => {
  for (const texts of Object.values(TEXTS)) {
    const said = new Set<string>();
    const refused = ["signature_invalid", "other_hash", "signer_differs", "certificate_refused", "revocation_unknown", "time_stamp_missing", "certificate_not_of_instrument"];
    for (const code of refused) said.add(coded(texts, "refused_", code, "refused_other"));
    assert.equal(said.size, refused.length);
    for (const code of ["request_unknown", "return_url_refused", "return_url_missing", "parameter_invalid"]) {
      assert.notEqual(coded(texts, "error_", code, "error_internal"), texts.error_internal);
      assert.notEqual(coded(texts, "error_", `${code}_advice`, "error_internal_advice"), texts.error_internal_advice);
    }
    for (const id of ["moldsign", "nationalid", "securesign", "tax", "mobile", "sandbox"]) assert.equal(typeof texts[`instrument_${id}` as keyof typeof texts], "string");
    assert.equal(coded(texts, "refused_", "of_tomorrow", "refused_other"), texts.refused_other);
    assert.equal(coded(texts, "", "toString", "refused_other"), texts.refused_other);
  }
});

test("one document is spoken of as one, also by the rules of ro and ru", () => {
  assert.deepEqual([1, 2].map(TEXTS.en.problem_unsigned_advice), ["The next try is for this one alone.", "The next try is for these alone."]);
  assert.deepEqual([1, 2, 20].map(TEXTS.ro.problem_unsigned_advice), ["Încercarea următoare îl cuprinde numai pe acesta.", ...Array(2).fill("Încercarea următoare le cuprinde numai pe acestea.")]);
  assert.deepEqual([1, 2, 21].map(TEXTS.ru.problem_unsigned_advice), ["Следующая попытка коснётся только его.", ...Array(2).fill("Следующая попытка коснётся только их.")]);
  for (const texts of Object.values(TEXTS)) {
    for (const key of ["problem_cancelled_advice", "preparing", "preparing_text", "saving", "ended_failure", "waiting_consent"] as const) {
      assert.notEqual(texts[key](1).replace(/\d+/, ""), texts[key](21).replace(/\d+/, ""), key);
    }
  }
  assert.deepEqual([[1, 2], [2, 2], [3, 25]].map(([bad, count]) => TEXTS.ro.verify_some_invalid(bad as number, count as number)),
    ["1 din 2 semnături nu este validă", "2 din 2 semnături nu sunt valide", "3 din 25 de semnături nu sunt valide"]);
  assert.equal(TEXTS.en.verify_some_invalid(1, 2), "1 of 2 signatures is not valid");
  assert.deepEqual([210, 219, 220].map((count) => TEXTS.ro.listed("200", count)), ["210 documente", "219 documente", "220 de documente"].map((count) => `Lista cuprinde primele 200 din ${count}.`));
  assert.deepEqual([221, 222].map((count) => TEXTS.ru.listed("200", count)), ["В списке первые 200 из 221 документа.", "В списке первые 200 из 222 документов."]);
});

test("a time is written in the person's language; one that is none stays as it came", () => {
  assert.match(moment("ro", "2026-11-22T10:00:00Z"), /noiembrie 2026/);
  assert.match(moment("ru", "2026-11-22T10:00:00Z"), /ноября 2026/);
  assert.match(moment("en", "2026-11-22T10:00:00Z"), /^22 November 2026/);
  for (const language of ["ro", "ru", "en"] as const) assert.match(moment(language, "2026-11-22T10:00:00Z"), / \d\d:00 (UTC|[A-Z]{2,5}([+-]\d+)?)$/, "with its zone");
  assert.equal(moment("en", "soon"), "soon");
});

// The way back

test("what goes back is what the portal said, byte for byte", () => {
  const state = " a+b%20\u0219\u{1F600}\"<&>'\t";
  const data = readData(JSON.stringify({ page: "ended", return: { url: "https://e.example/", fields: { RequestID: "7f", RelayState: state } } }).replace(/</g, "\\u003c"));
  assert.ok(data.page === "ended" && data.return !== undefined);
  assert.deepEqual(fieldsOf(data.return), [["RequestID", "7f"], ["RelayState", state]]);
});

test("a way back leads to a site, never to a script", () => {
  assert.ok(leadsToSite("https://servicii.example/back"));
  for (const url of ["javascript:alert(1)", " https://x", "data:text/html,x", "//x", "/back", ""]) assert.ok(!leadsToSite(url), url);
});

test("a page that somebody came back to sends nobody away", () => {
  assert.deepEqual(["navigate", "prerender", "reload", "back_forward"].map(leavesByItself), [true, true, false, false]);
});

test("a page without readable data is an error page", () => {
  for (const text of [undefined, "", "{{data}}", "null", "{}", '{"page":"admin"}']) assert.deepEqual(readData(text), { page: "error", code: "internal" });
});

// The state

const SIGN: SignData = {
  page: "sign", request: "7f", consumer: "c", short_description: "s", documents: { count: 5, signed: 2, names: ["a", null] }, token: "t",
  instruments: [{ id: "moldsign", kind: "token", available: true }, { id: "mobile", kind: "mobile", available: false, reason: "not_configured" }],
};

test("the instrument is the named one, the only one, or nobody's choice yet", () => {
  assert.equal(firstInstrument(SIGN), "moldsign");
  assert.equal(firstInstrument({ ...SIGN, instrument: "mobile" }), "mobile");
  assert.equal(firstInstrument({ instruments: SIGN.instruments.map((one) => ({ ...one, available: true })) }), undefined);
  assert.equal(firstInstrument({ instruments: [] }), undefined);
});

test("a page begins with what the portal has", () => {
  const state = initial(SIGN, "ro");
  assert.deepEqual([state.view, state.signed, unsigned(SIGN, state.signed)], ["form", 2, 3]);
  assert.equal(initial({ page: "verify" }, "en").view, "verify");
});

test("the list is searched without regard to case and marks, by the number where there is no name", () => {
  const found = (query: string) => search(["Factură ȘTIUCĂ.pdf", null, "Ведомость.xlsx"], query, (number) => `Document ${number}`).map(({ number }) => number);
  assert.deepEqual(found(""), [1, 2, 3]);
  assert.deepEqual(found(" stiuca"), [1]);
  assert.deepEqual(found("DOCUMENT 2"), [2]);
  assert.deepEqual(found("ведом"), [3]);
  assert.deepEqual(found("?"), []);
});

test("refusals are told by reason, the commonest first", () => {
  assert.deepEqual(byReason(new Map([[4, "a"], [5, "b"], [9, "b"]]), (code) => code), [{ reason: "b", numbers: [5, 9] }, { reason: "a", numbers: [4] }]);
});

test("Give up tells the portal why, in the sdk's codes", () => {
  assert.equal(giveUpReason(undefined), "user_cancelled");
  assert.equal(giveUpReason({ kind: "agent", error: new SignetError("pin_locked", "") }), "pin_locked");
  assert.equal(giveUpReason({ kind: "unsigned" }), "user_cancelled");
});

// What people type

test("a phone number is taken as people write it, and nothing else", () => {
  for (const text of ["37369123456", "+373 69 123 456", "069123456", "0(69) 123-456", "0037369123456"]) assert.equal(msisdn(text), "37369123456", text);
  for (const text of ["", "69123456", "3736912345", "373691234567", "+40 722 123 456", "06912345a", "00069123456"]) assert.equal(msisdn(text), undefined, text);
  assert.equal(spaced("37369123456"), "+373 69 123 456");
});

test("an IDNP has thirteen digits", () => {
  assert.equal(idnp(" 2001234567890 "), "2001234567890");
  for (const text of ["", "200123456789", "20012345678901", "20012345678a0"]) assert.equal(idnp(text), undefined, text);
});

test("a pasted digest is known by its length, in hexadecimal or base64", () => {
  const bytes = Buffer.alloc(32, 0xab);
  assert.deepEqual(digestFrom(bytes.toString("hex").toUpperCase()), { algorithm: "sha256", digest: bytes.toString("base64") });
  assert.deepEqual(digestFrom(` ${bytes.toString("base64")}\n`), { algorithm: "sha256", digest: bytes.toString("base64") });
  assert.equal(digestFrom(Buffer.alloc(20).toString("hex"))?.algorithm, "sha1");
  assert.equal(digestFrom(Buffer.alloc(64).toString("base64"))?.algorithm, "sha512");
  for (const text of ["", "abcd", "!!".repeat(32), "ab".repeat(31)]) assert.equal(digestFrom(text), undefined, text);
});

// Certificates, made by OpenSSL

function certificate(t: { after(act: () => void): void }, subject: string): Uint8Array {
  const scratch = mkdtempSync(join(tmpdir(), "signet-"));
  t.after(() => rmSync(scratch, { recursive: true }));
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-utf8", "-days", "2", "-subj", subject, "-outform", "DER",
    "-keyout", join(scratch, "key.pem"), "-out", join(scratch, "certificate.der")], { stdio: "ignore" });
  return readFileSync(join(scratch, "certificate.der"));
}

test("a certificate of another issuer or another person is told before anything is signed", (t) => {
  const der = certificate(t, "/C=MD/O=Întreprindere/CN=Maria Rusu/serialNumber=2001234567890");
  const { issuer, subject_serial } = names(der);
  assert.equal(subject_serial, "2001234567890");
  const ours = Buffer.from(issuer).toString("base64");
  assert.equal(misfit(der, {}), undefined);
  assert.equal(misfit(der, { issuers: ["AAAA", ours], subject_serial: "2001234567890" }), undefined);
  assert.equal(misfit(der, { issuers: ["AAAA"] }), "issuer");
  assert.equal(misfit(der, { issuers: [ours], subject_serial: "2001234567891" }), "signer");
  assert.equal(misfit(certificate(t, "/CN=Maria Rusu/serialNumber=IDCMD-2001234567890"), { subject_serial: "2001234567890" }), undefined);
  assert.equal(misfit(certificate(t, "/CN=Maria Rusu"), { subject_serial: "2001234567890" }), "signer");
});

test("a certificate that cannot be read is left to the portal", (t) => {
  const der = certificate(t, "/CN=x");
  for (const bytes of [new Uint8Array(), new TextEncoder().encode("a certificate"), der.subarray(0, 60), new Uint8Array([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), new Uint8Array([0x30, 0x80, 0, 0])]) {
    assert.equal(misfit(bytes, { issuers: ["AAAA"] }), undefined);
  }
});

// The portal's calls

function answers(...list: (Response | Error)[]): { fetch: typeof fetch; asked: { url: string; init: RequestInit }[] } {
  const asked: { url: string; init: RequestInit }[] = [];
  return { asked, fetch: async (url, init) => {
    asked.push({ url: String(url), init: init ?? {} });
    const next = list.shift();
    if (next === undefined) throw new Error("asked too often");
    if (next instanceof Error) throw next;
    return next;
  } };
}
const json = (status: number, body: unknown, headers = {}) => new Response(JSON.stringify(body), { status, headers });

test("a call carries the page's token and its parameters", async () => {
  const { fetch, asked } = answers(json(200, { saved: 1 }));
  await new Portal("7f", "secret", { fetch }).call("save", { key: "k" });
  const { url, init } = asked[0] as { url: string; init: RequestInit };
  assert.equal(url, "/7f/save");
  assert.deepEqual(init.headers, { "content-type": "application/json", "signet-page": "secret" });
  assert.equal(init.body, '{"key":"k"}');
});

test("a network that fails is tried again with longer pauses, and the person hears of it", async () => {
  const { fetch } = answers(new TypeError("network"), json(503, { error: { code: "unavailable" } }), json(429, {}), json(200, { ok: 1 }));
  const slept: number[] = [];
  const told: (number | undefined)[] = [];
  const portal = new Portal("7f", "t", { fetch, sleep: async (ms) => void slept.push(ms), onTrouble: (seconds) => told.push(seconds) });
  assert.deepEqual(await portal.call("save"), { ok: 1 });
  assert.deepEqual(slept, [1_000, 2_000, 4_000]);
  assert.deepEqual(told, [1, 2, 4, undefined]);
});

test("what the portal says is not tried again", async () => {
  for (const [status, code] of [[409, "held"], [403, "token_invalid"], [400, "parameter_invalid"], [500, "internal"]] as const) {
    const { fetch, asked } = answers(json(status, { error: { code, message: "m" } }));
    await assert.rejects(new Portal("7f", "t", { fetch }).call("save"), (error) => error instanceof PortalError && error.code === code);
    assert.equal(asked.length, 1);
  }
  await assert.rejects(new Portal("7f", "t", { fetch: answers(new Response("<html>", { status: 200 })).fetch }).call("state"), (error) => error instanceof PortalError && error.code === "internal");
});

test("Cancel ends the waiting for a network", async () => {
  const abort = new AbortController();
  const { fetch } = answers(new TypeError("network"), new TypeError("network"));
  const portal = new Portal("7f", "t", { fetch, sleep: async () => abort.abort() });
  await assert.rejects(portal.call("claim", {}, abort.signal), { name: "AbortError" });
});

test("how long a claim lasts is told by the portal's clock, not by this computer's", async () => {
  const { fetch } = answers(json(200, { until: "2031-01-01T00:01:00Z", unsigned: 1 }, { date: "Wed, 01 Jan 2031 00:00:00 GMT" }));
  assert.equal((await new Portal("7f", "t", { fetch }).claim({ instrument: "moldsign", key: "k" })).lasts_ms, 60_000);
});

// The claim

test("a key is 32 hexadecimal digits, and another one each time", () => {
  // Browsers have it everywhere, Node.js from 20 on.
  if (globalThis.crypto === undefined) Object.defineProperty(globalThis, "crypto", { value: webcrypto });
  assert.match(drawKey(), /^[0-9a-f]{32}$/);
  assert.notEqual(drawKey(), drawKey());
});

/** Time that passes when the test says so. */
class Hand {
  private timers: { act: () => void; at: number }[] = [];
  private now = 0;
  set(act: () => void, ms: number): unknown {
    const timer = { act, at: this.now + ms };
    this.timers.push(timer);
    return timer;
  }
  clear(timer: unknown): void {
    this.timers = this.timers.filter((one) => one !== timer);
  }
  async pass(ms: number): Promise<void> {
    this.now += ms;
    const due = this.timers.filter(({ at }) => at <= this.now);
    this.timers = this.timers.filter(({ at }) => at > this.now);
    for (const { act } of due) act();
    await new Promise(setImmediate);
  }
}

test("a claim is renewed at half its time; when another page has it, the page hears of it", async () => {
  const hand = new Hand();
  let free = true;
  let asked = 0;
  const lost: unknown[] = [];
  const claim = new Claim({
    claim: async () => {
      asked += 1;
      if (!free) throw new PortalError("held", "");
      return { answer: { until: "", unsigned: 1 }, lasts_ms: 30_000 };
    },
    release: () => undefined,
  }, (error) => lost.push(error), "key", hand);
  await claim.take("moldsign");
  await hand.pass(14_999);
  assert.equal(asked, 1);
  await hand.pass(1);
  assert.equal(asked, 2);
  free = false;
  await hand.pass(15_000);
  assert.equal(lost.length, 1);
  assert.equal(claim.taken, false);
  await hand.pass(60_000);
  assert.equal(asked, 3, "and then no more");
});

test("a claim that ran out while the laptop slept is taken again, and the work repeated", async () => {
  let claims = 0;
  const released: string[] = [];
  const claim = new Claim({ claim: async () => (claims += 1, { answer: { until: "", unsigned: 1 }, lasts_ms: 30_000 }), release: (key) => void released.push(key) },
    () => undefined, "key", new Hand());
  await claim.take("moldsign");
  let tries = 0;
  assert.equal(await claim.guarded(async () => {
    tries += 1;
    if (tries === 1) throw new PortalError("held", "");
    return "done";
  }), "done");
  assert.deepEqual([claims, tries], [2, 2]);
  claim.release();
  claim.release();
  assert.deepEqual(released, ["key"], "given back once");
});

// Saving

test("results that come together go together; each promise settles with its own call", async () => {
  const calls: SignedItem[][] = [];
  let open: (() => void) | undefined;
  const saver = new Saver((results) => {
    calls.push(results);
    return new Promise((resolve) => (open = resolve));
  });
  const settled: number[] = [];
  const add = (number: number) => saver.add(number, "<x/>").then(() => settled.push(number));
  const first = [add(1), add(2)];
  await Promise.resolve();
  await Promise.resolve();
  add(3);
  assert.deepEqual(calls.map((call) => call.map(({ number }) => number)), [[1, 2]], "one call at a time");
  assert.deepEqual(settled, []);
  open?.();
  await Promise.all(first);
  await new Promise(setImmediate);
  assert.deepEqual(settled, [1, 2]);
  assert.deepEqual(calls[1], [{ number: 3, signature: "<x/>" }]);
  const idle = saver.idle();
  open?.();
  await idle;
  assert.deepEqual(settled, [1, 2, 3]);
});

test("no call holds more than 500 results or 4 MiB", async () => {
  const sizes: number[] = [];
  const most: number[] = [];
  const saver = new Saver(async (results) => {
    sizes.push(results.length);
    most.push(JSON.stringify({ key: "0".repeat(32), results }).length);
  });
  await Promise.all(Array.from({ length: 1_100 }, (_, number) => saver.add(number, "x")));
  assert.deepEqual(sizes, [500, 500, 100]);
  sizes.length = 0;
  await Promise.all(Array.from({ length: 40 }, (_, number) => saver.add(number, "\"".repeat(100_000))));
  assert.equal(sizes.reduce((sum, size) => sum + size), 40);
  assert.ok(Math.max(...most) < 4 * 1_024 * 1_024 && sizes.length > 1);
  await Promise.all([saver.add(1, "x".repeat(5_000_000)), saver.add(2, "y")]); // alone, for the portal to refuse
});

test("an error of the portal reaches those whose results it concerns, and the next can be saved", async () => {
  let fail = true;
  const saver = new Saver(async () => {
    if (fail) throw new PortalError("ended", "");
  });
  await assert.rejects(saver.add(1, "x"), PortalError);
  fail = false;
  await saver.add(2, "x");
});

test("versions are pinned and the lock file names no host", () => {
  const { devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { devDependencies: Record<string, string> };
  for (const [name, version] of Object.entries(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/, name);
  assert.ok(!readFileSync(join(folder, "package-lock.json"), "utf8").includes("://"));
});
