import assert from "node:assert/strict";
import { test } from "node:test";
import { SignetError, toBase64, type ErrorCode, type ItemResult, type Progress } from "../src/index.js";
import { signatureOf } from "./fake_agent.mjs";
import { connected, fakeAgent, items, keeper, until } from "./support.js";

const hasCode = (code: ErrorCode) => (error: unknown) => error instanceof SignetError && error.code === code;

test("every item comes back signed, in order, with its own signature", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake);
  const list = items(300);
  const page = keeper();
  const summary = await agent.signBatch({ purpose: "Invoices", items: list, onResult: page.onResult }).finished;
  assert.deepEqual(summary, { signed: 300, failed: 0, withoutTimeStamp: 0 });
  assert.deepEqual(page.ids, list.map(({ id }) => id));
  assert.deepEqual(page.results.map(({ seq }) => seq), list.map((_, index) => index + 1));
  assert.equal(page.results[41]?.signature, signatureOf({ id: "42", digest: toBase64(list[41]?.digest as Uint8Array) }));
});

test("begin carries what the page chose, and nothing that it did not", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake);
  await agent.signBatch({ purpose: "p", items: items(1), level: "t", packaging: "enveloping", certificate: "9b1c" }).finished;
  assert.deepEqual(fake.requests("batch.begin")[0]?.params, { purpose: "p", level: "t", packaging: "enveloping", certificate: "9b1c" });
});

test("a finished batch is acknowledged to its end and closed", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake);
  await agent.signBatch({ purpose: "p", items: items(120) }).finished;
  const order = fake.log.map(({ method }) => method).filter((method, index, all) => method !== all[index - 1]);
  assert.equal(fake.requests("batch.acknowledge").at(-1)?.params.through, 120);
  assert.equal(order.at(-1), "batch.close");
  assert.equal(fake.batches.size, 0);
});

test("items are taken from an async generator", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake);
  async function* slowly() {
    for (const item of items(7)) yield await Promise.resolve(item);
  }
  assert.equal((await agent.signBatch({ purpose: "p", items: slowly() }).finished).signed, 7);
});

test("12 000 items go in parts of at most 5 000, numbered from 0", async (t) => {
  const fake = await fakeAgent(t, { chunk: 500 });
  const agent = await connected(t, fake);
  const summary = await agent.signBatch({ purpose: "p", items: items(12_000) }).finished;
  assert.equal(summary.signed, 12_000);
  assert.deepEqual(fake.requests("batch.items").map(({ params }) => [params.part, params.items.length]), [[0, 5_000], [1, 5_000], [2, 2_000]]);
  assert.ok(fake.most_unacknowledged <= 1_000);
});

test("a part whose names are long is cut by bytes: no message is over the limit", async (t) => {
  const fake = await fakeAgent(t, { limits: { message_bytes: 64 * 1024 }, chunk: 200 });
  const agent = await connected(t, fake);
  const list = items(1_000).map((item) => ({ ...item, name: "ș\"".repeat(80) })); // three bytes each, and two more when escaped
  assert.equal((await agent.signBatch({ purpose: "p", items: list }).finished).signed, 1_000);
  assert.ok(fake.requests("batch.items").length > 3);
  assert.ok(fake.largest_message <= 64 * 1024, `${fake.largest_message}`);
});

test("a digest may be base64 and of another algorithm", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake);
  const digest = toBase64(new Uint8Array(64).fill(7));
  await agent.signBatch({ purpose: "p", items: [{ id: "a", name: "a", digest, alg: "sha512" }] }).finished;
  assert.deepEqual(fake.requests("batch.items")[0]?.params.items, [{ id: "a", name: "a", digest, alg: "sha512" }]);
});

test("nothing is acknowledged before the page's promise settled", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10 });
  const agent = await connected(t, fake);
  const open: (() => void)[] = [];
  const batch = agent.signBatch({ purpose: "p", items: items(30), onResult: () => new Promise<void>((resolve) => open.push(resolve)) });
  await until(() => open.length === 10, "the first chunk reached the page");
  await agent.chooseCertificate(); // a round trip: an acknowledgement would have been sent before
  assert.equal(fake.requests("batch.acknowledge").length, 0);
  for (const settle of open.splice(0, 9)) settle();
  await agent.chooseCertificate();
  assert.equal(fake.requests("batch.acknowledge").length, 0, "nine of ten are not the chunk");
  open.splice(0, 1)[0]?.();
  await until(() => open.length === 10, "the second chunk reached the page");
  await agent.chooseCertificate();
  assert.deepEqual(fake.requests("batch.acknowledge").map(({ params }) => params.through), [10]);
  const rest = setInterval(() => open.splice(0).forEach((settle) => settle()), 1);
  t.after(() => clearInterval(rest));
  await batch.finished;
});

