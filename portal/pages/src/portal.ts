import type { ClaimAnswer } from "./data.js";

/** The portal's word that something cannot be done; a network that fails is no such word, and is tried again. */
export class PortalError extends Error {
  override readonly name = "PortalError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

const RETRY_S = [1, 2, 4, 8, 15];
/** A connection that says nothing for so long is taken for a broken one. */
const ANSWER_MS = 60_000;
const TRANSIENT = new Set([429, 502, 503, 504]);

export interface PortalOptions {
  fetch?: typeof fetch;
  sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** Seconds until the next attempt; undefined: it answers again. */
  onTrouble?: (seconds: number | undefined) => void;
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/** The calls of one request's page. All can be repeated without harm, so a lost answer is asked for again. */
export class Portal {
  private readonly fetch: typeof fetch;
  private readonly sleep: NonNullable<PortalOptions["sleep"]>;
  private troubled = false;

  constructor(private readonly request: string, private readonly token: string, private readonly options: PortalOptions = {}) {
    this.fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.sleep = options.sleep ?? sleep;
  }

  async call<T>(call: string, params: object = {}, signal?: AbortSignal): Promise<T> {
    return (await this.ask<T>(call, params, signal)).answer;
  }

  /** A claim, with its length by the portal's clock: a kiosk's own may be wrong. */
  async claim(params: { instrument: string; key: string }, signal?: AbortSignal): Promise<{ answer: ClaimAnswer; lasts_ms: number }> {
    const { answer, now } = await this.ask<ClaimAnswer>("claim", params, signal);
    return { answer, lasts_ms: Date.parse(answer.until) - now };
  }

  /** Sent even when the page is gone before the answer. */
  release(key: string): void {
    void this.fetch(this.url("release"), { ...this.init({ key }), keepalive: true }).catch(() => undefined);
  }

  private async ask<T>(call: string, params: object, signal: AbortSignal | undefined): Promise<{ answer: T; now: number }> {
    for (let attempt = 0; ; attempt += 1) {
      signal?.throwIfAborted();
      const response = await this.fetch(this.url(call), { ...this.init(params), signal: AbortSignal.timeout(ANSWER_MS) })
        .then(async (response) => ({ response, body: await response.json().catch(() => undefined) as (T & { error?: { code?: string; message?: string } }) | undefined }))
        .catch(() => undefined);
      if (response !== undefined && !TRANSIENT.has(response.response.status)) {
        if (this.troubled) this.options.onTrouble?.(undefined);
        this.troubled = false;
        const { response: { ok, status, headers }, body } = response;
        if (!ok || body === undefined) throw new PortalError(body?.error?.code ?? "internal", body?.error?.message ?? `${call}: HTTP ${status}`);
        const date = Date.parse(headers.get("date") ?? "");
        return { answer: body, now: Number.isNaN(date) ? Date.now() : date };
      }
      const seconds = RETRY_S[Math.min(attempt, RETRY_S.length - 1)] as number;
      this.troubled = true;
      this.options.onTrouble?.(seconds);
      await this.sleep(seconds * 1_000, signal);
    }
  }

  private url(call: string): string {
    return `/${encodeURIComponent(this.request)}/${call}`;
  }

  private init(params: object): RequestInit {
    return { method: "POST", headers: { "content-type": "application/json", "signet-page": this.token }, body: JSON.stringify(params), credentials: "same-origin", cache: "no-store", redirect: "error" };
  }
}
