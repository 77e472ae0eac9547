import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { test, type TestContext } from "node:test";
import { connect, SignetError, type ConnectOptions, type ErrorCode, type SocketConstructor, type Waiting } from "../src/index.js";
import { openSocket, TIMING, watchPermission, type PermissionWatch, type SocketLike } from "../src/socket.js";
import { connected, fakeAgent, ORIGIN, QUICK, socketOf } from "./support.js";

const options = (ports: number[], more: ConnectOptions = {}): ConnectOptions => ({ ports, hosts: ["127.0.0.1"], WebSocket: socketOf(), timing: QUICK, ...more });
const rejectsWith = (code: ErrorCode) => (error: unknown) => {
  assert.ok(error instanceof SignetError, String(error));
  assert.equal(error.code, code);
  return true;
};

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Takes connections and says nothing, as while a browser's question is open. */
async function silentServer(t: TestContext): Promise<{ server: Server; port: number; drop(): void }> {
  const sockets = new Set<import("node:net").Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    drop();
    server.close();
  });
  return { server, port: (server.address() as { port: number }).port, drop };
}

function permissionOf(start: PermissionState) {
  const listeners = new Set<(state: PermissionState | "unknown") => void>();
  let state: PermissionState = start;
  const watch: PermissionWatch & { answer(next: PermissionState): void; listening(): number } = {
    state: () => state,
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    answer(next) {
      state = next;
      for (const listener of listeners) listener(next);
    },
    listening: () => listeners.size,
  };
  return watch;
}

test("connect says hello with the protocol, the client and the page's language", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake, { language: "ru" });
  assert.deepEqual(fake.log[0]?.params, { protocol: 1, client: "signet-sdk/0.1.0", language: "ru" });
  assert.equal(agent.version, "0.1.0");
  assert.deepEqual(agent.abilities.levels, ["b", "t"]);
  assert.equal(agent.limits.part_items, 5_000);
});

test("the page hears that a token came or went, also on a connection that was found again", async (t) => {
  const fake = await fakeAgent(t);
  const heard: boolean[] = [];
  let wake: () => void = () => undefined;
  const count = async (wanted: number) => {
    while (heard.length < wanted) await new Promise<void>((resolve) => (wake = resolve));
  };
  const agent = await connected(t, fake, {
    onTokens: (present) => {
      heard.push(present);
      wake();
    },
  });
  fake.tokensChanged(true);
  fake.tokensChanged(false);
  await count(2);
  fake.drop();
  while (agent.connected) await new Promise((resolve) => setTimeout(resolve, 5));
  await agent.reconnect();
  fake.tokensChanged(true);
  await count(3);
  assert.deepEqual(heard, [true, false, true]);
});

test("an agent on a later port is found", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connect(options([await freePort(), await freePort(), fake.port]));
  agent.close();
  assert.equal(fake.connections, 1);
});

test("an agent that serves another user is passed over", async (t) => {
  const theirs = await fakeAgent(t, { refuse: "other_user" });
  const ours = await fakeAgent(t);
  const agent = await connect(options([theirs.port, ours.port]));
  agent.close();
  assert.equal(ours.requests("hello").length, 1);
});

test("nothing listens: not_running", async () => {
  await assert.rejects(connect(options([await freePort(), await freePort()])), rejectsWith("not_running"));
});

test("only another user's agent is there: other_user, although the other ports are silent", async (t) => {
  const theirs = await fakeAgent(t, { refuse: "other_user" });
  await assert.rejects(connect(options([theirs.port, await freePort()])), rejectsWith("other_user"));
});

test("a refused origin is told as such and ends the search", async (t) => {
  const fake = await fakeAgent(t, { origins: ["https://other.example"] });
  const next = await fakeAgent(t);
  await assert.rejects(connect(options([fake.port, next.port])), rejectsWith("origin_refused"));
  assert.equal(next.connections, 0);
});

test("an allowed origin is sent and served", async (t) => {
  const fake = await fakeAgent(t, { origins: [ORIGIN] });
  await connected(t, fake);
});

test("too many connections: too_many", async (t) => {
  const fake = await fakeAgent(t, { refuse: "too_many" });
  await assert.rejects(connect(options([fake.port])), rejectsWith("too_many"));
});

