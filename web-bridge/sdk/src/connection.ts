import { fromWire, SignetError, type ErrorCode } from "./errors.js";
import { PROTOCOL_VERSION, SDK_VERSION, type Language, type WireError, type WireEvent, type WireHello, type WireWaiting } from "./protocol.js";
import { PausableTimer, type SocketLike } from "./socket.js";

const REFUSALS: Record<number, ErrorCode> = { 4403: "origin_refused", 4409: "other_user", 4429: "too_many" };

interface Pending {
  resolve(result: unknown): void;
  reject(error: SignetError): void;
}

/** One open socket: requests and their answers, events, and its end. Knows nothing of batches. */
export class Connection {
  /** Called with each event but `refused`. */
  onEvent: (event: WireEvent) => void = () => undefined;
  /** Called once, when the socket is gone. */
  onLost: (error: SignetError) => void = () => undefined;
  private readonly pending = new Map<number, Pending>();
  private next = 1;
  private ended: SignetError | undefined;

  constructor(private readonly socket: SocketLike) {
    socket.onmessage = (event: { data: unknown }) => this.take(event.data);
    socket.onclose = (event: { code?: number }) => {
      const refusal = REFUSALS[event.code ?? 0];
      this.end(new SignetError(refusal ?? "connection_lost", refusal ?? `the connection was closed (${event.code ?? "?"})`));
    };
    socket.onerror = () => undefined; // a close follows
  }

  get lost(): boolean {
    return this.ended !== undefined;
  }

  request<T>(method: string, params: object): Promise<T> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const id = this.next++;
    return new Promise<T>((resolve, reject) => {
      this.pending.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  close(reason = new SignetError("connection_lost", "the connection was closed by the page")): void {
    if (this.ended !== undefined) return;
    this.socket.onclose = this.socket.onmessage = null;
    this.socket.onerror = () => undefined;
    this.socket.close(1000);
    this.end(reason);
  }

  private take(data: unknown): void {
    let message: { id?: number | null; result?: unknown; error?: WireError; event?: string; params?: WireEvent["params"] };
    try {
      message = JSON.parse(String(data));
    } catch {
      return; // an agent that sends no JSON gets no answer either: its requests end with the connection
    }
    if (message.event === "refused") {
      this.end(fromWire(message.params as unknown as WireError));
    } else if (typeof message.event === "string") {
      this.onEvent({ event: message.event, params: message.params ?? {} });
    } else if (typeof message.id === "number") {
      const pending = this.pending.get(message.id);
      this.pending.delete(message.id);
      if (message.error !== undefined) pending?.reject(fromWire(message.error));
      else pending?.resolve(message.result);
    }
  }

  private end(error: SignetError): void {
    if (this.ended !== undefined) return;
    this.ended = error;
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
    this.onLost(error);
  }
}

/** The first exchange. The time stands still while the agent asks the person whether this origin may come in. */
export async function hello(connection: Connection, language: Language | undefined, timeout_ms: number,
                            onWaiting?: (waiting: WireWaiting | null) => void): Promise<WireHello> {
  let asked = false;
  const timer = new PausableTimer(timeout_ms, () => connection.close(new SignetError("no_answer", `no answer to hello within ${timeout_ms} ms`)));
  connection.onEvent = ({ event, params }) => {
    if (event !== "waiting" && event !== "batch.waiting") return;
    asked = true;
    timer.hold();
    onWaiting?.(params as unknown as WireWaiting);
  };
  try {
    const answer = await connection.request<WireHello>("hello",
      { protocol: PROTOCOL_VERSION, client: `signet-sdk/${SDK_VERSION}`, ...(language === undefined ? {} : { language }) });
    if (answer?.protocol !== PROTOCOL_VERSION) throw new SignetError("version_unsupported", `the agent speaks protocol ${answer?.protocol}`);
    return answer;
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    timer.hold();
    connection.onEvent = () => undefined;
    if (asked) onWaiting?.(null);
  }
}
