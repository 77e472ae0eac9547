import type { ClaimAnswer } from "./data.js";
import { PortalError, type Portal } from "./portal.js";

const SHORTEST_RENEWAL_MS = 1_000;

/** 32 hexadecimal digits that nobody else can know. */
export function drawKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export interface Clock {
  set(act: () => void, ms: number): unknown;
  clear(timer: unknown): void;
}
const CLOCK: Clock = { set: (act, ms) => setTimeout(act, ms), clear: (timer) => clearTimeout(timer as number | undefined) };

/** This page's right to sign the request, renewed at half time until it is given back or lost. */
export class Claim {
  private timer: unknown;
  private instrument: string | undefined;

  constructor(private readonly portal: Pick<Portal, "claim" | "release">, private readonly lost: (error: unknown) => void, readonly key = drawKey(),
              private readonly clock: Clock = CLOCK) {}

  get taken(): boolean {
    return this.timer !== undefined;
  }

  async take(instrument: string, signal?: AbortSignal): Promise<ClaimAnswer> {
    const { answer, lasts_ms } = await this.portal.claim({ instrument, key: this.key }, signal);
    this.instrument = instrument;
    this.clock.clear(this.timer);
    this.timer = this.clock.set(() => void this.renew(), Math.max(SHORTEST_RENEWAL_MS, lasts_ms / 2));
    return answer;
  }

  /** A claim that ran out (a laptop slept) is taken again, if nobody else has it, and the work repeated. */
  async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PortalError) || error.code !== "held" || this.instrument === undefined) throw error;
      await this.take(this.instrument);
      return work();
    }
  }

  release(): void {
    if (this.taken) this.portal.release(this.key);
    this.forget();
  }

  /** Without a word to the portal: the request has ended, or another page has it. */
  forget(): void {
    this.clock.clear(this.timer);
    this.timer = undefined;
  }

  private async renew(): Promise<void> {
    try {
      await this.take(this.instrument as string);
    } catch (error) {
      if (!this.taken) return;
      this.forget();
      this.lost(error);
    }
  }
}
