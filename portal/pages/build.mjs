// Builds dist/: the files that the portal serves; or with --tests the tests into build/.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
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
  // File by file into its place: whoever reads dist/ beside this finds each whole.
  const made = mkdtempSync("dist-");
  await build({ ...common, entryPoints: ["src/page.ts", "src/page.css"], outdir: made, format: "iife", minify: true });
  copyFileSync("src/index.html", join(made, "index.html"));
  copyFileSync("../../web-bridge/pages/src/favicon.svg", join(made, "favicon.svg"));
  mkdirSync("dist", { recursive: true });
  const files = readdirSync(made);
  for (const file of files) renameSync(join(made, file), join("dist", file));
  for (const file of readdirSync("dist").filter((old) => !files.includes(old))) rmSync(join("dist", file), { recursive: true, force: true });
  rmSync(made, { recursive: true });
}
