import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { LANGUAGES } from "../../browser/support.mjs";
import { agentFor, noAgent, open, openPortalBench } from "./support.mjs";
import { reach, STATES } from "./states.mjs";

const AXE = readFileSync(createRequire(new URL("../../browser/support.mjs", import.meta.url)).resolve("axe-core/axe.min.js"), "utf8");
const SMALLEST_TARGET = 24; // WCAG 2.2, 2.5.8; what is pressed to sign is 44 and more
const SIZES = {
  phone: { viewport: { width: 320, height: 640 }, hasTouch: true },
  desktop: { viewport: { width: 1280, height: 800 } },
  kiosk: { viewport: { width: 1920, height: 1080 }, hasTouch: true, isMobile: true },
};
const PICTURES = process.env.SIGNET_SCREENSHOTS;

let bench;
before(async () => {
  bench = await openPortalBench();
});
after(() => bench.close());

// A page that leads back by itself stays for as long as it is looked at, however slow the machine is.
const stay = () => {
  HTMLFormElement.prototype.submit = () => {};
};

async function pageIn(t, name, { size, ...options }) {
  const { request: script, agent = {}, complaints, claimed, ended, path, verdict, refusing } = STATES[name];
  if (agent === null) await noAgent(bench);
  // A script is used up: each page gets a fresh one.
  else await agentFor(t, bench, { ...agent, ...(agent.consents === undefined ? {} : { consents: [...agent.consents] }) });
  bench.server.verdict = verdict;
  const request = script === undefined ? undefined : bench.server.add({ ...script, ...(refusing === undefined ? {} : { refusing: refusing() }) });
  if (claimed) request.claim = { key: "f".repeat(32), until: Date.now() + 60_000 };
  Object.assign(request ?? {}, ended);
  const page = await open(t, bench, path ?? `/${request.id}`, { ...SIZES[size], ...options, complaints, before_load: stay });
  await reach(page, STATES[name], request);
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
          small: [...document.querySelectorAll("button, summary, label.button, label.choice, a.button")].filter((target) => {
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
  const page = await pageIn(t, "form", { language: "en", size: "desktop" });
  await page.evaluate(() => {
    document.querySelector("main").append(document.createElement("img"));
    document.querySelector("h1").style.color = "#ddd";
  });
  const found = (await violations(page)).join("\n");
  assert.match(found, /image-alt/);
  assert.match(found, /color-contrast/);
});

test("a large touch screen gets larger targets", async (t) => {
  const page = await pageIn(t, "form", { language: "ro", size: "kiosk" });
  const { height } = await page.locator("#sign").boundingBox();
  assert.ok(height >= 72, `${height}`);
});

test("in forced colours what is chosen is still seen", async (t) => {
  const page = await pageIn(t, "form_list", { language: "en", size: "desktop", forcedColors: "active" });
  const outline = await page.locator("#instruments label.choice", { has: page.locator("input:checked") }).evaluate((label) => getComputedStyle(label).outlineStyle);
  assert.equal(outline, "solid");
});

test("with reduced motion nothing turns fast", async (t) => {
  const page = await pageIn(t, "waiting", { language: "en", size: "desktop", reducedMotion: "reduce" });
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector(".spinner path")).animationDuration), "4s");
});

test("without JavaScript the page says so", async (t) => {
  const request = bench.server.add();
  const page = await open(t, bench, `/${request.id}`, { javaScriptEnabled: false });
  for (const language of LANGUAGES) assert.ok(await page.locator(`noscript p[lang=${language}]`).isVisible(), language);
});
