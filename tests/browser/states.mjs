// Every state that a person can see, and how to get there; looked at by accessibility.test.mjs, which also takes the pictures.
import { choose, documents, freePort, heading } from "./support.mjs";

const names = ["Contract de prestări servicii nr. 118.pdf", "Счёт за ноябрь 2026.pdf", "invoice-2026-11-0042.pdf", "Proces-verbal de recepție a lucrărilor de reparație capitală, etapa a doua, semnat de comisie.docx"];
const files = (count) => documents(count, (index) => names[index - 1] ?? `factura-${String(index).padStart(4, "0")}.pdf`);
const shown = (page, id) => page.locator(`#${id}`).waitFor();

async function sign(page, count) {
  await choose(page, files(count));
  await page.locator("#sign").click();
}

export const STATES = {
  empty: { script: {}, go: async () => undefined },
  chosen: {
    script: {},
    go: async (page) => {
      await choose(page, files(6));
      await page.locator("#more summary").click();
      await page.evaluate(() => document.activeElement.blur());
    },
  },
  missing: { script: {}, go: (page) => page.locator("#sign").click() },
  waiting: {
    script: { consents: [true, "wait"], certificate: { der: "AAAA", id: "9b", subject: "CN=Maria Rusu", issuer: "CN=CA", not_before: "2026-01-01T00:00:00Z", not_after: "2026-12-04T00:00:00Z", validity: "expires_soon", days_left: 12 } },
    go: async (page) => {
      await sign(page, 20);
      await shown(page, "work-countdown");
    },
  },
  signing: {
    script: { chunk: 3, chunkDelay_ms: 3_000 },
    go: async (page) => {
      await sign(page, 20);
      await page.locator(".mark.signed").nth(2).waitFor();
    },
  },
  not_running: {
    ports: async () => [await freePort()],
    complaints: ["WebSocket connection to"],
    go: async (page) => {
      await sign(page, 2);
      await shown(page, "problem");
    },
  },
  wrong_pin: {
    script: { consents: [true, { code: "pin_incorrect", who: "person", tries_left: 1, final_try: true }] },
    go: async (page) => {
      await sign(page, 2);
      await shown(page, "problem");
    },
  },
  done: {
    script: {},
    go: async (page) => {
      await sign(page, 20);
      await shown(page, "done");
    },
  },
  partly: {
    script: { failing: new Map([["2", "token_failed"]]), unstamped: new Set(["3"]) },
    go: async (page) => {
      await choose(page, files(6));
      await page.locator("input[name=level][value=t]").check();
      await page.locator("#sign").click();
      await shown(page, "done");
    },
  },
};

/** Brings the page there and lets it come to rest. */
export async function reach(page, state) {
  await state.go(page);
  if (await heading(page).count() > 0) await heading(page).waitFor();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}