test("an agent of another protocol: version_unsupported", async (t) => {
  const fake = await fakeAgent(t, { version: 2 });
  await assert.rejects(connect(options([fake.port])), rejectsWith("version_unsupported"));
});

test("an agent that opens and never says hello: no_answer after the handshake's time", async (t) => {
  const fake = await fakeAgent(t, { silent: true });
  await assert.rejects(connect(options([fake.port])), rejectsWith("no_answer"));
});

test("a port that takes the connection and never answers: no_answer, not not_running", async (t) => {
  const { port } = await silentServer(t);
  await assert.rejects(connect(options([port])), rejectsWith("no_answer"));
});

test("the handshake's time stands still while the agent asks the person about the origin", async (t) => {
  const fake = await fakeAgent(t, { helloWaits: QUICK.handshake_ms + 200 });
  const waitings: (Waiting | null)[] = [];
  await connected(t, fake, { onWaiting: (waiting) => waitings.push(waiting) });
  assert.equal(waitings[0]?.what, "origin");
  assert.ok(waitings[0]?.until instanceof Date);
  assert.equal(waitings[1], null);
});

test("a constructor that throws is the page's own policy (Firefox): blocked_by_csp", async () => {
  const Throwing = class {
    constructor() {
      throw new Error("SecurityError");
    }
  } as unknown as SocketConstructor;
  await assert.rejects(connect(options([1], { WebSocket: Throwing })), rejectsWith("blocked_by_csp"));
});

test("an error without close is the page's own policy (Chromium): blocked_by_csp", async () => {
  const Mute = class {
    readyState = 0;
    onerror: (() => void) | null = null;
    constructor() {
      setImmediate(() => this.onerror?.());
    }
    close() { /* nothing was open */ }
  } as unknown as SocketConstructor;
  await assert.rejects(connect(options([1], { WebSocket: Mute })), rejectsWith("blocked_by_csp"));
});

test("a policy that stops one host hides no answer of another: not_running wins", async () => {
  const port = await freePort();
  const Socket = socketOf();
  const Partly = class {
    constructor(url: string, protocols: string[]) {
      if (url.includes("localhost")) throw new Error("SecurityError");
      return new Socket(url, protocols) as object;
    }
  } as unknown as SocketConstructor;
  await assert.rejects(connect({ ports: [port], hosts: ["127.0.0.1", "localhost"], WebSocket: Partly, timing: QUICK }), rejectsWith("not_running"));
});

test("an aborted search rejects with the signal's reason and leaves no socket behind", async (t) => {
  const { port, server } = await silentServer(t);
  const abort = new AbortController();
  const searching = connect(options([port], { signal: abort.signal, timing: { ...QUICK, handshake_ms: 5_000 } }));
  await new Promise((resolve) => server.once("connection", resolve));
  abort.abort(new Error("enough"));
  await assert.rejects(searching, /enough/);
});

test("without any WebSocket connect says what to give it", async () => {
  const had = (globalThis as { WebSocket?: unknown }).WebSocket;
  delete (globalThis as { WebSocket?: unknown }).WebSocket;
  try {
    await assert.rejects(connect({ ports: [1] }), /WebSocket/);
  } finally {
    if (had !== undefined) (globalThis as { WebSocket?: unknown }).WebSocket = had;
  }
});

test("while the browser's question is open the timer stands still, and after Allow the socket comes", async (t) => {
  const fake = await fakeAgent(t);
  const permission = permissionOf("prompt");
  // As Chromium does it: the upgrade is sent only after the person's answer.
  const Socket = socketOf();
  const Held = class {
    onopen = null; onerror = null; onclose = null; onmessage = null; readyState = 0;
    constructor(url: string, protocols: string[]) {
      permission.listen(() => {
        const real = new Socket(url, protocols);
        real.onopen = () => (this.onopen as ((event: unknown) => void) | null)?.({});
        this.close = () => real.close();
      });
    }
    close() { /* replaced */ }
  } as unknown as SocketConstructor;
  const asked: boolean[] = [];
  const opening = openSocket(`ws://127.0.0.1:${fake.port}/v1`, { socket: Held, timing: { ...TIMING, ...QUICK }, permission, onPermission: (open) => asked.push(open) });
  await new Promise((resolve) => setTimeout(resolve, QUICK.handshake_ms + 100));
  assert.deepEqual(asked, [true]);
  permission.answer("granted");
  (await opening).close();
  assert.deepEqual(asked, [true, false]);
});

