// Builds dist/: the files that the portal serves; or with --tests the tests into build/.
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(dirname(fileURLToPath(import.meta.url)));
const common = { bundle: true, target: "es2020", charset: "utf8", legalComments: "none", logLevel: "warning", tsconfig: "tsconfig.json" };

if (process.argv.includes("--tests")) {
  rmSync("build", { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: readdirSync("test").filter((file) => file.endsWith(".test.ts")).map((file) => join("test", file)),
    outdir: "build", platform: "node", format: "esm",
  });
} else {
  rmSync("dist", { recursive: true, force: true });
  mkdirSync("dist");
  await build({ ...common, entryPoints: ["src/page.ts", "src/page.css"], outdir: "dist", format: "iife", minify: true });
  copyFileSync("src/index.html", "dist/index.html");
  copyFileSync("../../web-bridge/pages/src/favicon.svg", "dist/favicon.svg");
}
