// Every state, in each language and at each size: axe-core finds nothing serious, nothing scrolls sideways, everything to press is large enough.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { FakeAgent } from "../../web-bridge/sdk/test/fake_agent.mjs";
import { reach, STATES } from "./states.mjs";
import { choose, documents, LANGUAGES, openBench, openPage, SIZES } from "./support.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SMALLEST_TARGET = 24; // WCAG 2.2, 2.5.8; what is pressed to sign is 44 and more
const PICTURES = process.env.SIGNET_SCREENSHOTS;

let bench;
before(async () => {
  bench = await openBench();
});
after(() => bench.close());

async function pageIn(t, name, options) {
  const { ports, script, complaints } = STATES[name];
  if (ports === undefined) {
    // A script is used up: each page gets a fresh one.
    const agent = await new FakeAgent({ ...script, ...(script.consents === undefined ? {} : { consents: [...script.consents] }) }).listen();
    t.after(() => agent.close());
    bench.server.agent_ports = [agent.port];
  } else bench.server.agent_ports = await ports();
  const page = await openPage(t, bench, { ...options, complaints });
  await reach(page, STATES[name]);
  return page;
}

async function violations(page) {
  // The page's policy lets in no script: this one comes by the debugger, and only reads.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ target }) => target).join(", ")}`);
}

for (const name of Object.keys(STATES)) {
  test(`${name}: nothing for axe to say, in any language, at any size`, async (t) => {
    for (const [index, language] of LANGUAGES.entries()) {
      for (const [place, size] of Object.keys(SIZES).entries()) {
        // Every combination for the pictures; else each language and each size once, the longest words on the phone.
        if (PICTURES === undefined && place !== (index + 2) % 3) continue;
        const page = await pageIn(t, name, { language, size });
        const where = `${name} ${language} ${size}`;
        assert.deepEqual(await violations(page), [], where);
        const { wide, small } = await page.evaluate((least) => ({
          wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
          small: [...document.querySelectorAll("button, summary, label.button, label.choice")].filter((target) => {
            const { width, height } = target.getBoundingClientRect();
            return width > 0 && (width < least || height < least);
          }).map((target) => target.textContent),
        }), SMALLEST_TARGET);
        assert.equal(wide, 0, `${where} scrolls sideways`);
        assert.deepEqual(small, [], where);
        if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}-${language}-${size}.png`), fullPage: size !== "kiosk", animations: "disabled" });
        await page.context().close();
      }
    }
  });
}

test("axe itself works here: a picture without a text and pale letters are found", async (t) => {
  const page = await pageIn(t, "empty", { language: "en" });
  await page.evaluate(() => {
    document.querySelector("main").append(document.createElement("img"));
    document.querySelector("h1").style.color = "#ddd";
  });
  const found = (await violations(page)).join("\n");
  assert.match(found, /image-alt/);
  assert.match(found, /color-contrast/);
});

test("320 pixels wide, as at 400 %: nothing scrolls sideways", async (t) => {
  for (const name of ["chosen", "partly"]) {
    const page = await pageIn(t, name, { language: "ru", viewport: { width: 320, height: 640 } });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320, name);
  }
});

test("without colours every state of a file still reads: a sign and words", async (t) => {
  const page = await pageIn(t, "partly", { language: "en" });
  const marks = await page.locator(".mark").evaluateAll((list) => list.map((mark) => [mark.className, getComputedStyle(mark, "::before").content.split("/")[0].trim(), mark.textContent]));
  const signs = new Map(marks.map(([kind, sign]) => [kind, sign]));
  assert.equal(signs.size, 3);
  assert.equal(new Set(signs.values()).size, 3);
  assert.ok(marks.every(([, , text]) => text.length > 3));
});

test("progress is a progress bar with words, told politely and not at every step", async (t) => {
  const agent = await new FakeAgent({ chunk: 1, chunkDelay_ms: 20 }).listen();
  t.after(() => agent.close());
  bench.server.agent_ports = [agent.port];
  const page = await openPage(t, bench);
  await page.evaluate(() => {
    globalThis.told = [];
    new MutationObserver(() => globalThis.told.push(document.querySelector("#announce").textContent)).observe(document.querySelector("#announce"), { childList: true, characterData: true, subtree: true });
  });
  assert.equal(await page.getAttribute("#announce", "aria-live"), "polite");
  await choose(page, documents(60));
  await page.locator("#sign").click();
  const bar = page.getByRole("progressbar", { name: "Signing" });
  await bar.waitFor();
  assert.equal(await bar.getAttribute("max"), "60");
  await page.locator("#done").waitFor({ timeout: 20_000 });
  const told = await page.evaluate(() => globalThis.told);
  assert.ok(told.some((text) => /of 60 signed/.test(text)), told.join("\n"));
  // Each quarter of what is counted once, whichever of them a slow machine comes to show; and a few words in between.
  assert.ok(told.filter((text) => / of 60 signed/.test(text)).length <= 4, told.join("\n"));
  assert.ok(told.length <= 20, `${told.length}: ${told.join("\n")}`);
  assert.equal(told.at(-1), "All 60 files are signed");
});
