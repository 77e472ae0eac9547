import { SignetError } from "./errors.js";
import { SUBPROTOCOL } from "./protocol.js";

/** The part of a WebSocket that is used here: a browser's, Node's ≥ 22, or that of the `ws` package. */
export interface SocketLike {
  readonly readyState: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}
export type SocketConstructor = new (url: string, protocols: string[]) => SocketLike;

/** Times of waiting, in milliseconds. Pages leave them alone; tests shorten them. */
export interface Timing {
  /** From opening a socket to the agent's hello; stands still while the browser or the agent asks the person. */
  handshake_ms: number;
  /** How long the browser's own question may stay open. */
  permission_ms: number;
  /** A socket that said `error` and not `close` after this time was stopped by the page's own policy. */
  close_after_error_ms: number;
  /** A refusal that took longer than this was made by a person, not by a port on which nothing listens. */
  human_ms: number;
  /** The agent drops a silent connection after 30 s: one lost so late lost it to the open question. */
  silent_connection_ms: number;
  /** Pauses between attempts to find a lost agent again; the last one repeats. */
  retry_delays_ms: readonly number[];
  /** When to stop looking for it. */
  reconnect_ms: number;
}
export const TIMING: Timing = {
  handshake_ms: 12_000,
  permission_ms: 300_000,
  close_after_error_ms: 1_000,
  human_ms: 700,
  silent_connection_ms: 25_000,
  retry_delays_ms: [100, 250, 500, 1_000, 2_000, 4_000],
  reconnect_ms: 60_000,
};

/** Chromium's Local Network Access: "unknown" where the browser has no such gate (Firefox's default, Node, older browsers). */
export type Permission = PermissionState | "unknown";
export interface PermissionWatch {
  state(): Permission;
  /** Gives a function that stops listening. */
  listen(listener: (state: Permission) => void): () => void;
}

const UNGATED: PermissionWatch = { state: () => "unknown", listen: () => () => undefined };

export async function watchPermission(): Promise<PermissionWatch> {
  const permissions = (globalThis as { navigator?: { permissions?: { query(d: { name: string }): Promise<PermissionStatus> } } }).navigator?.permissions;
  // A page that is itself served from loopback passes no gate, whatever the permission's state says.
  const host = (globalThis as { location?: { hostname?: string } }).location?.hostname;
  if (permissions === undefined || host === "localhost" || host === "127.0.0.1" || host === "[::1]") return UNGATED;
  // The name changed between versions of Chromium: the newer one first.
  for (const name of ["loopback-network", "local-network-access"]) {
    try {
      const status = await permissions.query({ name });
      return {
        state: () => status.state,
        listen(listener) {
          const changed = () => listener(status.state);
          status.addEventListener("change", changed);
          return () => status.removeEventListener("change", changed);
        },
      };
    } catch {
      // A name that the browser does not know is a TypeError.
    }
  }
  return UNGATED;
}

/** Runs `act` after `ms`, not counting the time between hold() and release(). */
export class PausableTimer {
  private left: number;
  private started = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  constructor(ms: number, private readonly act: () => void) {
    this.left = ms;
    this.release();
  }
  hold(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.left -= Date.now() - this.started;
  }
  release(): void {
    if (this.timer !== undefined) return;
    this.started = Date.now();
    this.timer = setTimeout(this.act, Math.max(0, this.left));
  }
}

