/** A number of Moldova as people write it (+373 69 123 456, 00373…, 069123456) as 373 and eight digits. */
export function msisdn(text: string): string | undefined {
  const digits = text.replace(/[\s().\-–\u00a0]/g, "").replace(/^\+|^00(?=373)/, "");
  if (/^373\d{8}$/.test(digits)) return digits;
  return /^0\d{8}$/.test(digits) ? `373${digits.slice(1)}` : undefined;
}

/** 373 69 123 456: as it is read aloud. */
export function spaced(number: string): string {
  return number.replace(/^(373)(\d\d)(\d{3})(\d{3})$/, "+$1 $2 $3 $4");
}

/** Thirteen digits; no public source confirms a check digit. */
export function idnp(text: string): string | undefined {
  const digits = text.replace(/\s/g, "");
  return /^\d{13}$/.test(digits) ? digits : undefined;
}

const DIGEST_BYTES: Record<number, string> = { 20: "sha1", 28: "sha224", 32: "sha256", 48: "sha384", 64: "sha512" };

/** A digest as people paste it, in hexadecimal or base64; the algorithm follows from the length. */
export function digestFrom(text: string): { algorithm: string; digest: string } | undefined {
  const plain = text.replace(/[\s:]/g, "");
  let binary: string;
  if (/^([0-9a-f]{2})+$/i.test(plain) && DIGEST_BYTES[plain.length / 2] !== undefined) {
    binary = plain.replace(/../g, (pair) => String.fromCharCode(parseInt(pair, 16)));
  } else {
    try {
      binary = atob(plain);
    } catch {
      return undefined;
    }
  }
  const algorithm = DIGEST_BYTES[binary.length];
  return algorithm === undefined ? undefined : { algorithm, digest: btoa(binary) };
}
