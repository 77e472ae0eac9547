import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { digestFile, explain, PROTOCOL_CODES, SDK_CODES, SignetError, toBase64, type ErrorCode, type Language } from "../src/index.js";

const LANGUAGES: Language[] = ["ro", "ru", "en"];
const here = dirname(fileURLToPath(import.meta.url));

test("the codes and who acts are those of docs/PROTOCOL.md", () => {
  const text = readFileSync(join(here, "../../../docs/PROTOCOL.md"), "utf8");
  const documented = new Map<string, string>();
  let who = "";
  for (const line of (text.split("## Errors")[1] ?? "").split("\n## ")[0]?.split("\n") ?? []) {
    const cells = line.split("|");
    if (cells.length < 4 || !cells[1]?.includes("`")) continue;
    who = cells[2]?.trim() ?? who;
    for (const [, code] of cells[1].matchAll(/`([a-z_]+)`/g)) documented.set(code as string, who);
  }
  assert.deepEqual(Object.fromEntries([...documented].sort()), Object.fromEntries(Object.entries(PROTOCOL_CODES).sort()));
});

test("every error has a title and an advice in all three languages, each in its own letters", () => {
  for (const code of Object.keys({ ...SDK_CODES, ...PROTOCOL_CODES }) as ErrorCode[]) {
    for (const language of LANGUAGES) {
      const { title, advice } = explain(new SignetError(code, ""), language);
      assert.ok(title.length > 3 && advice.length > 10, `${code} ${language}`);
      assert.equal(/[а-яё]/i.test(title + advice), language === "ru", `${code} ${language}`);
      assert.ok(!/[şţŞŢ]/.test(title + advice), `${code}: cedillas are not Romanian`);
    }
  }
});

test("the four ways of not reaching the agent read differently", () => {
  for (const language of LANGUAGES) {
    const titles = (["not_running", "blocked_by_browser", "blocked_by_csp", "origin_refused"] as const).map((code) => explain(new SignetError(code, ""), language).title);
    assert.equal(new Set(titles).size, 4);
  }
});

test("the tries that are left follow each language's plurals, and the last one is a warning", () => {
  const left = (triesLeft: number, language: Language) => explain(new SignetError("pin_incorrect", "", { triesLeft }), language).advice;
  assert.match(left(2, "ro"), /Au rămas 2 încercări\./);
  assert.match(left(20, "ro"), /Au rămas 20 de încercări\./);
  assert.match(left(2, "ru"), /Осталось 2 попытки\./);
  assert.match(left(5, "ru"), /Осталось 5 попыток\./);
  assert.match(left(1, "en"), /One try is left\. One more wrong PIN locks the device\./);
});

test("a code of a newer agent is explained by who must act", () => {
  const unknown = new SignetError("card_upside_down" as ErrorCode, "", { who: "machine" });
  assert.match(explain(unknown, "en").title, /This computer/);
});

test("digestFile gives the known digest of abc", async () => {
  const digest = await digestFile(new Blob(["abc"]), "sha256", webcrypto.subtle as SubtleCrypto);
  assert.equal(toBase64(digest), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
});

test("a file that cannot be read: file_unreadable", async () => {
  const gone = { arrayBuffer: () => Promise.reject(new Error("NotFoundError")) } as unknown as Blob;
  await assert.rejects(digestFile(gone, "sha256", webcrypto.subtle as SubtleCrypto), (error) => error instanceof SignetError && error.code === "file_unreadable");
});
