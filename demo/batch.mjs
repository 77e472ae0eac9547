// Signs files through the agent's WebSocket with the sdk, as a page does: twice, detached and enveloping.
// usage: batch.mjs ORIGIN PORT OUT LEVEL FILE…
import { readFile, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import path from "node:path";
import { connect, explain } from "../web-bridge/sdk/dist/signet-sdk.js";

const ws = createRequire(new URL("../web-bridge/sdk/package.json", import.meta.url))("ws");
const [origin, port, out, level, ...files] = process.argv.slice(2);

// Node has no origin of its own: this one is on the agent's list.
class PageSocket extends ws {
  constructor(url, protocols) {
    super(url, protocols, { origin });
  }
}

async function sign(agent, packaging, certificate, named) {
  const items = [];
  for (const file of named) {
    const digest = createHash("sha256").update(await readFile(file)).digest();
    items.push({ id: path.basename(file), name: path.basename(file), digest: new Uint8Array(digest) });
  }
  const batch = agent.signBatch({
    purpose: `Demonstration: ${packaging} signatures`,
    items,
    level,
    packaging,
    certificate,
    onResult: async ({ id, signature, error }) => {
      if (error) throw error;
      await writeFile(path.join(out, `${id}.xades.xml`), signature);
    },
  });
  const summary = await batch.finished;
  if (summary.failed > 0 || summary.withoutTimeStamp > 0) throw new Error(`${packaging}: ${JSON.stringify(summary)}`);
}

try {
  const agent = await connect({ WebSocket: PageSocket, ports: [Number(port)], language: "en" });
  const { id } = await agent.chooseCertificate();
  const half = files.length / 2;
  await sign(agent, "detached", id, files.slice(0, half));
  await sign(agent, "enveloping", id, files.slice(half));
  agent.close();
} catch (error) {
  const told = error.code ? explain(error, "en") : { title: String(error), advice: "" };
  console.error(`demo: ${told.title} ${told.advice ?? ""} (${error.code ?? "error"}: ${error.message})`);
  process.exitCode = 1;
}
