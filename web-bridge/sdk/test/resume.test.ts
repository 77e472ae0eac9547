import assert from "node:assert/strict";
import { test } from "node:test";
import { SignetError, storedBatch, type ErrorCode, type ItemResult } from "../src/index.js";
import { connected, fakeAgent, items, keeper, MemoryStorage, until } from "./support.js";

const hasCode = (code: ErrorCode) => (error: unknown) => error instanceof SignetError && error.code === code;
const allIds = (count: number) => items(count).map(({ id }) => id);

test("connections lost in the middle: no result is lost and none comes twice", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, dropAfterResults: [30, 80, 200] });
  const agent = await connected(t, fake);
  const page = keeper();
  const waitings: (string | undefined)[] = [];
  const summary = await agent.signBatch({ purpose: "p", items: items(250), onResult: page.onResult, onWaiting: (waiting) => waitings.push(waiting?.what) }).finished;
  assert.deepEqual(summary, { signed: 250, failed: 0, withoutTimeStamp: 0 });
  assert.deepEqual(page.ids, allIds(250));
  assert.equal(fake.connections, 4);
  assert.equal(fake.requests("batch.commit").length, 1);
  assert.ok(waitings.includes("agent"));
});

test("the same with a page that keeps results slowly", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, dropAfterResults: [20, 45] });
  const agent = await connected(t, fake);
  const ids: string[] = [];
  await agent.signBatch({ purpose: "p", items: items(80), onResult: async ({ id }) => {
    await new Promise((resolve) => setTimeout(resolve, 3));
    ids.push(id);
  } }).finished;
  assert.deepEqual(ids, allIds(80));
});

// The loop of failures: the connection goes at each method in turn, once before the agent acted and once after.
for (const method of ["batch.begin", "batch.items", "batch.commit", "batch.acknowledge", "batch.resume"]) {
  for (const dropAfter of [false, true]) {
    test(`the connection is lost ${dropAfter ? "after" : "before"} ${method}: the batch comes through whole`, async (t) => {
      const fake = await fakeAgent(t, { chunk: 10, limits: { part_items: 25 }, dropOn: { [method]: 1 }, dropAfter,
        ...(method === "batch.resume" ? { dropAfterResults: [30] } : {}) });
      const agent = await connected(t, fake);
      const page = keeper();
      const summary = await agent.signBatch({ purpose: "p", items: items(60), onResult: page.onResult }).finished;
      assert.equal(summary.signed, 60);
      assert.deepEqual(page.ids, allIds(60));
      const [batch] = [...fake.batches.values()].filter(({ state }) => state === "complete");
      assert.equal(batch, undefined, "closed");
    });
  }
}

test("an agent that does not come back: not_running after a bounded time; tryAgain goes on when it is there again", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, dropAfterResults: [20] });
  const agent = await connected(t, fake);
  const page = keeper();
  const batch = agent.signBatch({ purpose: "p", items: items(60), onResult: (result: ItemResult) => {
    page.onResult(result);
    if (result.seq === 20) fake.script.refuse = "other_user"; // nobody serves us
  } });
  await assert.rejects(batch.finished, hasCode("other_user"));
  delete fake.script.refuse;
  assert.equal((await batch.tryAgain()).signed, 60);
  assert.deepEqual(page.ids, allIds(60));
});

test("an origin refused at the reconnection ends the search at once", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, dropAfterResults: [20] });
  const agent = await connected(t, fake);
  fake.script.origins = [];
  await assert.rejects(agent.signBatch({ purpose: "p", items: items(60) }).finished, hasCode("origin_refused"));
  assert.equal(fake.connections, 2);
});

test("abort while the agent is lost: it is found once more and told to stop", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, chunkDelay_ms: 2, dropAfterResults: [20] });
  const agent = await connected(t, fake);
  const abort = new AbortController();
  const batch = agent.signBatch({ purpose: "p", items: items(500), signal: abort.signal, onWaiting: (waiting) => {
    if (waiting?.what === "agent") abort.abort();
  } });
  await assert.rejects(batch.finished, { name: "AbortError" });
  assert.equal(fake.requests("batch.cancel").length, 1);
});

test("after a reload the batch goes on from storage: nothing lost, nothing twice, counts whole", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, chunkDelay_ms: 2, failing: new Map([["5", "token_failed"]]) });
  const storage = new MemoryStorage();
  const page = keeper();
  const before = await connected(t, fake);
  const batch = before.signBatch({ purpose: "p", items: items(100), storage, onResult: page.onResult });
  batch.finished.catch(() => undefined);
  await until(() => page.ids.length >= 40, "some results");
  await until(() => (storedBatch(storage)?.received ?? 0) >= 40, "they were noted");
  before.close(); // what a reload does
  const kept = page.ids.length;

  const after = await connected(t, fake);
  const stored = storedBatch(storage);
  assert.ok(stored !== undefined && stored.sealed);
  const summary = await after.resumeBatch(stored, { storage, onResult: page.onResult }).finished;
  assert.ok(kept < 100);
  assert.deepEqual(page.ids, allIds(100));
  assert.deepEqual(summary, { signed: 99, failed: 1, withoutTimeStamp: 0 });
  assert.equal(storedBatch(storage), undefined, "a finished batch leaves nothing behind");
  assert.equal(fake.requests("batch.commit").length, 1);
});

