// Pictures of what people see at the portal, with everything real behind it, in three sizes and languages: for eyes to judge. Run by
// run.sh. Nothing is asserted here; a state that does not come is an error.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ESERVICE, openBrowser, PERSON, PORTAL } from "./support.mjs";

const FOLDER = process.env.SIGNET_SCREENSHOTS;
const SIZES = {
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 1 },
  desktop: { viewport: { width: 1280, height: 900 } },
  kiosk: { viewport: { width: 1080, height: 1920 }, hasTouch: true },
};
const LANGUAGES = (process.env.SIGNET_TEST_LANGUAGES ?? "ro ru en").split(" ");
const TEXTS = ["Contract de prestări servicii nr. 118", "Счёт за ноябрь 2026", "Proces-verbal de recepție a lucrărilor de reparație capitală, etapa a doua"];
const TITLES = { ro: "Facturile lunii noiembrie și contractul de prestări servicii", ru: "Счета за ноябрь и договор об оказании услуг", en: "Invoices of November and the contract" };
const GATE = join(PERSON, "hold"); // a dialog that finds it waits until it is opened

const person = (how, pin = "482913") => {
  writeFileSync(join(PERSON, "answer"), how);
  writeFileSync(join(PERSON, "pin"), `${pin}\n`);
};
const shut = () => execFileSync("mkfifo", [GATE]);
const open = () => execFileSync("sh", ["-c", 'rm "$1.opening" 2>/dev/null; mv "$1" "$1.opening" && echo >"$1.opening"', "sh", GATE], { timeout: 20_000 });

class Walk {
  constructor(language, size) {
    Object.assign(this, { language, size });
  }

  async picture(name, fullPage = true) {
    await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    await this.page.screenshot({ path: join(FOLDER, `${name}-${this.language}-${this.size}.png`), fullPage });
  }

  async begin({ documents = TEXTS, instrument = "", idnp = "" } = {}) {
    this.page = await this.context.newPage();
    this.page.setDefaultTimeout(30_000);
    this.page.on("dialog", (dialog) => dialog.accept());
    await this.page.goto(`${ESERVICE}/`);
    await this.page.fill("#documents", documents.join("\n"));
    await this.page.fill("#title", TITLES[this.language]);
    await this.page.fill("#idnp", idnp);
    await this.page.selectOption("#instrument", instrument);
    await this.page.selectOption("#lang", this.language);
    await this.page.click("button");
    await this.page.waitForURL(`${PORTAL}/**`);
    await this.page.locator("#sign").waitFor();
  }

  shown(id) {
    return this.page.locator(`#${id}`).waitFor();
  }

  async choose(instrument) {
    await this.page.locator(`#instruments input[value=${instrument}]`).check({ force: true });
  }

  async walk() {
    person("sign");
    await this.begin();
    await this.picture("01-choose");
    this.first = this.page.url();
    await this.page.goto(`${this.first}?ReturnUrl=https%3A%2F%2Fevil.example%2F&lang=${this.language}`);
    await this.picture("09-refused-return");
    await this.begin({ idnp: "2000000000001" });
    await this.page.keyboard.press("Tab");
    await this.page.keyboard.press("Tab");
    await this.choose("sandbox");
    await this.picture("01-choose-sandbox");
    await this.page.locator("#sign").focus();
    await this.page.keyboard.press("Shift+Tab");
    await this.page.keyboard.press("Tab");
    await this.picture("01-choose-focus");

    await this.begin({ instrument: "moldsign" });
    await this.context.routeWebSocket(/./, (socket) => socket.close());
    await this.page.close();
    await this.begin({ instrument: "moldsign" });
    await this.page.locator("#sign").click();
    await this.shown("problem");
    await this.picture("02-agent-missing");
    await this.page.close();
    await this.context.unrouteAll?.();
  }

  async sign() {
    person("sign", "000000");
    await this.begin({ documents: Array.from({ length: 120 }, (_, index) => `${TEXTS[index % TEXTS.length]}, ${index + 1}`) });
    await this.choose("moldsign");
    shut();
    await this.page.locator("#sign").click();
    await this.shown("work-countdown");
    await this.picture("03-window");
    open();
    await this.shown("problem");
    await this.picture("04-wrong-pin");
    person("sign");
    await this.page.locator("#again").click();
    await this.page.waitForFunction(() => Number(document.querySelector("#bar")?.value) > 20);
    await this.picture("05-signing");
    await this.shown("leaving");
    await this.picture("06-success");
    await this.page.waitForURL(`${ESERVICE}/signed`);
    await this.picture("07-back", false);
    const signature = Buffer.from((await this.page.locator("a[download]").first().getAttribute("href")).split(",")[1], "base64");
    for (const [name, text] of [["good", `${TEXTS[0]}, 1`], ["bad", "another"]]) {
      await this.page.goto(`${PORTAL}/verify?lang=${this.language}`);
      if (name === "good") await this.picture("10-verify");
      await this.page.locator("#signature-file").setInputFiles({ name: "1.xades.xml", mimeType: "application/xml", buffer: signature });
      await this.page.locator("#document-file").setInputFiles({ name: "document-1.txt", mimeType: "text/plain", buffer: Buffer.from(text) });
      await this.page.locator("#verify-submit").click();
      await this.shown("verdict");
      await this.picture(`11-verify-${name}`);
    }
  }

  async give_up() {
    person("cancel");
    await this.begin({ instrument: "moldsign" });
    await this.page.locator("#sign").click();
    await this.shown("problem");
    await this.picture("04-cancelled");
    await this.page.locator("#give-up").click();
    await this.shown("leaving");
    await this.picture("06-failure");
  }

  /** What was opened first, once its time is over: site.py gives requests a minute here. */
  async expire() {
    this.page = await this.context.newPage();
    for (let looks = 0; looks < 60; ++looks) {
      await this.page.goto(`${this.first}?ReturnUrl=${encodeURIComponent(`${ESERVICE}/signed`)}&lang=${this.language}`);
      if (await this.page.locator("#ended").isVisible()) return this.picture("08-expired");
      await this.page.waitForTimeout(1_000);
    }
    throw new Error("it does not expire");
  }
}

mkdirSync(FOLDER, { recursive: true });
const browser = await openBrowser();
for (const language of LANGUAGES) {
  for (const [size, options] of Object.entries(SIZES)) {
    const walk = new Walk(language, size);
    for (const part of ["walk", "sign", "give_up", "expire"]) {
      walk.context = await browser.newContext({ locale: { ro: "ro-RO", ru: "ru-RU", en: "en-GB" }[language], ...options });
      await walk[part]();
      await walk.context.close();
    }
    console.log(`# ${language} ${size}`);
  }
}
await browser.close();
