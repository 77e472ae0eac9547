import { fromWire, SignetError, type ErrorCode } from "./errors.js";
import { cut, type Item } from "./parts.js";
import type { BatchState, DigestAlgorithm, Level, Packaging, WireCertificate, WireEvent, WireItem, WireLimits, WireProgress, WireResult, WireWaiting } from "./protocol.js";

/** What came of one item. A later result for the same id replaces the earlier one: its time stamp came. */
export interface ItemResult {
  id: string;
  seq: number;
  /** The XAdES signature, XML text; absent with `error`. */
  signature?: string;
  /** What was reached; `b` with `timeStampError` where `t` was asked for. */
  level?: Level;
  error?: SignetError;
  timeStampError?: SignetError;
}

export interface Progress {
  state: BatchState;
  /** Signatures to be made. */
  total: number;
  signed: number;
  /** Signed and with all that belongs to the level. */
  ready: number;
  timeStampsMissing: number;
  acknowledged: number;
  remainingSeconds: number | undefined;
  error: SignetError | undefined;
}

/** Somebody is asked: `certificate`, `consent`, `pin`, `reader`, `origin` by the agent's window; `permission` by the browser; `agent`: the agent was lost and is looked for. */
export interface Waiting {
  what: "certificate" | "consent" | "pin" | "reader" | "origin" | "permission" | "agent" | (string & {});
  until: Date | undefined;
}

export interface BatchSummary {
  signed: number;
  failed: number;
  withoutTimeStamp: number;
}

export interface BatchCallbacks {
  onProgress?: ((progress: Progress) => void) | undefined;
  /** null: nobody is waited for any more. */
  onWaiting?: ((waiting: Waiting | null) => void) | undefined;
  /** Called in the order of `seq`. A result is acknowledged, and may be forgotten by the agent, once the promise settled; a rejection stops the batch. */
  onResult?: ((result: ItemResult) => void | Promise<void>) | undefined;
  /** Aborting cancels the batch: what was made until then is still delivered, then `finished` rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Where the batch's handle and what was acknowledged are kept, to go on after a reload: sessionStorage. */
  storage?: StorageLike | undefined;
  storageKey?: string | undefined;
}

export interface SignOptions extends BatchCallbacks {
  /** Read by the person in the agent's dialog; at most 256 bytes. */
  purpose: string;
  items: Iterable<Item> | AsyncIterable<Item>;
  level?: Level | undefined;
  packaging?: Packaging | undefined;
  /** One signature over all items. */
  together?: boolean | undefined;
  pss?: boolean | undefined;
  /** What each signature also states; the person is shown all of it in the agent's dialog. */
  commitments?: string[] | undefined;
  roles?: string[] | undefined;
  place?: { city?: string; street?: string; state?: string; postal_code?: string; country?: string } | undefined;
  policy?: { id: string; digest: string; alg?: DigestAlgorithm; url?: string } | undefined;
  /** The id of a certificate; without it as by chooseCertificate. */
  certificate?: string | undefined;
}

export type StorageLike = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** What is kept of a batch over a reload. `batch` is a secret of the page's origin. */
export interface StoredBatch {
  batch: string;
  items: number;
  sealed: boolean;
  received: number;
  signed: number;
  failed: string[];
  withoutTimeStamp: string[];
}

export const STORAGE_KEY = "signet.batch";

/** The batch that was under way before the page was loaded again, if there is one. */
export function storedBatch(storage: StorageLike, key = STORAGE_KEY): StoredBatch | undefined {
  try {
    const stored = JSON.parse(storage.getItem(key) ?? "null") as StoredBatch | null;
    return typeof stored?.batch === "string" && Array.isArray(stored.failed) && Array.isArray(stored.withoutTimeStamp) ? stored : undefined;
  } catch {
    return undefined;
  }
}

/** What a batch needs of the agent's connection. */
export interface Link {
  readonly limits: WireLimits;
  /** On the present connection only; rejects with `connection_lost`. */
  request<T>(method: string, params: object): Promise<T>;
  /** Finds the agent again, within limits. */
  reconnect(): Promise<void>;
  attach(handle: string, batch: Batch): void;
  detach(handle: string): void;
}

