// Serves web-bridge/pages/dist and the sdk over https, as a site of its own name. The page lists the agent's five ports; a test's agent has
// another one, so the list in the page and in its policy is replaced.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const DIST = join(dirname(fileURLToPath(import.meta.url)), "../../web-bridge/pages/dist");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const FILES = new Map(["index.html", "page.js", "page.css", "favicon.svg"].map((name) => [name, join(DIST, name)]))
  .set("signet-sdk.js", join(DIST, "../../sdk/dist/signet-sdk.js"));

export class PageServer {
  constructor({ certificate, key }) {
    this.agent_ports = undefined; // as built
    this.policy_ports = undefined; // the same as agent_ports, unless a test wants the policy to be wrong
    this.requests = [];
    this.server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
      this.requests.push(request.url);
      const name = request.url.split("?")[0].slice(1) || "index.html";
      if (!FILES.has(name)) return response.writeHead(404).end();
      let body = readFileSync(FILES.get(name));
      if (name === "index.html") body = this.#withPorts(body.toString());
      response.writeHead(200, { "content-type": TYPES[extname(name)], "x-content-type-options": "nosniff", "cache-control": "no-store" }).end(body);
    });
  }

  async listen(port = 0) {
    await new Promise((resolve, reject) => this.server.once("error", reject).listen(port, "127.0.0.1", resolve));
    this.origin = `https://sign.example:${this.server.address().port}`;
    return this;
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #withPorts(html) {
    const policy = this.policy_ports ?? this.agent_ports;
    if (this.agent_ports !== undefined) html = html.replace(/(signet-ports" content=")[^"]+/, `$1${this.agent_ports.join(" ")}`);
    if (policy !== undefined) {
      const sources = ["127.0.0.1", "localhost"].flatMap((host) => policy.map((port) => `ws://${host}:${port}`));
      html = html.replace(/connect-src [^;]+/, ["connect-src 'self'", ...sources].join(" "));
    }
    return html;
  }
}
