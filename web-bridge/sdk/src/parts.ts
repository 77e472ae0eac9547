import { toBase64 } from "./digest.js";
import type { DigestAlgorithm, WireItem } from "./protocol.js";

export interface Item {
  /** Unique in the batch, at most 64 bytes; the result carries it. */
  id: string;
  /** Of the document: bytes, or base64. */
  digest: Uint8Array | string;
  /** What the person reads in the agent's dialog, at most 256 bytes. */
  name: string;
  alg?: DigestAlgorithm;
}

/** Room for the rest of the message around the items: method, handle, numbers. */
const ENVELOPE_BYTES = 1_024;

/** Cuts items into parts that the agent takes: at most `part_items` of them, at most `message_bytes` as JSON in UTF-8. */
export async function* cut(items: Iterable<Item> | AsyncIterable<Item>, limits: { part_items: number; message_bytes: number }): AsyncGenerator<WireItem[]> {
  const encoder = new TextEncoder();
  let part: WireItem[] = [];
  let bytes = ENVELOPE_BYTES;
  for await (const { id, digest, name, alg } of items) {
    const item: WireItem = { id, digest: typeof digest === "string" ? digest : toBase64(digest), name, ...(alg === undefined ? {} : { alg }) };
    const size = encoder.encode(JSON.stringify(item)).length + 1;
    if (part.length > 0 && (part.length >= limits.part_items || bytes + size > limits.message_bytes)) {
      yield part;
      part = [];
      bytes = ENVELOPE_BYTES;
    }
    part.push(item);
    bytes += size;
  }
  if (part.length > 0) yield part;
}