/** How long an aborted batch may take to deliver what was made. */
const LAST_RESULTS_MS = 5_000;

/** After these the agent has no batch any more that could go on. */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["batch_unknown", "batch_state", "parameter_invalid", "algorithm_unknown", "digest_length",
  "id_duplicate", "batch_empty", "batch_too_large", "part_out_of_order", "file_unreadable"]);

/** One batch, from its items to its last signature; made by Agent.signBatch and Agent.resumeBatch. */
export class Batch {
  /** Settles when all results are with the page, or with the error that stopped the batch. tryAgain() renews it. */
  finished: Promise<BatchSummary>;
  /** The certificate that signs, once signing began: `expires_soon` is worth a word to the person. */
  certificate: Pick<WireCertificate, "id" | "validity" | "days_left"> | undefined;

  /** Begins the Ids in this batch's signatures, once it has begun: signature n, from 0, has the Id `<this>-n`. */
  signature_ids: string | undefined;

  private handle: string | undefined;
  private readonly parts: AsyncGenerator<WireItem[]> | undefined;
  private part: WireItem[] | undefined;
  private part_number = 0;
  private items_sent = 0;
  private sealed = false;
  private state: BatchState = "collecting";
  private progress: WireProgress | undefined;
  private resume_first = false;
  private resuming = false; // events that still come were sent before the agent heard of it
  private received: number | undefined = 0; // seq of the newest result taken; unknown when resumed by a bare handle
  private delivered = 0;
  private acknowledged = 0;
  private acknowledging: Promise<void> | undefined;
  private queue: Promise<void> = Promise.resolve();
  private signed_before = 0; // counted before a reload
  private readonly signed_ids = new Set<string>();
  private readonly failed = new Set<string>();
  private readonly without_time_stamp = new Set<string>();
  private watchers: (() => void)[] = [];
  private failure: unknown; // of the present run, found by an event
  private page_failed = false;
  private running = false;
  private aborted = false;
  private closed = false;
  private person_asked = false;

  constructor(private readonly link: Link, private readonly options: SignOptions | (BatchCallbacks & { resume: string | StoredBatch })) {
    if ("resume" in options) {
      this.resume_first = true;
      this.restore(options.resume);
    } else {
      this.parts = cut(options.items, link.limits);
    }
    this.finished = this.start();
  }

  /** The handle to go on with after a reload: a secret of this origin. */
  get id(): string | undefined {
    return this.handle;
  }

  get summary(): BatchSummary {
    return { signed: this.signed_before + this.signed_ids.size, failed: this.failed.size, withoutTimeStamp: this.without_time_stamp.size };
  }

  /** Whether tryAgain() can do something: after a refused PIN, a cancelled dialog, a pause, a lost connection. */
  get canTryAgain(): boolean {
    return !this.running && !this.aborted && !this.closed && this.state !== "cancelled" && this.state !== "complete";
  }

  /** Goes on where the last error stopped the batch; nothing that was signed is signed again. */
  tryAgain(): Promise<BatchSummary> {
    if (!this.canTryAgain) return Promise.reject(new SignetError("batch_state", "this batch cannot go on"));
    if (this.state === "paused" || this.failure !== undefined) this.resume_first = this.handle !== undefined;
    this.finished = this.start();
    return this.finished;
  }

  /** Fetches missing time stamps again, without token or PIN. Results replaced go to onResult. Gives how many are still missing. */
  async retryTimeStamps(): Promise<number> {
    if (this.failure !== undefined) { // the connection was lost since the batch was finished
      await this.link.reconnect();
      this.failure = undefined;
      await this.resume();
    }
    const { time_stamps_missing: missing } = await this.call<{ time_stamps_missing: number }>("batch.time_stamp");
    await this.until(() => this.without_time_stamp.size <= missing && this.delivered === this.received);
    if (missing === 0 && this.state === "complete") await this.close();
    return missing;
  }