test("a page that cannot keep a result stops the batch; the result is not acknowledged and comes again", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10 });
  const agent = await connected(t, fake);
  let full = true;
  const kept = new Set<string>();
  const batch = agent.signBatch({ purpose: "p", items: items(40), onResult: async ({ id }) => {
    if (id === "15" && full) throw new Error("QuotaExceededError");
    kept.add(id);
  } });
  await assert.rejects(batch.finished, /QuotaExceededError/);
  assert.ok(fake.requests("batch.acknowledge").every(({ params }) => params.through <= 10));
  full = false;
  assert.equal(batch.canTryAgain, true);
  assert.equal((await batch.tryAgain()).signed, 40);
  assert.equal(kept.size, 40);
});

test("progress goes from collecting to complete and counts", async (t) => {
  const fake = await fakeAgent(t, { chunk: 5 });
  const agent = await connected(t, fake);
  const seen: Progress[] = [];
  await agent.signBatch({ purpose: "p", items: items(20), onProgress: (progress) => seen.push(progress) }).finished;
  assert.equal(seen[0]?.state, "waiting");
  assert.equal(seen.at(-1)?.state, "complete");
  assert.equal(seen.at(-1)?.signed, 20);
  assert.equal(seen.find(({ state }) => state === "running")?.total, 20);
});

test("the page hears which window to look for, until when, and that it is gone", async (t) => {
  const fake = await fakeAgent(t, { waitWhat: "pin" });
  const agent = await connected(t, fake);
  const seen: unknown[] = [];
  await agent.signBatch({ purpose: "p", items: items(1), onWaiting: (waiting) => seen.push(waiting === null ? null : [waiting.what, waiting.until instanceof Date]) }).finished;
  assert.deepEqual(seen, [["pin", true], null]);
});

test("a certificate that expires soon is told", async (t) => {
  const fake = await fakeAgent(t, { certificate: { id: "9b", validity: "expires_soon", days_left: 12 } });
  const agent = await connected(t, fake);
  const batch = agent.signBatch({ purpose: "p", items: items(1) });
  await batch.finished;
  assert.deepEqual([batch.certificate?.validity, batch.certificate?.days_left], ["expires_soon", 12]);
});

test("an item that cannot be signed is reported and does not stop the others", async (t) => {
  const fake = await fakeAgent(t, { failing: new Map([["3", "token_failed"]]) });
  const agent = await connected(t, fake);
  const page = keeper();
  const summary = await agent.signBatch({ purpose: "p", items: items(5), onResult: page.onResult }).finished;
  assert.deepEqual(summary, { signed: 4, failed: 1, withoutTimeStamp: 0 });
  assert.equal(page.results[2]?.error?.code, "token_failed");
  assert.equal(page.results[2]?.signature, undefined);
});

test("together makes one signature over all items", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake);
  const page = keeper();
  const summary = await agent.signBatch({ purpose: "p", items: items(9), together: true, onResult: page.onResult }).finished;
  assert.deepEqual([summary.signed, page.ids], [1, ["1"]]);
});

for (const answer of ["user_cancelled", "pin_incorrect", "pin_length", "no_dialog_possible"] as const) {
  test(`${answer} at the dialog rejects and the same batch can be tried again`, async (t) => {
    const fake = await fakeAgent(t, { consents: [answer] });
    const agent = await connected(t, fake);
    const page = keeper();
    const batch = agent.signBatch({ purpose: "p", items: items(3), onResult: page.onResult });
    await assert.rejects(batch.finished, hasCode(answer));
    assert.equal(batch.canTryAgain, true);
    assert.equal((await batch.tryAgain()).signed, 3);
    assert.equal(fake.requests("batch.begin").length, 1);
    assert.equal(fake.requests("batch.items").length, 1);
    assert.equal(fake.requests("batch.commit").length, 2);
    assert.deepEqual(page.ids, ["1", "2", "3"]);
  });
}