test("an acknowledgement lost with the reload is made good", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, chunkDelay_ms: 5, dropOn: { "batch.acknowledge": 1 } });
  const storage = new MemoryStorage();
  const page = keeper();
  const before = await connected(t, fake, { timing: { retry_delays_ms: [10_000] } });
  before.signBatch({ purpose: "p", items: items(20), storage, onResult: page.onResult }).finished.catch(() => undefined);
  await until(() => fake.requests("batch.acknowledge").length === 1, "the acknowledgement that is lost");
  assert.equal(storedBatch(storage)?.received, 10);
  before.close();
  const after = await connected(t, fake);
  await after.resumeBatch(storedBatch(storage) as NonNullable<ReturnType<typeof storedBatch>>, { storage, onResult: page.onResult }).finished;
  assert.deepEqual(page.ids, allIds(20));
  assert.deepEqual(fake.requests("batch.acknowledge").map(({ params }) => params.through), [10, 10, 20]);
});

test("a bare handle is enough: what was not acknowledged comes, and the rest", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, chunkDelay_ms: 2 });
  const first = keeper();
  const before = await connected(t, fake);
  const batch = before.signBatch({ purpose: "p", items: items(60), onResult: first.onResult });
  batch.finished.catch(() => undefined);
  await until(() => fake.requests("batch.acknowledge").length >= 2, "two acknowledgements");
  const handle = batch.id as string;
  before.close();
  const acknowledged = [...fake.batches.values()][0]?.acknowledged as number;
  const second = keeper();
  const after = await connected(t, fake);
  await after.resumeBatch(handle, { onResult: second.onResult }).finished;
  assert.deepEqual(second.ids, allIds(60).slice(acknowledged));
});

test("a reload while the dialog was open asks the person again", async (t) => {
  const fake = await fakeAgent(t, { consents: ["wait", true] });
  const storage = new MemoryStorage();
  const before = await connected(t, fake);
  before.signBatch({ purpose: "p", items: items(5), storage }).finished.catch(() => undefined);
  await until(() => fake.waiting_person.length === 1, "the dialog");
  before.close();
  const after = await connected(t, fake);
  const summary = await after.resumeBatch(storedBatch(storage) as NonNullable<ReturnType<typeof storedBatch>>, { storage }).finished;
  assert.equal(summary.signed, 5);
  assert.equal(fake.requests("batch.commit").at(-1)?.params.items, 5);
});

test("a reload before all items were handed over cannot go on, and says so", async (t) => {
  const fake = await fakeAgent(t, { limits: { part_items: 2 } });
  const storage = new MemoryStorage();
  const before = await connected(t, fake);
  async function* stuck() {
    yield* items(3);
    await new Promise(() => undefined);
  }
  before.signBatch({ purpose: "p", items: stuck(), storage }).finished.catch(() => undefined);
  await until(() => fake.requests("batch.items").length === 1, "a part");
  before.close();
  const after = await connected(t, fake);
  const batch = after.resumeBatch(storedBatch(storage) as NonNullable<ReturnType<typeof storedBatch>>, { storage });
  await assert.rejects(batch.finished, hasCode("batch_state"));
  assert.equal(storedBatch(storage), undefined);
});

test("a handle that the agent does not know: batch_unknown, and it is not kept", async (t) => {
  const fake = await fakeAgent(t);
  const storage = new MemoryStorage();
  storage.setItem("signet.batch", JSON.stringify({ batch: "gone", items: 5, sealed: true, received: 0, signed: 0, failed: [], withoutTimeStamp: [] }));
  const agent = await connected(t, fake);
  await assert.rejects(agent.resumeBatch(storedBatch(storage) as NonNullable<ReturnType<typeof storedBatch>>, { storage }).finished, hasCode("batch_unknown"));
  assert.equal(storedBatch(storage), undefined);
});

test("missing time stamps are fetched after a reload, and the counts stay right", async (t) => {
  const unstamped = new Set(["3"]);
  const fake = await fakeAgent(t, { unstamped });
  const storage = new MemoryStorage();
  const before = await connected(t, fake);
  await before.signBatch({ purpose: "p", items: items(5), level: "t", storage }).finished;
  before.close();
  const after = await connected(t, fake);
  const page = keeper();
  const batch = after.resumeBatch(storedBatch(storage) as NonNullable<ReturnType<typeof storedBatch>>, { storage, onResult: page.onResult });
  assert.deepEqual(await batch.finished, { signed: 5, failed: 0, withoutTimeStamp: 1 });
  unstamped.clear();
  assert.equal(await batch.retryTimeStamps(), 0);
  assert.deepEqual(batch.summary, { signed: 5, failed: 0, withoutTimeStamp: 0 });
  assert.deepEqual(page.ids, ["3"]);
});

test("missing time stamps are fetched although the connection was lost since", async (t) => {
  const unstamped = new Set(["3"]);
  const fake = await fakeAgent(t, { unstamped });
  const agent = await connected(t, fake);
  const batch = agent.signBatch({ purpose: "p", items: items(5), level: "t" });
  await batch.finished;
  fake.drop();
  await until(() => !agent.connected, "the loss was noticed");
  unstamped.clear();
  assert.equal(await batch.retryTimeStamps(), 0);
});

test("storage that is full or holds rubbish is no reason to stop", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake);
  const full = { getItem: () => "{broken", setItem: () => { throw new Error("QuotaExceededError"); }, removeItem: () => undefined };
  assert.equal(storedBatch(full), undefined);
  assert.equal((await agent.signBatch({ purpose: "p", items: items(3), storage: full }).finished).signed, 3);
});
