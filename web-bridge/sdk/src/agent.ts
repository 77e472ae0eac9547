import { Batch, type BatchCallbacks, type Link, type SignOptions, type StoredBatch, type Waiting } from "./batch.js";
import { Connection, hello } from "./connection.js";
import { SignetError, type ErrorCode } from "./errors.js";
import { DEFAULT_PORTS, type Language, type Validity, type WireCertificate, type WireEvent, type WireHello, type WireLimits, type WireWaiting } from "./protocol.js";
import { openSocket, TIMING, watchPermission, type PermissionWatch, type SocketConstructor, type Timing } from "./socket.js";

export interface ConnectOptions {
  /** The page's language; the agent's dialogs use it where they have none of their own. */
  language?: Language | undefined;
  /** Where agents listen; all are tried in order. */
  ports?: readonly number[] | undefined;
  hosts?: readonly string[] | undefined;
  /** Needed in Node before 22: for example that of the `ws` package, made to send an `origin`. */
  WebSocket?: SocketConstructor | undefined;
  timing?: Partial<Timing> | undefined;
  /** Asked outside the page: by the browser (`permission`) or by the agent (`origin`, `certificate`). null: answered. */
  onWaiting?: ((waiting: Waiting | null) => void) | undefined;
  /** A token was plugged in or pulled out; whether any is there now. After `no_token` or `token_removed`: a good moment to go on. */
  onTokens?: ((present: boolean) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface Certificate {
  /** SHA-256 of the certificate, 64 hex digits. */
  id: string;
  der: Uint8Array;
  subject: string;
  issuer: string;
  notBefore: Date;
  notAfter: Date;
  validity: Validity;
  daysLeft: number;
}

/** These are the agent's last word: another port would say no better. */
const DECIDED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["origin_refused", "host_refused", "too_many", "version_unsupported", "blocked_by_browser", "user_cancelled"]);
/** Of the others the one that tells most is reported: somewhere something answered, or at least could be reached. */
const TELLING: readonly ErrorCode[] = ["blocked_by_csp", "not_running", "connection_lost", "no_answer", "other_user"];

interface Found {
  connection: Connection;
  answer: WireHello;
  url: string;
}

async function find(options: ConnectOptions, timing: Timing, permission: PermissionWatch, first?: string): Promise<Found> {
  const { ports = DEFAULT_PORTS, hosts = ["127.0.0.1", "localhost"], onWaiting, signal } = options;
  const Socket = options.WebSocket ?? (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
  if (Socket === undefined) throw new TypeError("no WebSocket here: give connect() one, for example that of the ws package");
  const urls = new Set([...(first === undefined ? [] : [first]), ...hosts.flatMap((host) => ports.map((port) => `ws://${host}:${port}/v1`))]);
  let telling: SignetError | undefined;
  for (const url of urls) {
    signal?.throwIfAborted();
    try {
      const socket = await openSocket(url, {
        socket: Socket, timing, permission, signal,
        onPermission: (open) => onWaiting?.(open ? { what: "permission", until: undefined } : null),
      });
      const connection = new Connection(socket);
      const answer = await hello(connection, options.language, timing.handshake_ms, (waiting) => onWaiting?.(fromWaiting(waiting)));
      return { connection, answer, url };
    } catch (error) {
      if (!(error instanceof SignetError) || DECIDED.has(error.code)) throw error;
      if (telling === undefined || TELLING.indexOf(error.code) > TELLING.indexOf(telling.code)) telling = error;
    }
  }
  throw telling ?? new SignetError("not_running", "no port to try");
}

function fromWaiting(waiting: WireWaiting | null): Waiting | null {
  return waiting === null ? null : { what: waiting.what, until: waiting.until === undefined ? undefined : new Date(waiting.until) };
}

/** Finds the agent and says hello. In a page: call it in a click, as the browser may ask the person. */
export async function connect(options: ConnectOptions = {}): Promise<Agent> {
  const timing = { ...TIMING, ...options.timing };
  const permission = await watchPermission();
  return new Agent(options, timing, permission, await find(options, timing, permission));
}

/** Calls back when the person allowed or forbade the way to the agent in the browser's settings: a good time to connect again. Gives a function that stops it. */
export async function onPermissionChange(listener: (state: PermissionState | "unknown") => void): Promise<() => void> {
  return (await watchPermission()).listen(listener);
}

/** An agent that said hello. A connection that is lost is found again when it is needed. */
export class Agent implements Link {
  private found: Found;
  private reconnecting: Promise<void> | undefined;
  private readonly batches = new Map<string, Batch>();
  private choosing: ((waiting: Waiting | null) => void) | undefined;
  private closed = false;
  private wake: () => void = () => undefined;

  constructor(private readonly options: ConnectOptions, private readonly timing: Timing, private readonly permission: PermissionWatch, found: Found) {
    this.found = found;
    this.use(found);
  }

  get version(): string {
    return this.found.answer.version;
  }
  /** What this agent can do: level `t` is there only where a time-stamping authority is configured. */
  get abilities(): WireHello["abilities"] {
    return this.found.answer.abilities;
  }
  get limits(): WireLimits {
    return this.found.answer.limits;
  }
  get connected(): boolean {
    return !this.found.connection.lost;
  }

  /** The certificate for this page: the one it was given before, the only one, or the one that the person now chooses. */
  async chooseCertificate({ again = false, onWaiting = this.options.onWaiting }: { again?: boolean; onWaiting?: ConnectOptions["onWaiting"] } = {}): Promise<Certificate> {
    let asked = false;
    this.choosing = (waiting) => {
      asked = true;
      onWaiting?.(waiting);
    };
    try {
      await this.ready();
      const { certificate } = await this.request<{ certificate: WireCertificate }>("certificate.choose", { again });
      const { id, der, subject, issuer, validity } = certificate;
      return {
        id, subject, issuer, validity, der: Uint8Array.from(atob(der), (letter) => letter.charCodeAt(0)),
        notBefore: new Date(certificate.not_before), notAfter: new Date(certificate.not_after), daysLeft: certificate.days_left,
      };
    } finally {
      this.choosing = undefined;
      if (asked) onWaiting?.(null);
    }
  }

  /** Signs digests: hands them over, has the person asked, and brings the signatures to `onResult`. See Batch for the rest. */
  signBatch(options: SignOptions): Batch {
    return new Batch(this, options);
  }

  /** Goes on with a batch after a reload: what storedBatch() gave, or a bare handle. */
  resumeBatch(batch: string | StoredBatch, callbacks: BatchCallbacks = {}): Batch {
    return new Batch(this, { ...callbacks, resume: batch });
  }

  /** Ends the connection. Batches that run go on in the agent, up to what it may hold back, and can be resumed. */
  close(): void {
    this.closed = true;
    this.wake();
    this.found.connection.close();
  }

  request<T>(method: string, params: object): Promise<T> {
    return this.found.connection.request<T>(method, params);
  }

  attach(handle: string, batch: Batch): void {
    this.batches.set(handle, batch);
  }
  detach(handle: string): void {
    this.batches.delete(handle);
  }

  reconnect(): Promise<void> {
    if (this.closed) return Promise.reject(new SignetError("connection_lost", "the connection was closed by the page"));
    if (this.connected) return Promise.resolve();
    this.reconnecting ??= this.look().finally(() => {
      this.reconnecting = undefined;
    });
    return this.reconnecting;
  }

  private async look(): Promise<void> {
    const until = Date.now() + this.timing.reconnect_ms;
    for (let attempt = 0; ; attempt += 1) {
      const delays = this.timing.retry_delays_ms;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, delays[Math.min(attempt, delays.length - 1)]);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (this.closed) throw new SignetError("connection_lost", "the connection was closed by the page");
      try {
        this.use(await find(this.options, this.timing, this.permission, this.found.url));
        return;
      } catch (error) {
        if (!(error instanceof SignetError) || DECIDED.has(error.code) || Date.now() >= until) throw error;
      }
    }
  }

  private async ready(): Promise<void> {
    if (!this.connected) await this.reconnect();
  }

  private use(found: Found): void {
    this.found = found;
    found.connection.onEvent = (event) => this.take(event);
    found.connection.onLost = (error) => {
      for (const batch of this.batches.values()) batch.connectionLost(error.code === "connection_lost" ? error : new SignetError("connection_lost", error.message));
    };
  }

  private take(event: WireEvent): void {
    const batch = event.params.batch === undefined ? undefined : this.batches.get(event.params.batch);
    if (batch !== undefined) batch.take(event);
    else if (event.event === "tokens.changed") this.options.onTokens?.(event.params.present === true);
    else if (event.event === "waiting" || event.event === "batch.waiting") this.choosing?.(fromWaiting(event.params as unknown as WireWaiting));
  }
}
