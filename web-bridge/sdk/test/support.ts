import { createHash } from "node:crypto";
import type { TestContext } from "node:test";
import WebSocket from "ws";
import { connect, type Agent, type ConnectOptions, type Item, type ItemResult, type SocketConstructor } from "../src/index.js";
import { FakeAgent } from "./fake_agent.mjs";

export const ORIGIN = "https://sign.example";

/** What a page of this origin has for a WebSocket. */
export function socketOf(origin = ORIGIN): SocketConstructor {
  return class extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { origin });
    }
  } as unknown as SocketConstructor;
}

export const QUICK = { handshake_ms: 400, close_after_error_ms: 50, human_ms: 100, retry_delays_ms: [5, 10, 20], reconnect_ms: 500 };

export async function fakeAgent(t: TestContext, script: object = {}): Promise<FakeAgent> {
  const fake = await new FakeAgent(script).listen();
  t.after(() => fake.close());
  return fake;
}

export async function connected(t: TestContext, fake: { port: number }, options: ConnectOptions = {}): Promise<Agent> {
  const agent = await connect({ ports: [fake.port], hosts: ["127.0.0.1"], WebSocket: socketOf(), timing: QUICK, ...options });
  t.after(() => agent.close());
  return agent;
}

export function items(count: number, prefix = "document"): Item[] {
  return Array.from({ length: count }, (_, index) => ({
    id: String(index + 1),
    name: `${prefix}-${index + 1}.pdf`,
    digest: new Uint8Array(createHash("sha256").update(`${prefix} ${index + 1}`).digest()),
  }));
}

/** A page that keeps what it was given, and notices what no page should see. */
export function keeper() {
  const results: ItemResult[] = [];
  return {
    results,
    onResult: (result: ItemResult) => {
      results.push(result);
    },
    get ids() {
      return results.map(({ id }) => id);
    },
  };
}

export class MemoryStorage {
  readonly map = new Map<string, string>();
  getItem(key: string): string | null {
    return this.map.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.map.set(key, value);
  }
  removeItem(key: string): void {
    this.map.delete(key);
  }
}

export function until(condition: () => boolean, what: string): Promise<void> {
  const started = Date.now();
  return new Promise((resolve, reject) => {
    const look = () => {
      if (condition()) resolve();
      else if (Date.now() - started > 5_000) reject(new Error(`never happened: ${what}`));
      else setImmediate(look);
    };
    look();
  });
}