test("a wrong PIN carries how many tries are left and whether it is the last", async (t) => {
  const fake = await fakeAgent(t, { consents: [{ code: "pin_incorrect", who: "person", tries_left: 1, final_try: true }] });
  const agent = await connected(t, fake);
  await assert.rejects(agent.signBatch({ purpose: "p", items: items(1) }).finished, (error) => {
    assert.ok(error instanceof SignetError);
    assert.deepEqual([error.who, error.triesLeft, error.finalTry], ["person", 1, true]);
    return true;
  });
});

test("the sdk never repeats a refused PIN by itself", async (t) => {
  const fake = await fakeAgent(t, { consents: ["pin_incorrect"] });
  const agent = await connected(t, fake);
  await assert.rejects(agent.signBatch({ purpose: "p", items: items(1) }).finished);
  await agent.chooseCertificate();
  assert.equal(fake.requests("batch.commit").length, 1);
});

for (const [what, list, code] of [
  ["two items of one id", [...items(2), ...items(1)], "id_duplicate"],
  ["a digest of the wrong length", [{ id: "1", name: "n", digest: new Uint8Array(5) }], "digest_length"],
  ["a name of 300 bytes", [{ id: "1", name: "n".repeat(300), digest: new Uint8Array(32) }], "parameter_invalid"],
  ["an empty list", [], "batch_empty"],
] as const) {
  test(`${what}: ${code}, final, and the agent is rid of the batch`, async (t) => {
    const fake = await fakeAgent(t);
    const agent = await connected(t, fake);
    const batch = agent.signBatch({ purpose: "p", items: list });
    await assert.rejects(batch.finished, hasCode(code));
    assert.equal(batch.canTryAgain, false);
    await assert.rejects(batch.tryAgain(), hasCode("batch_state"));
    await until(() => fake.batches.size === 0, "the batch was closed");
  });
}

test("more items than the agent takes: batch_too_large", async (t) => {
  const fake = await fakeAgent(t, { limits: { batch_items: 10, part_items: 6 } });
  const agent = await connected(t, fake);
  await assert.rejects(agent.signBatch({ purpose: "p", items: items(11) }).finished, hasCode("batch_too_large"));
});

test("a list that breaks off is never signed as if it were whole", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake);
  async function* breaking() {
    yield* items(3);
    throw new Error("the file is gone");
  }
  const batch = agent.signBatch({ purpose: "p", items: breaking() });
  await assert.rejects(batch.finished, /the file is gone/);
  assert.equal(batch.canTryAgain, false);
  assert.equal(fake.requests("batch.commit").length, 0);
  assert.equal(fake.batches.size, 0);
});

test("abort while signing: what was made is delivered, nothing more is signed, and the reason comes out", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, chunkDelay_ms: 5 });
  const agent = await connected(t, fake);
  const abort = new AbortController();
  const page = keeper();
  const batch = agent.signBatch({ purpose: "p", items: items(1_000), signal: abort.signal, onResult: (result: ItemResult) => {
    page.onResult(result);
    if (result.seq === 30) abort.abort(new Error("changed my mind"));
  } });
  await assert.rejects(batch.finished, /changed my mind/);
  assert.equal(fake.requests("batch.cancel").length, 1);
  assert.ok(page.ids.length >= 30 && page.ids.length < 200, `${page.ids.length}`);
  assert.equal(batch.summary.signed, page.ids.length);
  assert.equal(batch.canTryAgain, false);
  assert.equal(fake.batches.size, 0, "delivered and closed");
});

test("abort while the dialog is open cancels the batch", async (t) => {
  const fake = await fakeAgent(t, { consents: ["wait"] });
  const agent = await connected(t, fake);
  const abort = new AbortController();
  const batch = agent.signBatch({ purpose: "p", items: items(3), signal: abort.signal, onWaiting: (waiting) => waiting && abort.abort() });
  await assert.rejects(batch.finished, { name: "AbortError" });
  assert.equal(fake.requests("batch.cancel").length, 1);
});

