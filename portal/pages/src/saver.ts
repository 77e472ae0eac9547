import type { SignedItem } from "./data.js";

/** The portal's limits: results a call, and room in a body of 4 MiB. */
const MOST_RESULTS = 500;
const MOST_BYTES = 3_500_000;

interface Waiting extends SignedItem {
  resolve(): void;
  reject(error: unknown): void;
}

/** Brings results to the portal, those that come together in one call, one call at a time. */
export class Saver {
  private queue: Waiting[] = [];
  private working: Promise<void> | undefined;

  constructor(private readonly send: (results: SignedItem[]) => Promise<void>) {}

  /** Resolves when the portal has answered for it: only then may it be acknowledged to the agent. */
  add(number: number, signature: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.queue.push({ number, signature, resolve, reject });
      this.working ??= Promise.resolve().then(() => this.work());
    });
  }

  /** Everything that came until now is with the portal, or was refused by an error. */
  async idle(): Promise<void> {
    await this.working;
  }

  private async work(): Promise<void> {
    while (this.queue.length > 0) {
      const some = this.queue.splice(0, this.fitting());
      await this.send(some.map(({ number, signature }) => ({ number, signature }))).then(
        () => some.forEach(({ resolve }) => resolve()),
        (error) => some.forEach(({ reject }) => reject(error)),
      );
    }
    this.working = undefined;
  }

  private fitting(): number {
    const encoder = new TextEncoder();
    let bytes = 0;
    const over = this.queue.slice(0, MOST_RESULTS).findIndex(({ number, signature }, index) => (bytes += encoder.encode(JSON.stringify({ number, signature })).length + 1) > MOST_BYTES && index > 0);
    return Math.min(over < 0 ? this.queue.length : over, MOST_RESULTS);
  }
}
