// What travels on the wire: docs/PROTOCOL.md, version 1. Names are the wire's own; what pages see is in index.ts.

export const PROTOCOL_VERSION = 1;
export const SUBPROTOCOL = "signet.v1";
export const DEFAULT_PORTS: readonly number[] = [18580, 18581, 18582, 18583, 18584];
export const SDK_VERSION = "0.1.0";

export type Level = "b" | "t" | "lt" | "lta";
/** With the last three the page puts document and signature together (docs/PROTOCOL.md, batch.begin). */
export type Packaging = "detached" | "enveloping" | "enveloping-file" | "enveloping-xml" | "enveloped";
export type DigestAlgorithm = "sha256" | "sha384" | "sha512";
export type Language = "ro" | "ru" | "en";
export type WhoActs = "person" | "caller" | "machine" | "us";
export type BatchState = "collecting" | "waiting" | "running" | "paused" | "complete" | "cancelled";
export type Validity = "valid" | "expires_soon" | "expired" | "not_yet_valid";

export interface WireError {
  code: string;
  who?: WhoActs;
  message?: string;
  tries_left?: number;
  final_try?: boolean;
}

export interface WireLimits {
  message_bytes: number;
  part_items: number;
  batch_items: number;
  id_bytes: number;
  name_bytes: number;
  purpose_bytes: number;
  unacknowledged: number;
}

export interface WireHello {
  protocol: number;
  agent: string;
  version: string;
  abilities: { levels: Level[]; packagings: Packaging[]; digests: DigestAlgorithm[]; together: boolean; pss: boolean };
  limits: WireLimits;
}

export interface WireCertificate {
  id: string;
  der: string;
  subject: string;
  issuer: string;
  not_before: string;
  not_after: string;
  validity: Validity;
  days_left: number;
}

export interface WireItem {
  id: string;
  digest: string;
  name: string;
  alg?: DigestAlgorithm;
}

export interface WireResult {
  seq: number;
  id: string;
  level?: Level;
  signature?: string;
  error?: WireError;
  time_stamp_error?: WireError;
}

export interface WireProgress {
  state: BatchState;
  total: number;
  signed: number;
  ready: number;
  time_stamps_missing: number;
  acknowledged: number;
  remaining_s?: number;
  /** The newest seq made; agents that do not tell it send a batch's last results before its last progress. */
  results?: number;
  error?: WireError;
}

export interface WireWaiting {
  batch?: string;
  what: string;
  until?: string;
}

export interface WireEvent {
  event: string;
  params: { batch?: string; [member: string]: unknown };
}
