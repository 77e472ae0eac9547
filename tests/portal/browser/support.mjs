// The browser of a test, and where site.py has put everything.
import { execFileSync } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, firefox } from "../../browser/node_modules/playwright-core/index.mjs";

export const ESERVICE = process.env.SIGNET_SITE_ESERVICE;
export const PORTAL = process.env.SIGNET_SITE_PORTAL;
export const PERSON = process.env.SIGNET_SITE_PERSON;
export const BIN = process.env.SIGNET_SITE_BIN;
export const JOURNAL = process.env.SIGNET_SITE_JOURNAL;
export const WAIT_FOR_PAGE_S = Number(process.env.SIGNET_SITE_WAIT_FOR_PAGE_S);
export const BROWSER = process.env.SIGNET_TEST_BROWSER ?? "chromium";

const KINDS = {
  chromium: { type: chromium, executablePath: process.env.SIGNET_TEST_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--no-first-run"] },
  // Debian's own, which playwright-core drives by WebDriver BiDi under this name. Its questions in windows of its own, whether to leave the
  // page and whether to send the form again, do not reach a test: yes. A page that comes out of its cache for Back never loads, to playwright.
  firefox: { type: firefox, executablePath: process.env.SIGNET_TEST_FIREFOX ?? "/usr/bin/firefox-esr", channel: "moz-firefox",
    firefoxUserPrefs: { "browser.sessionhistory.max_total_viewers": 0, "dom.disable_beforeunload": true, "dom.confirm_repost.testing.always_accept": true } },
};

/** Ends, kills or starts what stands behind the page (site.py). */
export async function site(what, name) {
  const { status } = await fetch(`${process.env.SIGNET_SITE_CONTROL}/${what}/${name}`, { method: "POST" });
  if (status !== 204) throw new Error(`${what} ${name}: ${status}`);
}

function kind() {
  const { type, ...options } = KINDS[BROWSER];
  accessSync(options.executablePath, constants.X_OK);
  return { type, options };
}

export async function openBrowser() {
  const { type, options } = kind();
  const browser = await type.launch({ headless: true, ...options });
  console.log(`# ${BROWSER} ${browser.version()}`);
  return browser;
}

/** One that can be killed: `kill` ends its process as a crash does. */
export async function openMortalBrowser() {
  const { type, options } = kind();
  const server = await type.launchServer({ headless: true, ...options });
  const browser = await type.connect(server.wsEndpoint());
  return { browser, kill: () => server.kill() };
}

/** A person's browser with a profile of its own, which trusts the CA of the site's servers; `close` ends and removes it. */
export async function openTrustingBrowser(more = {}) {
  const { type, options } = kind();
  const home = mkdtempSync(join(tmpdir(), "browser-"));
  const profile = join(home, "profile");
  const trusted = BROWSER === "firefox" ? profile : join(home, ".pki/nssdb");
  for (const folder of [profile, trusted]) mkdirSync(folder, { recursive: true });
  execFileSync("certutil", ["-d", `sql:${trusted}`, "-N", "--empty-password"]);
  execFileSync("certutil", ["-d", `sql:${trusted}`, "-A", "-n", "Signet Demo TLS CA", "-t", "C,,", "-i", process.env.SIGNET_SITE_CA]);
  const context = await type.launchPersistentContext(profile, { headless: true, ...options, locale: "en-GB", env: { ...process.env, HOME: home }, ...more });
  return { context, close: async () => {
    await context.close();
    rmSync(home, { recursive: true, force: true });
  } };
}