  /** Gives the batch up: the agent stops and forgets it. Done by itself when all is signed and stamped. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.forget();
    if (this.handle === undefined) return;
    this.link.detach(this.handle);
    await this.acknowledging;
    if (this.state !== "complete" && this.state !== "cancelled") await this.call("batch.cancel").catch(() => undefined);
    await this.call("batch.close").catch(() => undefined); // forgotten anyway, ten minutes after the connection
  }

  /** Resolves when the page is done with all results that came until now, also of a closed batch. Not to be awaited in `onResult`. */
  async settled(): Promise<void> {
    await this.queue;
  }

  /** Events of this batch; called by the agent's connection. */
  take({ event, params }: WireEvent): void {
    switch (event) {
      case "batch.results":
        this.takeResults(params["results"] as WireResult[]);
        break;
      case "batch.progress":
        this.takeProgress(params as unknown as WireProgress);
        break;
      case "batch.waiting": {
        const { what, until } = params as unknown as WireWaiting;
        this.wait({ what, until: until === undefined ? undefined : new Date(until) });
        break;
      }
    }
    this.look();
  }

  connectionLost(error: SignetError): void {
    this.failure ??= error;
    this.look();
  }

  // A try: runs until done or stopped; connections lost in between are found again.
  private start(): Promise<BatchSummary> {
    this.running = true;
    this.failure = undefined;
    const { signal } = this.options;
    let cancelled: Promise<never> | undefined;
    const abort = new Promise<never>((_, reject) => {
      if (signal === undefined) return;
      const act = () => {
        cancelled = this.cancel(signal.reason);
        cancelled.catch(reject);
      };
      if (signal.aborted) act();
      else signal.addEventListener("abort", act, { once: true });
      this.unlisten = () => signal.removeEventListener("abort", act);
    });
    const run = this.run().catch((error) => {
      if (this.aborted) return cancelled as Promise<never>; // what the cancelling broke off is no error of its own
      throw error;
    });
    return Promise.race([run, abort])
      .catch((error) => {
        if (error instanceof SignetError && FINAL.has(error.code) && !this.closed) void this.close();
        throw error;
      })
      .finally(() => {
        this.running = false;
        this.unlisten();
        this.wait(null);
      });
  }
  private unlisten: () => void = () => undefined;

  private async run(): Promise<BatchSummary> {
    for (;;) {
      if (this.aborted) throw new SignetError("batch_state", "aborted");
      try {
        await this.advance();
        break;
      } catch (error) {
        if (!(error instanceof SignetError) || error.code !== "connection_lost" || this.aborted) throw error;
        this.resume_first = this.handle !== undefined;
        this.wait({ what: "agent", until: undefined });
        await this.link.reconnect();
        this.failure = undefined;
        this.wait(null);
      }
    }
    await this.acknowledging;
    if (this.without_time_stamp.size === 0) await this.close();
    return this.summary;
  }

  private async advance(): Promise<void> {
    if (this.handle === undefined) await this.begin();
    else if (this.resume_first) await this.resume();
    if (!this.sealed) await this.send();
    if (this.state === "collecting" || this.state === "waiting") await this.commit();
    await this.until(() => this.arrived);
    if (this.state === "cancelled") {
      const error = this.progress?.error;
      throw error === undefined ? new SignetError("user_cancelled", "the batch was cancelled") : fromWire(error);
    }
  }

  private async begin(): Promise<void> {
    const { purpose, level, packaging, certificate, together, pss, commitments, roles, place, policy } = this.options as SignOptions;
    const wanted = { purpose, level, packaging, certificate, together, pss, commitments, roles, place, policy };
    const { batch, id } = await this.link.request<{ batch: string; id: string }>("batch.begin", JSON.parse(JSON.stringify(wanted)));
    this.handle = batch;
    this.signature_ids = id;
    if (this.aborted) {
      await this.close();
      throw new SignetError("batch_state", "aborted");
    }
    this.link.attach(batch, this);
    this.keep();
  }

