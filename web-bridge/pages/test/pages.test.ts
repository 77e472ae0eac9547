import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { unzipSync } from "fflate";
import { DEFAULT_PORTS } from "signet-sdk";
import { archive, signatureNames } from "../src/archive.js";
import { add, cutName } from "../src/files.js";
import { size, TEXTS } from "../src/texts.js";
import { clock, duration, preferredLanguage } from "../src/words.js";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = (name: string) => readFileSync(join(folder, "dist", name), "utf8");

test("dist/ holds four static files", () => {
  assert.deepEqual(readdirSync(join(folder, "dist")).sort(), ["favicon.svg", "index.html", "page.css", "page.js"]);
});

test("the page works under a strict policy: no inline script, style or handler, nothing from elsewhere", () => {
  const html = dist("index.html");
  assert.ok(!/<style|style=|\son[a-z]+=|javascript:/i.test(html));
  assert.ok(!/<script(?![^>]*\ssrc="page\.js")/i.test(html));
  for (const name of ["index.html", "page.css"]) assert.ok(!/https?:\/\//.test(dist(name)), name);
  assert.ok(!/@import|url\(/.test(dist("page.css")));
  assert.ok(!/\beval\(|new Function|innerHTML/.test(dist("page.js")));
});

test("the policy names every port of the agent, by both names, and only those", () => {
  const policy = /Content-Security-Policy" content="([^"]+)"/.exec(dist("index.html"))?.[1] ?? "";
  const connect = /connect-src ([^;]+)/.exec(policy)?.[1]?.split(" ") ?? [];
  const sockets = ["127.0.0.1", "localhost"].flatMap((host) => DEFAULT_PORTS.map((port) => `ws://${host}:${port}`));
  assert.deepEqual(connect.sort(), ["'self'", ...sockets].sort());
  assert.match(policy, /^default-src 'none'/);
  assert.ok(!policy.includes("unsafe"));
  assert.equal(/signet-ports" content="([^"]+)"/.exec(dist("index.html"))?.[1], DEFAULT_PORTS.join(" "));
});

test("every text that the HTML names is in the catalogue", () => {
  for (const [, key] of dist("index.html").matchAll(/data-(?:text|label)="([a-z_0-9]+)"/g)) {
    assert.equal(typeof TEXTS.en[key as keyof typeof TEXTS.en], "string", key);
  }
});

test("every text is there in each language's own letters, also those made of parts", () => {
  for (const [language, texts] of Object.entries(TEXTS)) {
    for (const [key, text] of Object.entries(texts)) {
      const written = typeof text === "string" ? text : (text as (...parts: unknown[]) => string)(3, 7);
      assert.ok(written.length > 1 && !written.includes("undefined") && !written.includes("#"), `${language} ${key}: ${written}`);
      assert.ok(!/[şţŞŢ]/.test(written), `${key}: cedillas are not Romanian`);
      if (language !== "ru") assert.ok(!/[а-яё]/i.test(written), `${language} ${key}`);
      else assert.ok(/[а-яё]/i.test(written), key);
    }
  }
});

test("counts follow the languages' plurals", () => {
  assert.equal(TEXTS.ro.sign(1), "Semnează 1 fișier");
  assert.equal(TEXTS.ro.sign(2), "Semnează 2 fișiere");
  assert.equal(TEXTS.ro.sign(20), "Semnează 20 de fișiere");
  assert.equal(TEXTS.ru.sign(21), "Подписать 21 файл");
  assert.equal(TEXTS.ru.sign(22), "Подписать 22 файла");
  assert.equal(TEXTS.ru.sign(25), "Подписать 25 файлов");
  assert.equal(TEXTS.en.sign(1), "Sign 1 file");
});

test("the language is the browser's first that the page has, else Romanian", () => {
  assert.equal(preferredLanguage(["de-DE", "ru-MD", "en"]), "ru");
  assert.equal(preferredLanguage(["mo"]), "ro");
  assert.equal(preferredLanguage(["de"]), "ro");
  assert.equal(preferredLanguage([]), "ro");
  assert.equal(preferredLanguage(["en-GB"]), "en");
});

test("sizes and times are written for people", () => {
  assert.equal(size("en", 1_234_567), "1.2\u00a0MB");
  assert.equal(size("en", 1), "1\u00a0kB");
  assert.equal(size("ru", 45_100), "46\u00a0кБ");
  assert.equal(clock(65.2), "1:06");
  assert.equal(clock(-1), "0:00");
  assert.equal(duration("en", 24), "24 sec");
  assert.equal(duration("en", 61), "2 min");
});

test("signatures of files of one name stay two, and no name leads out of the folder", () => {
  assert.deepEqual(signatureNames(["a.pdf", "a.pdf", "A.PDF", "../../etc/passwd", "con:fig", ".hidden", ""]),
    ["a.pdf.xades.xml", "a.pdf (2).xades.xml", "A.PDF (3).xades.xml", "__.._etc_passwd.xades.xml", "con_fig.xades.xml", "_hidden.xades.xml", "_.xades.xml"]);
});

test("the archive holds every text under its name, also of other alphabets, and is stored", async () => {
  const blob = archive([["фактура.xml", "один"], ["b.xml", "b".repeat(10_000)]]);
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const files = unzipSync(bytes);
  assert.equal(new TextDecoder().decode(files["фактура.xml"]), "один");
  assert.equal(files["b.xml"]?.length, 10_000);
  assert.ok(bytes.length > 10_000);
});

test("a long name keeps its beginning and its extension within 256 bytes", () => {
  const cut = cutName(`${"ш".repeat(300)}.pdf`);
  assert.ok(new TextEncoder().encode(cut).length <= 256);
  assert.match(cut, /^шш.*….*\.pdf$/);
  assert.equal(cutName("short.pdf"), "short.pdf");
  assert.equal(cutName(""), "?");
});

test("a file that is chosen twice is signed once; ids stay unique after a removal", () => {
  const file = (name: string) => ({ name, size: 1, lastModified: 1 }) as File;
  const three = add([], [file("a"), file("b"), file("a"), file("c")]);
  assert.deepEqual(three.map(({ name }) => name), ["a", "b", "c"]);
  const later = add(three.slice(1), [file("d")]);
  assert.equal(new Set(later.map(({ id }) => id)).size, 3);
});

test("versions are pinned and the lock file names no host", () => {
  const { devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { devDependencies: Record<string, string> };
  for (const [name, version] of Object.entries(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/, name);
  assert.ok(!readFileSync(join(folder, "package-lock.json"), "utf8").includes("://"));
});
