import { SignetError } from "./errors.js";
import type { DigestAlgorithm } from "./protocol.js";

const WEB_NAMES: Record<DigestAlgorithm, string> = { sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512" };

/**
 * The digest of a file, made in the browser: the file itself goes nowhere. WebCrypto takes no streams, so the whole file is
 * read into memory: browsers give up at about 2 GB, phones earlier; then the error is `file_unreadable`.
 * Needs a secure context (https or loopback). Node 18 has no global `crypto`: give `webcrypto.subtle` of node:crypto.
 */
export async function digestFile(file: Blob, alg: DigestAlgorithm = "sha256", subtle: SubtleCrypto = globalThis.crypto.subtle): Promise<Uint8Array> {
  let bytes: ArrayBuffer;
  try {
    bytes = await file.arrayBuffer();
  } catch (cause) {
    throw new SignetError("file_unreadable", "the file was moved or changed, or is too large for this browser", { cause });
  }
  return new Uint8Array(await subtle.digest(WEB_NAMES[alg], bytes));
}

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
