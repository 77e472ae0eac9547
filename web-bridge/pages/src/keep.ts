// What survives a reload: which files were being signed (sessionStorage) and their signatures (IndexedDB: there may be 50 MB of
// them). Both are this browser's and this origin's own; signatures of forgotten tabs go after a day.
import { SignetError } from "signet-sdk";

export interface KeptFile {
  name: string;
  size: number;
}

/** A result as it is kept; errors by their code alone. */
export interface KeptResult {
  id: string;
  level?: string;
  signature?: string;
  error?: string;
  who?: string;
  unstamped?: boolean;
}

export interface Session {
  /** When it began, made unique: the key of its signatures. */
  key: number;
  files: KeptFile[];
  signer: string | undefined;
  finished: "" | "complete" | "stopped";
}

const SESSION_KEY = "signet.page";
const DAY_MS = 24 * 3_600_000;

export function newSession(files: KeptFile[]): Session {
  return { key: Date.now() + Math.random(), files, signer: undefined, finished: "" };
}

export function loadSession(): Session | undefined {
  try {
    const session = JSON.parse(sessionStorage.getItem(SESSION_KEY) ?? "null") as Session | null;
    return typeof session?.key === "number" && Array.isArray(session.files) ? session : undefined;
  } catch {
    return undefined;
  }
}

/** False: too large or forbidden; then a reload forgets. */
export function saveSession(session: Session | undefined): boolean {
  try {
    if (session === undefined) sessionStorage.removeItem(SESSION_KEY);
    else sessionStorage.setItem(SESSION_KEY, JSON.stringify(session));
    return true;
  } catch {
    return false;
  }
}

/** Signatures by session and id. Where the browser has no IndexedDB (private windows of some), they stay in the page's memory alone. */
export class Keep {
  private queue: { key: number; result: KeptResult }[] = [];
  private flushing: Promise<void> | undefined;
  private constructor(private readonly database: IDBDatabase | undefined) {}

  static async open(): Promise<Keep> {
    const database = await new Promise<IDBDatabase | undefined>((resolve) => {
      try {
        const opening = indexedDB.open("signet", 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore("results");
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = opening.onblocked = () => resolve(undefined);
      } catch {
        resolve(undefined);
      }
    });
    const keep = new Keep(database);
    keep.forget([0], [Date.now() - DAY_MS]);
    return keep;
  }

  /** Resolves when the result is on the disk. Those of one chunk share a transaction. */
  put(key: number, result: KeptResult): Promise<void> {
    if (this.database === undefined) return Promise.resolve();
    this.queue.push({ key, result });
    this.flushing ??= Promise.resolve().then(() => this.flush());
    return this.flushing;
  }

  load(key: number): Promise<KeptResult[]> {
    return new Promise((resolve) => {
      if (this.database === undefined) return resolve([]);
      const reading = this.database.transaction("results").objectStore("results").getAll(IDBKeyRange.bound([key], [key, []]));
      reading.onsuccess = () => resolve(reading.result as KeptResult[]);
      reading.onerror = () => resolve([]);
    });
  }

  drop(key: number): void {
    this.forget([key], [key, []]);
  }

  private flush(): Promise<void> {
    const entries = this.queue.splice(0);
    this.flushing = undefined;
    return new Promise((resolve, reject) => {
      const writing = (this.database as IDBDatabase).transaction("results", "readwrite");
      for (const { key, result } of entries) writing.objectStore("results").put(result, [key, result.id]);
      writing.oncomplete = () => resolve();
      writing.onerror = writing.onabort = () => reject(new SignetError("disk_full", "the browser has no room for the signatures", { cause: writing.error }));
    });
  }

  private forget(from: IDBValidKey, to: IDBValidKey): void {
    this.database?.transaction("results", "readwrite").objectStore("results").delete(IDBKeyRange.bound(from, to));
  }
}