test("abort while items are still made stops asking for them", async (t) => {
  const fake = await fakeAgent(t, { limits: { part_items: 10 } });
  const agent = await connected(t, fake);
  const abort = new AbortController();
  let made = 0;
  async function* endless() {
    for (const item of items(1_000)) {
      made += 1;
      if (made === 25) abort.abort();
      yield await Promise.resolve(item);
    }
  }
  await assert.rejects(agent.signBatch({ purpose: "p", items: endless(), signal: abort.signal }).finished, { name: "AbortError" });
  await agent.chooseCertificate();
  assert.ok(made < 60, `${made}`);
  assert.equal(fake.requests("batch.commit").length, 0);
});

test("a signal aborted before the start signs nothing", async (t) => {
  const fake = await fakeAgent(t);
  const agent = await connected(t, fake);
  await assert.rejects(agent.signBatch({ purpose: "p", items: items(3), signal: AbortSignal.abort() }).finished, { name: "AbortError" });
  assert.equal(fake.requests("batch.items").length, 0);
});

test("a pause stops with its error; tryAgain resumes without a second consent", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, pauseAfter: { results: 20, code: "token_removed" } });
  const agent = await connected(t, fake);
  const page = keeper();
  const batch = agent.signBatch({ purpose: "p", items: items(50), onResult: page.onResult });
  await assert.rejects(batch.finished, hasCode("token_removed"));
  assert.equal((await batch.tryAgain()).signed, 50);
  assert.deepEqual(page.ids, items(50).map(({ id }) => id));
  assert.equal(fake.requests("batch.commit").length, 1);
  assert.equal(fake.requests("batch.resume").length, 1);
});

test("a pause whose resume needs a PIN again: refused, then given", async (t) => {
  const fake = await fakeAgent(t, { chunk: 10, pauseAfter: { results: 10, code: "token_removed", person: true }, consents: [true, "pin_incorrect", true] });
  const agent = await connected(t, fake);
  const batch = agent.signBatch({ purpose: "p", items: items(30) });
  await assert.rejects(batch.finished, hasCode("token_removed"));
  await assert.rejects(batch.tryAgain(), hasCode("pin_incorrect"));
  assert.equal((await batch.tryAgain()).signed, 30);
});

test("a batch that is given up is cancelled and forgotten", async (t) => {
  const fake = await fakeAgent(t, { consents: ["user_cancelled"] });
  const agent = await connected(t, fake);
  const batch = agent.signBatch({ purpose: "p", items: items(3) });
  await assert.rejects(batch.finished);
  await batch.close();
  assert.deepEqual(fake.log.slice(-2).map(({ method }) => method), ["batch.cancel", "batch.close"]);
});

test("missing time stamps are fetched again: the results are replaced and the batch is closed", async (t) => {
  const unstamped = new Set(["2", "4"]);
  const fake = await fakeAgent(t, { unstamped });
  const agent = await connected(t, fake);
  const page = keeper();
  const batch = agent.signBatch({ purpose: "p", items: items(5), level: "t", onResult: page.onResult });
  assert.deepEqual(await batch.finished, { signed: 5, failed: 0, withoutTimeStamp: 2 });
  assert.equal(page.results[1]?.timeStampError?.code, "time_stamp_failed");
  assert.equal(page.results[1]?.level, "b");
  assert.equal(fake.batches.size, 1, "kept for the time stamps");
  assert.equal(await batch.retryTimeStamps(), 2);
  unstamped.clear();
  assert.equal(await batch.retryTimeStamps(), 0);
  assert.deepEqual(batch.summary, { signed: 5, failed: 0, withoutTimeStamp: 0 });
  assert.deepEqual(page.ids, ["1", "2", "3", "4", "5", "2", "4"]);
  assert.equal(page.results.at(-1)?.level, "t");
  assert.equal(fake.batches.size, 0);
});

test("two batches at once keep their results apart", async (t) => {
  const fake = await fakeAgent(t, { chunk: 7 });
  const agent = await connected(t, fake);
  const [one, two] = [keeper(), keeper()];
  await Promise.all([
    agent.signBatch({ purpose: "one", items: items(40, "one"), onResult: one.onResult }).finished,
    agent.signBatch({ purpose: "two", items: items(60, "two"), onResult: two.onResult }).finished,
  ]);
  assert.deepEqual([one.ids.length, two.ids.length], [40, 60]);
  assert.equal(two.results[0]?.signature, signatureOf({ id: "1", digest: toBase64(items(1, "two")[0]?.digest as Uint8Array) }));
});
