import type { Language, Progress, SignetError, Waiting } from "signet-sdk";
import type { Documents, Instrument, PageData, Return, SignData, Status } from "./data.js";
import type { PlainKey } from "./texts.js";

export type View = "form" | "held" | "work" | "problem" | "ended" | "error" | "verify";
/** What the page itself is doing; who is waited for (`waiting`) goes before it on the screen. */
export type Phase = "looking" | "claiming" | "claim_waits" | "continuing" | "preparing" | "signing" | "saving" | "stopping" | "stamping" | "phone" | "sandbox" | "giving_up" | "ending";

/** What stopped the signing. */
export type Problem =
  | { kind: "agent"; error: SignetError }
  | { kind: "certificate"; why: "issuer" | "signer" }
  | { kind: "no_time_stamps" | "cancelled" | "unsigned" }
  | { kind: "portal"; code: string; detail: string }
  | { kind: "elsewhere"; reason: string }; // a phone or a sandbox said no

export interface Ended {
  status: Exclude<Status, "pending">;
  reason: string | undefined;
  return: Return | undefined;
  /** Seconds until the page goes back by itself; undefined: it waits for the person. */
  leaving_s: number | undefined;
}

/** All that the page shows follows from this. */
export interface State {
  language: Language;
  view: View;
  phase: Phase;
  data: PageData;
  instrument: string | undefined;
  notice: PlainKey | undefined;
  invalid: "instrument" | "msisdn" | "idnp" | undefined;
  waiting: Waiting | null;
  /** Documents whose signatures the portal has. */
  signed: number;
  /** Of them those from before this try. */
  signed_before: number;
  prepared: number;
  progress: Progress | undefined;
  /** When the portal, that does not answer, is asked again. */
  trouble_until: number | undefined;
  signer: string | undefined;
  expires_in_days: number | undefined;
  phone_code: string | undefined;
  /** What the simulated phone was told to answer; absent: it is a person's. */
  phone_test: "waits" | "told" | undefined;
  problem: Problem | undefined;
  /** By number: why the portal refused a result, or the agent could not make it. */
  refused: Map<number, string>;
  failed: Map<number, SignetError>;
  names: Map<number, string>;
  ended: Ended | undefined;
}

export function initial(data: PageData, language: Language): State {
  return {
    language, data, view: data.page === "sign" ? "form" : data.page, phase: "looking", instrument: data.page === "sign" ? firstInstrument(data) : undefined,
    notice: undefined, invalid: undefined, waiting: null, signed: "documents" in data ? data.documents.signed : 0, signed_before: 0, prepared: 0, progress: undefined,
    trouble_until: undefined, signer: undefined, expires_in_days: undefined, phone_code: undefined, phone_test: undefined, problem: undefined, refused: new Map(), failed: new Map(),
    names: new Map(), ended: undefined,
  };
}

/** Named by the e-service, or the only one there is; else the person chooses. */
export function firstInstrument({ instrument, instruments }: Pick<SignData, "instrument" | "instruments">): string | undefined {
  if (instrument !== undefined) return instrument;
  const available = instruments.filter((one) => one.available);
  return available.length === 1 ? available[0]?.id : undefined;
}

export function instrumentOf({ instruments }: Pick<SignData, "instruments">, id: string | undefined): Instrument | undefined {
  return instruments.find((one) => one.id === id);
}

export function unsigned({ documents }: { documents: Documents }, signed: number): number {
  return Math.max(0, documents.count - signed);
}

/** What the documents' list shows for a search: numbers and names, those without a name by their number. */
export function search(names: readonly (string | null)[], query: string, unnamed: (number: number) => string): { number: number; name: string }[] {
  const fold = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const wanted = fold(query.trim());
  return names.map((name, index) => ({ number: index + 1, name: name ?? unnamed(index + 1) })).filter(({ name }) => fold(name).includes(wanted));
}

/** Unsigned documents by the reason, most first. */
export function byReason<Reason>(items: ReadonlyMap<number, Reason>, key: (reason: Reason) => string): { reason: Reason; numbers: number[] }[] {
  const groups = new Map<string, { reason: Reason; numbers: number[] }>();
  for (const [number, reason] of items) {
    const group = groups.get(key(reason)) ?? { reason, numbers: [] };
    group.numbers.push(number);
    groups.set(key(reason), group);
  }
  return [...groups.values()].sort((a, b) => b.numbers.length - a.numbers.length);
}

/** The page that somebody came back to must not send them away again. */
export function leavesByItself(navigation: string): boolean {
  return navigation !== "back_forward" && navigation !== "reload";
}

/** Told to the portal with Give up. */
export function giveUpReason(problem: Problem | undefined): string {
  return problem?.kind === "agent" ? problem.error.code : "user_cancelled";
}