  private async send(): Promise<void> {
    if (this.parts === undefined) throw new SignetError("batch_state", "the batch's items were not all handed over before the page was loaded again");
    for (;;) {
      const again = this.part !== undefined; // its answer was lost with a connection
      if (this.part === undefined) {
        // A list that broke off must never be sealed and signed as if it were whole.
        const { value, done } = await this.parts.next().catch(async (error) => {
          await this.close();
          throw error;
        });
        if (done === true) break;
        this.part = value;
      }
      if (this.aborted) {
        await this.parts.return(undefined);
        throw new SignetError("batch_state", "aborted");
      }
      if (this.failure !== undefined) throw this.failure;
      try {
        await this.call("batch.items", { part: this.part_number, items: this.part });
      } catch (error) {
        if (!(again && error instanceof SignetError && error.code === "part_out_of_order")) throw error; // else: it had arrived
      }
      this.items_sent += this.part.length;
      this.part_number += 1;
      this.part = undefined;
    }
    this.sealed = true;
    this.keep();
  }

  private async commit(): Promise<void> {
    this.change("waiting");
    const answer = await this.call<{ state: BatchState; certificate?: Batch["certificate"] }>("batch.commit", { items: this.items_sent });
    this.certificate = answer.certificate ?? this.certificate;
    this.wait(null);
    // Its events may have overtaken the answer.
    if (this.state === "waiting") this.change(answer.state ?? "running");
  }

  private async resume(): Promise<void> {
    this.link.attach(this.handle as string, this);
    for (let queue; queue !== this.queue;) await (queue = this.queue);
    if (this.received !== undefined) this.received = this.delivered; // what did not reach the page comes again
    this.page_failed = false;
    this.state = "waiting"; // a pause's own word is out of date; events may overtake the answer
    this.resuming = true;
    const answer = await this.call<WireProgress>("batch.resume").finally(() => {
      this.resuming = false;
    });
    this.resume_first = false;
    this.wait(null);
    this.received ??= answer.acknowledged;
    this.delivered = Math.max(this.delivered, answer.acknowledged);
    this.acknowledged = answer.acknowledged;
    if (this.sealed && this.items_sent === 0) this.items_sent = answer.total; // resumed by a bare handle
    this.takeProgress(answer);
    this.acknowledge();
  }

  private async cancel(reason: unknown): Promise<never> {
    this.aborted = true;
    if (this.handle !== undefined) {
      await this.call("batch.cancel").catch(async (error) => {
        if (!(error instanceof SignetError) || error.code !== "connection_lost") return;
        await this.link.reconnect(); // else the agent would go on signing
        this.failure = undefined;
        await this.call("batch.cancel");
        await this.resume();
      }).catch(() => undefined);
      const enough = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LAST_RESULTS_MS);
        void this.until(() => this.arrived).catch(() => undefined).then(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      await enough;
      if (this.arrived) await this.close();
    }
    throw reason;
  }

  /** The batch came to its end and every result made is with the page. */
  private get arrived(): boolean {
    if ((this.state !== "complete" && this.state !== "cancelled") || this.progress === undefined) return false;
    const { results, ready, total } = this.progress;
    return this.received !== undefined && this.received >= (results ?? Math.min(ready, total)) && this.delivered >= this.received;
  }

  private takeProgress(progress: WireProgress): void {
    this.progress = progress;
    if (progress.state === "running") this.wait(null);
    if (progress.state === "paused" && this.resuming) return;
    if (progress.state === "paused" && progress.error !== undefined) this.failure ??= fromWire(progress.error);
    this.change(progress.state);
  }

  private change(state: BatchState): void {
    this.state = state;
    const { total = this.items_sent, signed = 0, ready = 0, time_stamps_missing = 0, acknowledged = 0, remaining_s, error } = this.progress ?? {};
    this.options.onProgress?.({ state, total, signed, ready, timeStampsMissing: time_stamps_missing, acknowledged, remainingSeconds: remaining_s,
      error: error === undefined ? undefined : fromWire(error) });
  }

