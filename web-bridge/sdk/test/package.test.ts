import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import vm from "node:vm";
import { FakeAgent } from "./fake_agent.mjs";
import { ORIGIN } from "./support.js";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..");
const scratch = mkdtempSync(join(tmpdir(), "signet-sdk-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const npm = (cwd: string, ...words: string[]) => execFileSync("npm", [...words, "--silent"], { cwd, encoding: "utf8" });
// Builds dist/ by the prepack script, as npm publish would.
const packed = JSON.parse(npm(folder, "pack", "--json", "--pack-destination", scratch).replace(/^[^[{]*/s, "")) as unknown;
// Newer npm gives an object by name, older an array.
const [list] = Object.values(packed as Record<string, { filename: string; files: { path: string }[] }>);
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

/** A project of somebody else, with the package installed of its tarball: nothing of this folder is seen from there. */
function project(): string {
  const place = join(scratch, "project");
  mkdirSync(place);
  writeFileSync(join(place, "package.json"), JSON.stringify({ name: "page", version: "1.0.0", private: true, type: "module" }));
  npm(place, "install", "--offline", "--no-audit", "--no-fund", join(scratch, list?.filename ?? ""));
  return place;
}

test("a project that installed the tarball signs with it, and its types hold there", async (t) => {
  const place = project();
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
  const program = `
    import { connect, SDK_VERSION } from "signet-sdk";
    import ws from "./ws.js";
    const agent = await connect({ ports: [Number(process.argv[2])], WebSocket: ws, language: "en" });
    const signed: string[] = [];
    const items = [{ id: "1", name: "invoice.pdf", digest: new Uint8Array(32) }];
    const batch = agent.signBatch({ purpose: "Invoices", items, onResult: ({ id, signature }) => { signed.push(id + " " + typeof signature); } });
    const summary = await batch.finished;
    agent.close();
    console.log(JSON.stringify({ version: SDK_VERSION, signed, summary }));`;
  writeFileSync(join(place, "sign.ts"), program);
  writeFileSync(join(place, "sign.js"), program.replace("signed: string[]", "signed"));
  // What is the project's own: a WebSocket that says an origin, as a browser's does.
  const its_ws = JSON.stringify(createRequire(join(folder, "package.json")).resolve("ws"));
  writeFileSync(join(place, "ws.js"), `import { createRequire } from "node:module";
    const WebSocket = createRequire(import.meta.url)(${its_ws});
    export default class extends WebSocket {
      constructor(url, protocols) { super(url, protocols, { origin: ${JSON.stringify(ORIGIN)} }); }
    }`);
  writeFileSync(join(place, "ws.d.ts"), `import type { SocketConstructor } from "signet-sdk";
    declare const socket: SocketConstructor;
    export default socket;`);
  cpSync(join(folder, "node_modules/@types/node"), join(place, "node_modules/@types/node"), { recursive: true });
  cpSync(join(folder, "node_modules/undici-types"), join(place, "node_modules/undici-types"), { recursive: true });
  for (const [module, resolution] of [["nodenext", "nodenext"], ["es2022", "bundler"]] as const) {
    execFileSync(process.execPath, [join(folder, "node_modules/typescript/bin/tsc"), "--noEmit", "--strict", "--target", "es2022",
      "--lib", "es2022,dom", "--types", "node", "--module", module, "--moduleResolution", resolution, "sign.ts"], { cwd: place, stdio: "inherit" });
  }
  const fake = await new FakeAgent().listen();
  t.after(() => fake.close());
  const { stdout } = await promisify(execFile)(process.execPath, ["sign.js", String(fake.port)], { cwd: place });
  assert.deepEqual(JSON.parse(stdout), { version, signed: ["1 string"], summary: { signed: 1, failed: 0, withoutTimeStamp: 0 } });
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
