// An agent of a few hundred lines that speaks docs/PROTOCOL.md and misbehaves on request. It signs nothing: a "signature" names
// its item and digest, so that a test can tell whose it is. Used by the sdk's tests and by tests/browser.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const DEFAULT_LIMITS = { message_bytes: 4_194_304, part_items: 5_000, batch_items: 100_000, id_bytes: 64, name_bytes: 256, purpose_bytes: 256, unacknowledged: 1_000 };
const DIGEST_BYTES = { sha256: 32, sha384: 48, sha512: 64 };
const WHO = { user_cancelled: "person", pin_incorrect: "person", pin_locked: "person", token_removed: "person", no_token: "person",
  origin_refused: "caller", other_user: "machine", token_failed: "machine", time_stamp_failed: "machine" };
const CLOSE_CODES = { origin_refused: 4403, other_user: 4409, too_many: 4429 };

export const CERTIFICATE = {
  id: "9b1c".padEnd(64, "0"), der: Buffer.from("a certificate").toString("base64"), subject: "CN=Maria Rusu", issuer: "CN=Test CA",
  not_before: "2026-01-01T00:00:00Z", not_after: "2027-01-01T00:00:00Z", validity: "valid", days_left: 300,
};

export const signatureOf = ({ id, digest }) => `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="${id}"><ds:DigestValue>${digest}</ds:DigestValue></ds:Signature>`;

const wireError = (code, more = {}) => ({ code, who: WHO[code] ?? "caller", message: `fake: ${code}`, ...more });

/**
 * What a test may ask for, all optional:
 *   refuse: code                     the `refused` event and its close code instead of service
 *   origins: [..]                    the others are refused; default: all are served
 *   version: N                       the protocol it speaks
 *   silent: true                     opens the WebSocket and never answers
 *   helloWaits: ms                   says that it asks the person, answers later
 *   consents: [true | code | {code, tries_left, final_try} | "wait", ..]   answers of the person, in order; then true. "wait": until answerPerson()
 *   waitWhat: "consent" | "pin" ..   what the dialog asks;  promptSeconds: 120
 *   chunk: 50, chunkDelay_ms: 0      results a message, and the time between
 *   failing: Map id → code           items that cannot be signed
 *   unstamped: Set of ids            B-T items whose time stamp fails (until the set is emptied and batch.time_stamp comes)
 *   dropAfterResults: [n, ..]        cuts the connection when so many results were sent in all
 *   dropOn: {method: n}              cuts the connection n times before, or with dropAfter: true after, acting on a method
 *   pauseAfter: {results: n, code}   pauses once
 *   limits: {..}                     instead of the default ones
 *   levels: [..]                     abilities
 */
export class FakeAgent {
  constructor(script = {}) {
    this.script = script;
    this.limits = { ...DEFAULT_LIMITS, ...script.limits };
    this.log = []; // every request, in order: {method, params, connection}
    this.batches = new Map();
    this.sockets = new Set();
    this.connections = 0;
    this.results_sent = 0;
    this.largest_message = 0;
    this.most_unacknowledged = 0;
    this.waiting_person = [];
  }

  async listen(port = 0, host = "127.0.0.1") {
    this.http = createServer((_, response) => response.writeHead(404).end());
    this.server = new WebSocketServer({
      server: this.http, path: "/v1", maxPayload: this.limits.message_bytes,
      handleProtocols: (offered) => (offered.has("signet.v1") ? "signet.v1" : false),
      verifyClient: ({ req }, done) => {
        const good = /^https?:\/\/[^/]+$/.test(req.headers.origin ?? "");
        done(good, 403, "Forbidden");
      },
    });
    this.server.on("connection", (socket, request) => this.#serve(socket, request));
    await new Promise((resolve, reject) => this.http.once("error", reject).listen(port, host, resolve));
    this.port = this.http.address().port;
    return this;
  }

  async close() {
    for (const batch of this.batches.values()) clearTimeout(batch.timer);
    this.drop();
    this.server?.close();
    await new Promise((resolve) => (this.http === undefined ? resolve() : this.http.close(resolve)));
  }

  /** Cuts all connections as a crash would. */
  drop() {
    for (const socket of this.sockets) socket.terminate();
  }

  /** A token is plugged in or pulled out. */
  tokensChanged(present) {
    for (const socket of this.sockets) socket.send(JSON.stringify({ event: "tokens.changed", params: { present } }));
  }

  /** The person answers a dialog that was told to wait. */
  answerPerson(answer = true) {
    this.waiting_person.shift()?.(answer);
  }

  requests(method) {
    return this.log.filter((entry) => entry.method === method);
  }

  #serve(socket, request) {
    const { script } = this;
    this.connections += 1;
    const connection = this.connections;
    this.sockets.add(socket);
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("error", () => undefined);
    const refused = script.refuse ?? (script.origins !== undefined && !script.origins.includes(request.headers.origin) ? "origin_refused" : undefined);
    if (refused !== undefined) {
      socket.send(JSON.stringify({ event: "refused", params: { code: refused, message: "fake" } }));
      socket.close(CLOSE_CODES[refused] ?? 4403);
      return;
    }
    if (script.silent) return;
    let greeted = false;
    socket.on("message", async (data) => {
      this.largest_message = Math.max(this.largest_message, data.length);
      const { id, method, params } = JSON.parse(data.toString());
      this.log.push({ method, params, connection });
      const cut = script.dropOn?.[method] > 0;
      if (cut) script.dropOn[method] -= 1;
      if (cut && !script.dropAfter) return socket.terminate();
      const reply = (body) => socket.readyState === 1 && socket.send(JSON.stringify({ id, ...body }));
      try {
        if (method !== "hello" && !greeted) throw wireError("hello_required");
        if (method === "hello") greeted = true;
        const result = await this.#act(method, params, socket, request);
        if (cut) return socket.terminate();
        reply({ result });
        this.#after(method, params);
      } catch (error) {
        if (error.code === undefined || error instanceof Error) throw error;
        reply({ error });
      }
    });
  }

