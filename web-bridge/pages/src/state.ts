import type { Language, Progress, SignetError, Waiting } from "signet-sdk";
import type { Entry } from "./files.js";
import type { KeptResult, Session } from "./keep.js";
import type { PlainKey } from "./texts.js";

export type View = "form" | "work" | "problem" | "done";
/** What the page itself is doing; who is waited for (`waiting`) goes before it on the screen. */
export type Phase = "looking" | "continuing" | "preparing" | "signing" | "stopping" | "stamping";
/** What stopped the signing: an error of the sdk, or this page's own finding. */
export type Problem = { error: SignetError; file: string | undefined } | { error: "no_time_stamps" };

/** All that the page shows follows from this. */
export interface State {
  language: Language;
  view: View;
  phase: Phase;
  entries: Entry[];
  missing: boolean; // Sign was pressed without a file
  notice: PlainKey | undefined;
  waiting: Waiting | null;
  prepared: number;
  progress: Progress | undefined;
  expires_in_days: number | undefined;
  problem: Problem | undefined;
  can_choose_other: boolean;
  session: Session | undefined;
  results: Map<string, KeptResult>;
}

/** Ids are given by the order of the session's files, from 1. */
export function counts({ session, results }: State): { total: number; signed: number; failed: number; unstamped: number } {
  const all = [...results.values()];
  return {
    total: session?.files.length ?? 0,
    signed: all.filter(({ signature }) => signature !== undefined).length,
    failed: all.filter(({ error }) => error !== undefined).length,
    unstamped: all.filter(({ unstamped }) => unstamped === true).length,
  };
}
