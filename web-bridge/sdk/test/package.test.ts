import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..");
// Builds dist/ by the prepack script, as npm publish would.
const packed = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--silent"], { cwd: folder, encoding: "utf8" })
  .replace(/^[^[{]*/s, "")) as unknown;
// Newer npm gives an object by name, older an array.
const [list] = Object.values(packed as Record<string, { files: { path: string; size: number }[]; size: number }>);
const paths = (list?.files ?? []).map(({ path }) => path).sort();

test("the package holds the built sdk, its types, README and LICENSE, and nothing else", () => {
  const types = paths.filter((path) => path.startsWith("dist/types/"));
  assert.ok(types.includes("dist/types/index.d.ts"));
  assert.ok(types.every((path) => path.endsWith(".d.ts")));
  assert.deepEqual(paths.filter((path) => !path.startsWith("dist/types/")),
    ["LICENSE", "README.md", "dist/signet-sdk.iife.js", "dist/signet-sdk.js", "dist/signet-sdk.js.map", "package.json"]);
});

test("the sdk needs no other package", () => {
  const { dependencies, license, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  assert.deepEqual([dependencies, license, version], [undefined, "Apache-2.0", "0.1.0"]);
});

test("versions are pinned and the lock file names no host", () => {
  const { devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { devDependencies: Record<string, string> };
  for (const [name, version] of Object.entries(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/, name);
  assert.ok(!readFileSync(join(folder, "package-lock.json"), "utf8").includes("://"));
});

test("the ES module is imported by its name, and tells its own version", async () => {
  const sdk = await import(pathToFileURL(join(folder, "dist/signet-sdk.js")).href);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  assert.equal(sdk.SDK_VERSION, version);
  assert.equal(typeof sdk.connect, "function");
});

test("the one-file build makes a global Signet in a plain script", () => {
  const context = vm.createContext({ btoa, TextEncoder });
  vm.runInContext(readFileSync(join(folder, "dist/signet-sdk.iife.js"), "utf8"), context);
  assert.equal(vm.runInContext("typeof Signet.connect", context), "function");
});

test("the README's example is of at most ten lines and uses what is exported", async () => {
  const readme = readFileSync(join(folder, "README.md"), "utf8");
  const example = /```js\n(.*?)```/s.exec(readme)?.[1] ?? "";
  assert.ok(example.trim().split("\n").length <= 10);
  const sdk = await import(pathToFileURL(join(folder, "dist/signet-sdk.js")).href);
  for (const name of (/import \{([^}]+)\}/.exec(example)?.[1] ?? "").split(",")) assert.ok(name.trim() in sdk, name);
});
