// What the portal writes into the page and answers to it: README.md. The names are the wire's own.
import type { DigestAlgorithm, Language, Level } from "signet-sdk";

export type Status = "pending" | "success" | "failure" | "expired";

export interface Instrument {
  id: string;
  kind: "token" | "sandbox" | "mobile";
  available: boolean;
  reason?: string;
}

/** The way back to the e-service. */
export interface Return {
  url: string;
  fields: Record<string, string>;
}

export interface Documents {
  count: number;
  signed: number;
  names?: (string | null)[];
}

interface Common {
  language?: Language;
  test?: boolean;
}
export interface SignData extends Common {
  page: "sign";
  request: string;
  consumer: string;
  short_description: string;
  description?: string;
  documents: Documents;
  expires?: string;
  on_behalf_of?: { type: "Person" | "Organization"; id: string };
  instruments: Instrument[];
  instrument?: string;
  msisdn?: string;
  /** In a sandbox alone. */
  expected_signer?: string;
  held?: boolean;
  agent?: { install_url?: string; ports?: number[] };
  return_origin?: string;
  token: string;
}
export interface EndedData extends Common {
  page: "ended";
  status: Exclude<Status, "pending">;
  reason?: string;
  consumer: string;
  documents: Documents;
  return?: Return;
}
export interface ErrorData extends Common {
  page: "error";
  code: string;
  /** Which one is wrong, and where the way back that is refused leads: texts from outside. */
  parameter?: string;
  host?: string;
}
export interface VerifyData extends Common {
  page: "verify";
}
export type PageData = SignData | EndedData | ErrorData | VerifyData;

/** What a certificate must be; the portal checks it again. */
export interface Filter {
  issuers?: string[];
  subject_serial?: string;
}
export interface ClaimAnswer {
  until: string;
  unsigned: number;
  algorithms?: string[];
  certificates?: Filter;
  level?: Level;
}
export interface ContentItem {
  number: number;
  name: string | null;
  algorithm: DigestAlgorithm;
  digest: string;
}
export interface SignedItem {
  number: number;
  signature: string;
}
export interface SaveAnswer {
  saved: number;
  refused: { number: number; code: string; message?: string }[];
  missing: number;
  status: Status;
}
export interface MobileAnswer {
  code: string;
  /** The phone is simulated: its answer is given on the page. */
  test?: boolean;
}
export interface StateAnswer {
  status: Status;
  reason?: string;
  signed: number;
  held?: boolean;
  /** Of a sandbox that signed at once, as of `save`. */
  refused?: SaveAnswer["refused"];
  return?: Return;
}
export interface VerifyAnswer {
  signatures: { valid: boolean; message: string; subject?: string; signed_at?: string }[];
}

/** The block that the portal filled; a page without one says that something went wrong. */
export function readData(text: string | null | undefined): PageData {
  try {
    const data = JSON.parse(text ?? "") as PageData;
    if (["sign", "ended", "error", "verify"].includes(data?.page)) return data;
  } catch { /* below */ }
  return { page: "error", code: "internal" };
}
