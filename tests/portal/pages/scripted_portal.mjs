// The portal's side of portal/pages/README.md, scripted: requests are kept in memory, nothing is verified, and it misbehaves on request.
// The e-service that people come from is here too, as https://services.example of the same port.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const DIST = join(dirname(fileURLToPath(import.meta.url)), "../../../portal/pages/dist");
const TYPES = { ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const INSTRUMENTS = [{ id: "moldsign", kind: "token", available: true, reason: "" }];
const ENDS = { sign: "success", fail: "failure", cancel: "failure", expire: "expired" };

const escaped = (data) => JSON.stringify(data).replace(/[<>&\u2028\u2029]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);

export class ScriptedPortal {
  constructor({ certificate, key }) {
    this.requests = new Map();
    this.returned = []; // what the e-service got: {body, fields}
    this.verified = [];
    this.verdict = { signatures: [] };
    this.paths = [];
    this.server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
      this.#answer(request, response).catch((error) => response.destroy(error));
    });
  }

  async listen(port = 0) {
    await new Promise((resolve, reject) => this.server.once("error", reject).listen(port, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    this.origin = `https://sign.example:${this.port}`;
    this.service = `https://services.example:${this.port}`;
    return this;
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /**
   * A request for `count` documents. All optional:
   *   data: {..}             over the page's data;  relay_state, no_return: true
   *   signed: n              of them signed before
   *   claim_ms: 30000        how long a claim lasts;  filter: {..};  level: "b"
   *   refusing: Map number → code, used up by the first refusal;  save_fails: n    calls that break off
   *   claim_fails: {code}    once;  phone: [answers of `state`, in order];  simulated: true    the phone is
   *   save_ms: n             how long a `save` takes
   *   slow: true             the sandbox's outcome comes with the second `state`;  wrong_signer: true    what it signs is refused
   */
  add({ count = 3, signed = 0, relay_state = "relay", no_return = false, data = {}, ...script } = {}) {
    const id = randomBytes(16).toString("hex");
    const items = Array.from({ length: count }, (_, index) => ({ number: index, name: `invoice-${index + 1}.pdf`, algorithm: "sha256", digest: createHash("sha256").update(`document ${index + 1}`).digest("base64") }));
    const request = {
      id, items, token: randomBytes(16).toString("hex"), signatures: new Map(), status: "pending", reason: undefined, claim: undefined, calls: [],
      save_fails: 0, refusing: new Map(), claim_ms: 30_000, phone: [], ...script,
      return: no_return ? undefined : { url: `${this.service}/back?case=7`, fields: { RequestID: id, RelayState: relay_state } },
    };
    for (const { number } of items.slice(0, signed)) request.signatures.set(number, "signed before");
    request.data = (language) => ({
      page: "sign", request: id, language, test: false, consumer: "Serviciul Fiscal de Stat", short_description: "Facturi fiscale, noiembrie 2026",
      description: "Facturile fiscale emise în noiembrie 2026, seria AAB.", documents: { count, signed: request.signatures.size, names: items.slice(0, 200).map(({ name }) => name) },
      expires: "2026-11-22T18:30:00Z", instruments: INSTRUMENTS, agent: { install_url: "https://signet.example/install", ports: this.agent_ports },
      held: this.#held(request), return_origin: no_return ? undefined : this.service, token: request.token, ...data,
    });
    this.requests.set(id, request);
    return request;
  }

  #held(request) {
    return request.claim !== undefined && request.claim.until > Date.now();
  }

  async #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.origin);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    if (request.headers.host.startsWith("services.example")) return this.#service(pathname, body, response);
    this.paths.push(pathname);
    const name = pathname.slice(1);
    if (["page.js", "page.css", "favicon.svg"].includes(name)) {
      return response.writeHead(200, { "content-type": TYPES[extname(name)], "x-content-type-options": "nosniff", "cache-control": "no-store" }).end(readFileSync(join(DIST, name)));
    }
    const language = searchParams.get("lang") ?? "ro";
    if (name.startsWith("error/")) return this.#page(response, { page: "error", code: name.slice(6), language, parameter: searchParams.get("parameter") ?? undefined, host: searchParams.get("host") ?? undefined });
    if (name === "verify") {
      if (request.method !== "POST") return this.#page(response, { page: "verify", language, test: true });
      this.verified.push(JSON.parse(body));
      if (this.verdict === "crowded") return this.#refuse(response, 503, "too_many");
      return this.verdict === undefined ? this.#refuse(response, 500, "internal") : this.#json(response, this.verdict);
    }
    const [id, call] = name.split("/");
    const known = this.requests.get(id);
    if (known === undefined) return call === undefined ? this.#page(response, { page: "error", code: "request_unknown", language }, 404) : this.#refuse(response, 404, "request_unknown");
    if (call === undefined) {
      const { status, reason, return: back, items, signatures } = known;
      const end = { page: "ended", status, reason, consumer: "Serviciul Fiscal de Stat", language, test: false, documents: { count: items.length, signed: signatures.size }, return: back };
      return this.#page(response, status === "pending" ? known.data(language) : end);
    }
    return this.#call(known, call, request, body === "" ? {} : JSON.parse(body), response);
  }

  #service(pathname, body, response) {
    if (pathname === "/back") this.returned.push({ body, fields: Object.fromEntries(new URLSearchParams(body)) });
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end("<!doctype html><html lang=en><title>e-service</title><h1>Welcome back</h1>");
  }

  #page(response, data, status = 200) {
    const html = readFileSync(join(DIST, "index.html"), "utf8").replace("{{language}}", data.language).replace("{{data}}", () => escaped(data));
    const policy = ["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self' ws://127.0.0.1:* ws://localhost:*",
      `form-action 'self' ${this.service}`, "frame-ancestors 'none'", "base-uri 'none'"].join("; ");
    response.writeHead(status, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", "content-security-policy": policy, "x-content-type-options": "nosniff" }).end(html);
  }

  #json(response, body, status = 200) {
    response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify(body));
  }
  #refuse(response, status, code, more = {}) {
    this.#json(response, { error: { code, message: `scripted: ${code}`, ...more } }, status);
  }

  #state(request) {
    const { status, reason, signatures, return: back } = request;
    return { status, reason, signed: signatures.size, held: this.#held(request), ...(status === "pending" ? {} : { return: back }) };
  }

  #end(request, status, reason) {
    Object.assign(request, { status, reason, claim: undefined });
  }

  async #call(request, call, { headers, socket }, params, response) {
    request.calls.push({ call, params });
    if (request.broken) return socket.destroy();
    if (headers.origin !== this.origin || headers["signet-page"] !== request.token) return this.#refuse(response, 403, "token_invalid");
    const mine = request.claim?.key === params.key && this.#held(request);
    const others = request.claim?.key !== params.key && this.#held(request);
    if (call === "state") {
      const next = request.phone.shift();
      if (next !== undefined && next.status !== undefined) this.#end(request, next.status, next.reason);
      return this.#json(response, { ...this.#state(request), ...next });
    }
    if (call === "release") {
      if (mine) request.claim = undefined;
      return this.#json(response, {});
    }
    if (request.status !== "pending") return this.#refuse(response, 409, "ended", { status: request.status });
    if (others) return this.#refuse(response, 409, "held");
    switch (call) {
      case "claim":
        request.claim = { key: params.key, until: Date.now() + request.claim_ms };
        return this.#json(response, { until: new Date(request.claim.until).toISOString(), unsigned: request.items.length - request.signatures.size, algorithms: ["sha256"],
          certificates: request.filter ?? {}, ...(request.level === undefined ? {} : { level: request.level }) });
      case "contents":
        if (!mine) return this.#refuse(response, 409, "held");
        return this.#json(response, { items: request.items.filter(({ number }) => !request.signatures.has(number) && number > (params.after ?? -1)).slice(0, Math.min(params.count, request.page ?? 5_000)) });
      case "save": {
        if (!mine) return this.#refuse(response, 409, "held");
        if (request.save_ms !== undefined) await new Promise((resolve) => setTimeout(resolve, request.save_ms));
        if (request.save_fails > 0) {
          request.save_fails -= 1;
          return socket.destroy();
        }
        const refused = [];
        for (const { number, signature } of params.results) {
          const code = request.refusing.get(number);
          request.refusing.delete(number);
          if (code !== undefined) refused.push({ number, code, message: "scripted" });
          else if (!request.signatures.has(number)) request.signatures.set(number, signature);
        }
        const missing = request.items.length - request.signatures.size;
        if (missing === 0) this.#end(request, "success");
        return this.#json(response, { saved: params.results.length - refused.length, refused, missing, status: request.status });
      }
      case "give_up":
        this.#end(request, "failure", params.reason);
        return this.#json(response, { status: "failure" });
      case "sandbox":
        if (request.slow) {
          request.phone.push({}, { status: ENDS[params.action] });
          return this.#json(response, this.#state(request));
        }
        if (request.wrong_signer) return this.#json(response, { saved: 0, refused: request.items.map(({ number }) => ({ number, code: "signer_differs" })), missing: request.items.length, status: "pending" });
        if (params.action === "sign") for (const { number } of request.items) request.signatures.set(number, "sandbox");
        this.#end(request, ENDS[params.action], { fail: "token_failed", cancel: "user_cancelled" }[params.action]);
        return this.#json(response, this.#state(request));
      case "mobile":
        return this.#json(response, { code: "4711", ...(request.simulated ? { test: true } : {}) });
      case "phone":
        request.phone.push(params.action === "confirm" ? { status: "success" } : { reason: "user_cancelled" });
        return this.#json(response, this.#state(request));
      default:
        return this.#refuse(response, 404, "parameter_invalid");
    }
  }
}