  private takeResults(results: WireResult[]): void {
    const fresh = results.filter(({ seq }) => this.received === undefined || seq > this.received);
    const [first] = fresh;
    if (first === undefined) return;
    if (this.received === undefined) this.delivered = first.seq - 1;
    else if (first.seq !== this.received + 1) {
      if (this.resuming) return;
      this.failure ??= new SignetError("internal", `result ${first.seq} came after ${this.received}`);
      return;
    }
    this.received = first.seq + fresh.length - 1;
    this.queue = this.queue.then(() => this.deliver(fresh)).catch((error) => {
      this.page_failed = true;
      this.failure ??= error;
      this.look();
    });
  }

  private async deliver(results: WireResult[]): Promise<void> {
    if (this.page_failed) return; // the page could not keep one: none after it
    await Promise.all(results.map(({ seq, id, level, signature, error, time_stamp_error }) => this.options.onResult?.({
      id, seq,
      ...(signature === undefined ? {} : { signature }),
      ...(level === undefined ? {} : { level }),
      ...(error === undefined ? {} : { error: fromWire(error) }),
      ...(time_stamp_error === undefined ? {} : { timeStampError: fromWire(time_stamp_error) }),
    })));
    for (const { id, signature, time_stamp_error } of results) this.count(id, signature !== undefined, time_stamp_error === undefined);
    this.delivered = (results[results.length - 1] as WireResult).seq;
    this.keep();
    this.acknowledge();
    this.look();
  }

  private count(id: string, signed: boolean, stamped: boolean): void {
    // Before a reload only the exceptions were kept by id, and only they are ever replaced.
    const counted_before = this.without_time_stamp.has(id) && !this.signed_ids.has(id);
    this.failed.delete(id);
    this.without_time_stamp.delete(id);
    if (!signed) {
      this.failed.add(id);
      return;
    }
    if (!counted_before) this.signed_ids.add(id);
    if (!stamped) this.without_time_stamp.add(id);
  }

  private acknowledge(): void {
    this.acknowledging ??= (async () => {
      while (this.acknowledged < this.delivered) {
        const through = this.delivered;
        await this.call("batch.acknowledge", { through });
        this.acknowledged = through;
      }
    })().catch(() => undefined).finally(() => { // a lost one is made good after the next resume
      this.acknowledging = undefined;
    });
  }

  private call<T>(method: string, params: object = {}): Promise<T> {
    return this.link.request<T>(method, { batch: this.handle, ...params });
  }

  /** Resolves when `condition` holds; rejects when an event stops the run. */
  private until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const watch = () => {
        if (condition()) resolve();
        else if (this.failure !== undefined) reject(this.failure);
        else this.watchers.push(watch);
      };
      watch();
    });
  }
  private look(): void {
    for (const watch of this.watchers.splice(0)) watch();
  }

  private wait(waiting: Waiting | null): void {
    if (waiting === null && !this.person_asked) return;
    this.person_asked = waiting !== null;
    this.options.onWaiting?.(waiting);
  }

  private keep(): void {
    const { storage, storageKey = STORAGE_KEY } = this.options;
    if (storage === undefined || this.handle === undefined || this.closed) return;
    const stored: StoredBatch = {
      batch: this.handle, items: this.items_sent, sealed: this.sealed,
      received: this.delivered, signed: this.summary.signed, failed: [...this.failed], withoutTimeStamp: [...this.without_time_stamp],
    };
    try {
      storage.setItem(storageKey, JSON.stringify(stored));
    } catch { /* full or forbidden: then a reload cannot go on, which is no reason to stop now */ }
  }

  private forget(): void {
    try {
      this.options.storage?.removeItem(this.options.storageKey ?? STORAGE_KEY);
    } catch { /* as above */ }
  }

  private restore(from: string | StoredBatch): void {
    if (typeof from === "string") {
      this.handle = from;
      this.received = undefined;
      this.sealed = true;
      return;
    }
    this.handle = from.batch;
    this.items_sent = from.items;
    this.sealed = from.sealed;
    this.received = this.delivered = from.received;
    this.signed_before = from.signed;
    for (const id of from.failed) this.failed.add(id);
    for (const id of from.withoutTimeStamp) this.without_time_stamp.add(id);
  }
}
