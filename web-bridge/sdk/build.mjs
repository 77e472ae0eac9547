// Builds dist/ (what npm packs), or with --tests the tests into build/.
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(dirname(fileURLToPath(import.meta.url)));
const common = { bundle: true, target: "es2020", charset: "utf8", legalComments: "none", logLevel: "warning" };

if (process.argv.includes("--tests")) {
  rmSync("build", { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: readdirSync("test").filter((file) => file.endsWith(".test.ts")).map((file) => join("test", file)),
    outdir: "build",
    platform: "node",
    format: "esm",
    packages: "external",
    // The fake agent is shared with tests/browser, which has no compile step: it stays a file of its own.
    plugins: [{
      name: "fake agent stays outside",
      setup(builder) {
        builder.onResolve({ filter: /fake_agent\.mjs$/ }, () => ({ path: "../test/fake_agent.mjs", external: true }));
      },
    }],
  });
} else {
  rmSync("dist", { recursive: true, force: true });
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.json", "--noEmit", "false", "--emitDeclarationOnly", "--declaration", "--rootDir", "src", "--outDir", "dist/types"],
    { stdio: "inherit" });
  await build({ ...common, entryPoints: ["src/index.ts"], outfile: "dist/signet-sdk.js", format: "esm", sourcemap: true, sourcesContent: true });
  await build({ ...common, entryPoints: ["src/index.ts"], outfile: "dist/signet-sdk.iife.js", format: "iife", globalName: "Signet", minify: true });
}
