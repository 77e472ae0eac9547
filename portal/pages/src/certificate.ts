// As much DER as it takes to see whose a certificate is and who issued it. Only to spare the person a refusal: the portal judges.
import { toBase64 } from "signet-sdk";
import type { Filter } from "./data.js";

const SEQUENCE = 0x30;
const OID_SERIAL_NUMBER = "85,4,5"; // 2.5.4.5

interface Element {
  tag: number;
  whole: Uint8Array;
  inside: Uint8Array;
}

function* elements(bytes: Uint8Array): Generator<Element> {
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] as number;
    let length = bytes[at + 1] as number;
    let from = at + 2;
    if (length > 0x80 && length <= 0x84) {
      const count = length - 0x80;
      length = 0;
      for (const byte of bytes.subarray(from, from + count)) length = length * 256 + byte;
      from += count;
    } else if (length >= 0x80 || Number.isNaN(length)) throw new RangeError("not DER");
    if (from + length > bytes.length) throw new RangeError("cut short");
    yield { tag, whole: bytes.subarray(at, from + length), inside: bytes.subarray(from, from + length) };
    at = from + length;
  }
}

function only(bytes: Uint8Array): Element {
  const [first] = elements(bytes);
  if (first === undefined) throw new RangeError("empty");
  return first;
}

/** The issuer's name as DER, and the subject's serialNumber. */
export function names(der: Uint8Array): { issuer: Uint8Array; subject_serial: string | undefined } {
  const [, , issuer, , subject] = [...elements(only(only(der).inside).inside)].filter(({ tag }, index) => !(index === 0 && tag === 0xa0));
  if (issuer?.tag !== SEQUENCE || subject?.tag !== SEQUENCE) throw new RangeError("not a certificate");
  let subject_serial: string | undefined;
  for (const set of elements(subject.inside)) {
    for (const attribute of elements(set.inside)) {
      const [type, value] = [...elements(attribute.inside)];
      if (type !== undefined && value !== undefined && type.inside.join() === OID_SERIAL_NUMBER) subject_serial = new TextDecoder().decode(value.inside);
    }
  }
  return { issuer: issuer.whole, subject_serial };
}

/** Why this certificate would be refused: of another instrument, or another person's. One that cannot be read is left to the portal. */
export function misfit(der: Uint8Array, { issuers = [], subject_serial }: Filter): "issuer" | "signer" | undefined {
  let found: ReturnType<typeof names>;
  try {
    found = names(der);
  } catch {
    return undefined;
  }
  if (issuers.length > 0 && !issuers.includes(toBase64(found.issuer))) return "issuer";
  // ETSI EN 319 412-1 writes the kind of identifier before the number: IDCMD-, PNOMD-.
  if (subject_serial !== undefined && found.subject_serial?.replace(/^[A-Z]{3}[A-Z]{2}-/, "") !== subject_serial) return "signer";
  return undefined;
}