  #tell(batch, event, params) {
    if (batch.socket?.readyState === 1) batch.socket.send(JSON.stringify({ event, params: { batch: batch.handle, ...params } }));
  }

  #progress(batch, error) {
    const missing = [...batch.latest.values()].filter((result) => result.time_stamp_error).length;
    return {
      state: batch.state, total: batch.together ? Math.min(1, batch.items.length) : batch.items.length, signed: batch.next, ready: batch.latest.size,
      time_stamps_missing: missing, acknowledged: batch.acknowledged, results: batch.results.length,
      remaining_s: Math.ceil((batch.items.length - batch.next) / (this.script.chunk ?? 50) * (this.script.chunkDelay_ms ?? 0) / 1000),
      ...(error === undefined ? {} : { error }),
    };
  }

  async #person(batch, socket) {
    let answer = this.script.consents?.length > 0 ? this.script.consents.shift() : true;
    const until = new Date(Date.now() + (this.script.promptSeconds ?? 120) * 1000).toISOString();
    socket.send(JSON.stringify({ event: "batch.waiting", params: { ...(batch === undefined ? {} : { batch: batch.handle }), what: this.script.waitWhat ?? "consent", until } }));
    if (answer === "wait") answer = await new Promise((resolve) => this.waiting_person.push(resolve));
    if (answer !== true) throw typeof answer === "string" ? wireError(answer) : wireError(answer.code, answer);
  }

  async #act(method, params, socket, request) {
    const { script } = this;
    if (method === "hello") {
      if (params.protocol !== (script.version ?? 1)) throw wireError("version_unsupported");
      if (script.helloWaits !== undefined) {
        socket.send(JSON.stringify({ event: "waiting", params: { what: "origin", until: new Date(Date.now() + 120_000).toISOString() } }));
        await new Promise((resolve) => setTimeout(resolve, script.helloWaits));
      }
      return { protocol: script.version ?? 1, agent: "signet", version: "0.1.0", limits: this.limits,
        abilities: { levels: script.levels ?? ["b", "t"], packagings: ["detached", "enveloping"], digests: Object.keys(DIGEST_BYTES), together: true, pss: true } };
    }
    if (method === "certificate.choose") {
      await this.#person(undefined, socket);
      return { certificate: script.certificate ?? CERTIFICATE };
    }
    if (method === "batch.begin") {
      if (typeof params.purpose !== "string") throw wireError("parameter_invalid");
      const batch = { handle: randomBytes(32).toString("base64url"), origin: request.headers.origin, socket, state: "collecting", level: params.level ?? "b",
        together: params.together === true, items: [], ids: new Set(), parts: 0, next: 0, results: [], latest: new Map(), acknowledged: 0, sent: 0 };
      this.batches.set(batch.handle, batch);
      return { batch: batch.handle, id: "signet-000000000000000000000000" };
    }
    const batch = this.batches.get(params.batch);
    if (batch === undefined || batch.origin !== request.headers.origin) throw wireError(method.startsWith("batch.") ? "batch_unknown" : "method_unknown");
    switch (method) {
      case "batch.items": {
        if (batch.state !== "collecting") throw wireError("batch_state");
        if (params.part !== batch.parts) throw wireError("part_out_of_order");
        if (params.items.length > this.limits.part_items || batch.items.length + params.items.length > this.limits.batch_items) throw wireError("batch_too_large");
        const ids = new Set();
        for (const { id, digest, name, alg = "sha256" } of params.items) {
          if (DIGEST_BYTES[alg] === undefined) throw wireError("algorithm_unknown");
          if (Buffer.from(digest, "base64").length !== DIGEST_BYTES[alg]) throw wireError("digest_length");
          if (batch.ids.has(id) || ids.has(id)) throw wireError("id_duplicate");
          if (!(Buffer.byteLength(id) <= 64) || !(Buffer.byteLength(name) <= 256) || name === "" || id === "") throw wireError("parameter_invalid");
          ids.add(id);
        }
        for (const id of ids) batch.ids.add(id);
        batch.items.push(...params.items);
        batch.parts += 1;
        return { items: batch.items.length };
      }
      case "batch.commit":
        if (batch.state === "running" || batch.state === "complete" || batch.state === "cancelled") throw wireError("batch_state");
        if (batch.items.length === 0) throw wireError("batch_empty");
        if (params.items !== batch.items.length) throw wireError("parameter_invalid");
        batch.state = "waiting";
        batch.socket = socket;
        await this.#person(batch, socket);
        if (batch.state !== "waiting") throw wireError("user_cancelled");
        batch.state = "running";
        return { state: "running", certificate: { id: CERTIFICATE.id, validity: (script.certificate ?? CERTIFICATE).validity, days_left: (script.certificate ?? CERTIFICATE).days_left } };
      case "batch.resume":
        batch.socket = socket;
        batch.sent = batch.acknowledged;
        if (batch.state === "paused") {
          if (batch.person_again) await this.#person(batch, socket);
          batch.state = "running";
        }
        return this.#progress(batch);
      case "batch.acknowledge":
        batch.acknowledged = Math.max(batch.acknowledged, params.through);
        return {};
      case "batch.cancel":
        if (batch.state !== "complete") batch.state = "cancelled";
        if (this.waiting_person.length > 0) this.answerPerson("user_cancelled");
        return {};
      case "batch.time_stamp":
        if (script.unstamped?.size === 0) {
          for (const result of [...batch.latest.values()].filter(({ time_stamp_error }) => time_stamp_error)) {
            const stamped = { seq: batch.results.length + 1, id: result.id, level: "t", signature: result.signature };
            batch.results.push(stamped);
            batch.latest.set(result.id, stamped);
          }
        }
        return { time_stamps_missing: this.#progress(batch).time_stamps_missing };
      case "batch.close":
        clearTimeout(batch.timer);
        this.batches.delete(batch.handle);
        return {};
      default:
        throw wireError("method_unknown");
    }
  }

  #after(method, params) {
    const batch = this.batches.get(params.batch);
    if (batch === undefined) return;
    if (method === "batch.cancel") {
      this.#flush(batch);
      this.#tell(batch, "batch.progress", this.#progress(batch, wireError("user_cancelled")));
    } else if (["batch.commit", "batch.resume", "batch.acknowledge", "batch.time_stamp"].includes(method)) this.#sign(batch);
  }

  // Signs a chunk, tells it, and comes again.
  #sign(batch) {
    if (batch.timer !== undefined) return;
    batch.timer = setTimeout(() => {
      batch.timer = undefined;
      this.#step(batch);
    }, this.script.chunkDelay_ms ?? 0);
  }

  #step(batch) {
    const { chunk = 50, failing, unstamped, pauseAfter } = this.script;
    if (batch.state === "running") {
      const total = batch.together ? 1 : batch.items.length;
      while (batch.next < total && batch.results.length - batch.sent < chunk && batch.results.length - batch.acknowledged < this.limits.unacknowledged) {
        const item = batch.items[batch.next++];
        const seq = batch.results.length + 1;
        const code = failing?.get(item.id);
        const result = code !== undefined ? { seq, id: item.id, error: wireError(code) }
          : { seq, id: item.id, level: batch.level, signature: signatureOf(item) };
        if (code === undefined && batch.level === "t" && unstamped?.has(item.id)) {
          result.level = "b";
          result.time_stamp_error = wireError("time_stamp_failed");
        }
        batch.results.push(result);
        batch.latest.set(item.id, result);
        if (pauseAfter !== undefined && !pauseAfter.done && batch.results.length >= pauseAfter.results) {
          pauseAfter.done = true;
          batch.state = "paused";
          batch.person_again = pauseAfter.person === true;
          break;
        }
      }
      if (batch.state === "running" && batch.next === total) batch.state = "complete";
    }
    const was_connected = batch.socket?.readyState === 1;
    this.#flush(batch);
    if (was_connected) this.#tell(batch, "batch.progress", this.#progress(batch, batch.state === "paused" ? wireError(pauseAfter.code) : undefined));
    if (batch.state === "running" && batch.results.length - batch.acknowledged < this.limits.unacknowledged && was_connected) this.#sign(batch);
  }

  #flush(batch) {
    const { chunk = 50, dropAfterResults } = this.script;
    while (batch.sent < batch.results.length && batch.socket?.readyState === 1) {
      const results = batch.results.slice(batch.sent, batch.sent + chunk);
      this.#tell(batch, "batch.results", { results });
      batch.sent += results.length;
      this.results_sent += results.length;
      this.most_unacknowledged = Math.max(this.most_unacknowledged, batch.sent - batch.acknowledged);
      if (dropAfterResults?.length > 0 && this.results_sent >= dropAfterResults[0]) {
        dropAfterResults.shift();
        this.drop();
      }
    }
  }
}