export interface OpenOptions {
  socket: SocketConstructor;
  timing: Timing;
  permission: PermissionWatch;
  /** The browser's question is on the screen (true), or answered (false). */
  onPermission?: ((open: boolean) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Opens one socket, or says in a SignetError which of the things that look alike stopped it. */
export async function openSocket(url: string, options: OpenOptions): Promise<SocketLike> {
  for (;;) {
    const outcome = await attempt(url, options);
    if (outcome === "again") continue;
    if (outcome instanceof SignetError) throw outcome;
    return outcome;
  }
}

function attempt(url: string, { socket: Socket, timing, permission, onPermission, signal }: OpenOptions): Promise<SocketLike | SignetError | "again"> {
  return new Promise((resolve, reject) => {
    const started = Date.now();
    let asked = false;
    const at_first = permission.state();
    const undo: (() => void)[] = [];
    const finish = (outcome: SocketLike | SignetError | "again") => {
      for (const step of undo.splice(0)) step();
      if (asked) onPermission?.(false);
      resolve(outcome);
    };
    const by_csp = () => finish(new SignetError("blocked_by_csp", `the page's Content-Security-Policy does not allow ${url}`));

    // Before the constructor: Chromium reports the violation while the socket is being made.
    if (typeof document !== "undefined") {
      const violated = (event: SecurityPolicyViolationEvent) => {
        if (event.disposition === "enforce" && event.effectiveDirective === "connect-src" && event.blockedURI.startsWith(new URL(url).origin)) by_csp();
      };
      document.addEventListener("securitypolicyviolation", violated);
      undo.push(() => document.removeEventListener("securitypolicyviolation", violated));
    }

    let socket: SocketLike;
    try {
      socket = new Socket(url, [SUBPROTOCOL]);
    } catch (thrown) {
      // Firefox throws a SecurityError where Chromium fires `error`.
      finish(new SignetError("blocked_by_csp", `the browser does not let this page open ${url}`, { cause: thrown }));
      return;
    }
    const abandon = () => {
      socket.onopen = socket.onmessage = socket.onclose = null;
      // The `ws` package throws an unhandled error without a listener when a connecting socket is closed.
      socket.onerror = () => undefined;
      try { socket.close(); } catch { /* not open yet */ }
    };

    const timer = new PausableTimer(timing.handshake_ms, () => {
      abandon();
      finish(new SignetError("no_answer", `no WebSocket at ${url} within ${timing.handshake_ms} ms`));
    });
    undo.push(() => timer.hold());

    // While the question is open the browser keeps the connection without a byte: an agent that listens looks like one that hangs.
    const question = setTimeout(() => {
      if (permission.state() !== "prompt") return;
      asked = true;
      timer.hold();
      onPermission?.(true);
    }, timing.human_ms);
    undo.push(() => clearTimeout(question));
    const given_up = setTimeout(() => {
      if (!asked) return;
      abandon();
      finish(new SignetError("blocked_by_browser", "the browser's question about local network access was not answered"));
    }, timing.permission_ms);
    undo.push(() => clearTimeout(given_up));
    undo.push(permission.listen((state) => {
      if (state === "granted") timer.release();
      else if (state === "denied") {
        abandon();
        finish(new SignetError("blocked_by_browser", "local network access was denied to this page"));
      }
    }));

    if (signal !== undefined) {
      const aborted = () => {
        abandon();
        for (const step of undo.splice(0)) step();
        reject(signal.reason);
      };
      signal.addEventListener("abort", aborted);
      undo.push(() => signal.removeEventListener("abort", aborted));
    }

    socket.onopen = () => {
      socket.onopen = socket.onerror = socket.onclose = null;
      finish(socket);
    };
    socket.onerror = () => {
      const wait = setTimeout(by_csp, timing.close_after_error_ms);
      undo.push(() => clearTimeout(wait));
    };
    socket.onclose = () => {
      const took = Date.now() - started;
      const state = permission.state();
      if (at_first === "prompt" && state === "granted") finish("again"); // the agent dropped the silent connection meanwhile; a new one works at once
      else if (state === "denied") finish(new SignetError("blocked_by_browser", "local network access is denied to this page"));
      else if (state === "prompt" && took >= timing.silent_connection_ms) finish("again");
      else if (state === "prompt" && took >= timing.human_ms) {
        finish(new SignetError("blocked_by_browser", "the browser's question about local network access was dismissed"));
      } else finish(new SignetError("not_running", `nothing listens at ${url}`));
    };
  });
}
