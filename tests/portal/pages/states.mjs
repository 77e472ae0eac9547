// Every state that a person can see, and how to get there; looked at by accessibility.test.mjs, which also takes the pictures.
import { FAILED_CALLS, FAILED_CONNECTIONS } from "./support.mjs";

const INSTRUMENTS = [
  ...["moldsign", "nationalid", "securesign", "tax"].map((id) => ({ id, kind: "token", available: true, reason: "" })),
  { id: "mobile", kind: "mobile", available: false, reason: "no_phones" },
  { id: "sandbox", kind: "sandbox", available: true, reason: "" },
];
const NAMES = ["Contract de prestări servicii nr. 118.pdf", "Счёт за ноябрь 2026.pdf", null, "Proces-verbal de recepție a lucrărilor de reparație capitală, etapa a doua, semnat de comisie.docx"];
const DELEGATED = { on_behalf_of: { type: "Organization", id: "1003600012346" } };

const sign = (page) => page.locator("#sign").click();
const shown = (page, id) => page.locator(`#${id}`).waitFor();

/** `request`: what the portal has; `path`: another page than a request's; `agent`: its script, null: none runs. */
export const STATES = {
  form: { request: { count: 300, signed: 120, data: { test: true, instruments: INSTRUMENTS, ...DELEGATED } }, go: async () => undefined },
  form_list: {
    request: { count: 300, data: { instruments: INSTRUMENTS } },
    go: async (page) => {
      await page.locator("#documents summary").click();
      await page.locator("#search").fill("invoice-2");
      await page.locator("#instruments input").nth(1).check();
      await page.evaluate(() => document.activeElement.blur());
    },
  },
  form_named: { request: { count: 4, data: { instruments: INSTRUMENTS, instrument: "nationalid", documents: { count: 4, signed: 0, names: NAMES } } }, go: async () => undefined },
  form_missing: { request: { count: 21, data: { instruments: INSTRUMENTS } }, go: sign },
  form_mobile: {
    request: { data: { instruments: [{ id: "mobile", kind: "mobile", available: true }], msisdn: "3736" } },
    go: sign,
  },
  form_sandbox: {
    request: { data: { test: true, instruments: INSTRUMENTS } },
    go: async (page) => {
      await page.locator("#instruments input[value=sandbox]").check();
      await sign(page);
    },
  },
  held: { request: { count: 300, signed: 120 }, claimed: true, go: (page) => shown(page, "held") },
  waiting: {
    request: { count: 300 },
    complaints: FAILED_CONNECTIONS, // the agent goes before the page
    agent: { consents: [true, "wait"], certificate: { der: "AAAA", id: "9b", subject: "CN=Maria Rusu", issuer: "CN=CA", not_before: "2026-01-01T00:00:00Z", not_after: "2026-12-04T00:00:00Z", validity: "expires_soon", days_left: 12 } },
    go: async (page) => {
      await sign(page);
      await shown(page, "work-countdown");
    },
  },
  signing: {
    request: { count: 300, signed: 120 },
    agent: { chunk: 25, chunkDelay_ms: 3_000 },
    go: async (page) => {
      await sign(page);
      await page.locator("#bar-batch", { hasText: /25/ }).waitFor();
    },
  },
  trouble: {
    request: { count: 300 },
    agent: { chunk: 25, chunkDelay_ms: 1_500 },
    complaints: FAILED_CALLS,
    go: async (page, request) => {
      await sign(page);
      await page.locator("#bar-text", { hasText: /^[^\d]*25[^\d]/ }).waitFor();
      request.broken = true;
      await shown(page, "trouble");
    },
  },
  not_running: {
    request: {},
    agent: null,
    complaints: FAILED_CONNECTIONS,
    go: async (page) => {
      await sign(page);
      await shown(page, "problem");
    },
  },
  wrong_pin: {
    request: { count: 21, data: { instruments: INSTRUMENTS } },
    agent: { consents: [true, { code: "pin_incorrect", who: "person", tries_left: 1, final_try: true }] },
    go: async (page) => {
      await page.locator("#instruments input").first().check();
      await sign(page);
      await shown(page, "problem");
    },
  },
  refused: {
    request: { count: 60 },
    refusing: () => new Map([[2, "certificate_refused"], ...[10, 11, 12, 13, 14, 15, 16].map((number) => [number, "revocation_unknown"])]),
    agent: { failing: new Map([["19", "token_failed"]]) },
    go: async (page) => {
      await sign(page);
      await shown(page, "reasons");
    },
  },
  phone: {
    request: { data: { instruments: [{ id: "mobile", kind: "mobile", available: true }], msisdn: "37369123456" } },
    go: async (page) => {
      await sign(page);
      await shown(page, "phone-code");
    },
  },
  phone_simulated: {
    request: { simulated: true, data: { test: true, instruments: [{ id: "mobile", kind: "mobile", available: true }], msisdn: "37369123456" } },
    go: async (page) => {
      await sign(page);
      await shown(page, "phone-test");
    },
  },
  success: {
    request: { count: 300 },
    go: async (page) => {
      await sign(page);
      await shown(page, "leaving");
    },
  },
  failure: { request: {}, ended: { status: "failure", reason: "user_cancelled" }, go: (page) => shown(page, "leaving") },
  expired_back: { request: { count: 1 }, ended: { status: "expired" }, go: (page) => shown(page, "return-button") },
  expired: { request: { no_return: true }, ended: { status: "expired" }, go: (page) => shown(page, "ended") },
  error_unknown: { path: "/error/request_unknown", go: (page) => shown(page, "error") },
  error_parameter: { path: "/error/parameter_invalid?parameter=MSISDN", go: (page) => shown(page, "error-parameter") },
  error_refused: { path: "/error/return_url_refused?parameter=ReturnUrl&host=pay.evil.example:8443", go: (page) => shown(page, "error") },
  verify: { path: "/verify", go: (page) => shown(page, "verify") },
  verify_missing: {
    path: "/verify",
    go: async (page) => {
      await page.locator("#paste summary").click();
      await page.locator("#verify-submit").click();
      await shown(page, "signature-error");
    },
  },
  verify_yes: { path: "/verify", verdict: { signatures: [{ valid: true, message: "Semnătura este validă", subject: "C=MD, SERIALNUMBER=2001234567890, CN=Maria Rusu", signed_at: "2026-11-22T08:15:00Z" }] }, go: verify },
  verify_some: {
    path: "/verify",
    verdict: {
      signatures: [
        { valid: true, message: "", subject: "C=MD, SERIALNUMBER=2001234567890, CN=Maria Rusu", signed_at: "2026-11-22T08:15:00Z" },
        ...["Ion Rusu", "Ana Rusu"].map((name) => ({ valid: false, message: "Semnătura nu este validă: certificatul a fost revocat", subject: `C=MD, CN=${name}`, signed_at: "2026-11-22T08:15:00Z" })),
      ],
    },
    go: verify,
  },
  verify_no: { path: "/verify", verdict: { signatures: [{ valid: false, message: "Semnătura nu este validă", subject: "O=Întreprinderea de Stat Exemplu, C=MD, SERIALNUMBER=2001234567890, CN=Maria Rusu" }] }, go: verify },
};

async function verify(page) {
  await page.locator("#signature-file").setInputFiles({ name: "Contract de prestări servicii nr. 118.pdf.xades.xml", mimeType: "application/xml", buffer: Buffer.from("<a/>") });
  await page.locator("#verify-submit").click();
  await shown(page, "verdict");
}

/** Brings the page there and lets it come to rest. */
export async function reach(page, state, request) {
  await state.go(page, request);
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}