test("a connection that the agent dropped during the question is opened anew after Allow", async (t) => {
  const fake = await fakeAgent(t);
  const permission = permissionOf("prompt");
  const Socket = socketOf();
  let made = 0;
  const Dropped = class {
    onopen = null; onerror = null; onclose: ((event: unknown) => void) | null = null; onmessage = null; readyState = 0;
    constructor(url: string, protocols: string[]) {
      made += 1;
      if (made > 1) return new Socket(url, protocols) as unknown as this;
      permission.listen(() => this.onclose?.({ code: 1006 }));
      return this;
    }
    close() { /* nothing was open */ }
  } as unknown as SocketConstructor;
  const opening = openSocket(`ws://127.0.0.1:${fake.port}/v1`, { socket: Dropped, timing: { ...TIMING, ...QUICK }, permission });
  await new Promise((resolve) => setTimeout(resolve, 20));
  permission.answer("granted");
  (await opening).close();
  assert.equal(made, 2);
});

class NeverOpens implements SocketLike {
  static closes_after_ms = 0;
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: unknown) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  onclose: ((event: unknown) => void) | null = null;
  readyState = 0;
  constructor() {
    const timer = setTimeout(() => this.onclose?.({ code: 1006 }), NeverOpens.closes_after_ms);
    if (NeverOpens.closes_after_ms > 1_000) timer.unref();
  }
  send(): void { /* never */ }
  close(): void { /* never */ }
}
const never = (permission: PermissionWatch, closes_after_ms: number) => {
  NeverOpens.closes_after_ms = closes_after_ms;
  return openSocket("ws://127.0.0.1:1/v1", { socket: NeverOpens, timing: { ...TIMING, ...QUICK, permission_ms: 300 }, permission });
};

test("a denied permission is the browser's doing, not a missing agent: blocked_by_browser", async () => {
  await assert.rejects(never(permissionOf("denied"), 0), rejectsWith("blocked_by_browser"));
});

test("Block in the browser's question: blocked_by_browser", async () => {
  const permission = permissionOf("prompt");
  const opening = never(permission, 10_000);
  setTimeout(() => permission.answer("denied"), 10);
  await assert.rejects(opening, rejectsWith("blocked_by_browser"));
  assert.equal(permission.listening(), 0);
});

test("a question that was closed without an answer: blocked_by_browser", async () => {
  await assert.rejects(never(permissionOf("prompt"), QUICK.human_ms + 50), rejectsWith("blocked_by_browser"));
});

test("a question left open for too long: blocked_by_browser", async () => {
  await assert.rejects(never(permissionOf("prompt"), 10_000), rejectsWith("blocked_by_browser"));
});

test("a permission still to be asked for, and nothing listens: not_running, as no question was shown", async () => {
  await assert.rejects(never(permissionOf("prompt"), 0), rejectsWith("not_running"));
});

test("a browser without the permission's name has no gate", async () => {
  assert.equal((await watchPermission()).state(), "unknown");
});

test("chooseCertificate gives what the person chose and tells of the dialog", async (t) => {
  const fake = await fakeAgent(t, { waitWhat: "certificate" });
  const agent = await connected(t, fake);
  const waitings: (string | undefined)[] = [];
  const certificate = await agent.chooseCertificate({ onWaiting: (waiting) => waitings.push(waiting?.what) });
  assert.equal(certificate.subject, "CN=Maria Rusu");
  assert.equal(certificate.notAfter.getUTCFullYear(), 2027);
  assert.equal(Buffer.from(certificate.der).toString(), "a certificate");
  assert.deepEqual(waitings, ["certificate", undefined]);
  assert.deepEqual(fake.requests("certificate.choose")[0]?.params, { again: false });
});

test("a choice that the person cancels rejects with user_cancelled", async (t) => {
  const fake = await fakeAgent(t, { consents: ["user_cancelled"] });
  const agent = await connected(t, fake);
  await assert.rejects(agent.chooseCertificate(), rejectsWith("user_cancelled"));
});

test("an idle agent whose connection was lost is found again when it is needed", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake);
  fake.drop();
  while (agent.connected) await new Promise((resolve) => setImmediate(resolve));
  await agent.chooseCertificate();
  assert.equal(fake.connections, 2);
});
