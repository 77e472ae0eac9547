const EVERY_MS = 12_000;

/** Looks now and then, and when the page comes into sight again; never while nobody sees it, and one look at a time. What fails is looked at the next time. */
export class Idle {
  private looking = false;

  constructor(private readonly look: () => Promise<void>) {}

  start(): void {
    setInterval(() => void this.now(), EVERY_MS);
    document.addEventListener("visibilitychange", () => void this.now());
  }

  private async now(): Promise<void> {
    if (this.looking || document.visibilityState !== "visible") return;
    this.looking = true;
    await this.look().catch(() => undefined);
    this.looking = false;
  }
}
