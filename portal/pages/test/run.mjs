// node --test takes files on Node 18 and 20 and patterns only later: the list is made here.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const build = join(dirname(fileURLToPath(import.meta.url)), "..", "build");
const files = readdirSync(build).filter((file) => file.endsWith(".test.js")).map((file) => join(build, file));
process.exit(spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status ?? 1);
