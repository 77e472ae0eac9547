// The Sign Page's steps: claim, contents, one batch, save, and the ways out. What is shown is view.ts, what is said is texts.ts.
import { connect, DEFAULT_PORTS, onPermissionChange, SignetError, storedBatch, type Agent, type Batch, type BatchCallbacks, type Item, type ItemResult, type Level, type StoredBatch } from "signet-sdk";
import { commonName } from "signet-pages/common_name";
import { element } from "signet-pages/dom";
import { cutName } from "signet-pages/files";
import { orAbort } from "signet-pages/or_abort";
import { number } from "signet-pages/words";
import { misfit } from "./certificate.js";
import { Claim } from "./claim.js";
import type { ClaimAnswer, ContentItem, MobileAnswer, SaveAnswer, SignData, SignedItem, StateAnswer, Status } from "./data.js";
import { Idle } from "./idle.js";
import { idnp, msisdn } from "./numbers.js";
import { Portal, PortalError } from "./portal.js";
import { Saver } from "./saver.js";
import { giveUpReason, instrumentOf, unsigned, type Problem, type State, type View } from "./state.js";
import { TEXTS } from "./texts.js";
import type { SignView } from "./view.js";

const POLL_MS = 2_000;
/** The page before a reload gives its claim back at once; one that crashed keeps it until it runs out. */
const CLAIM_WAITS_MS = 20_000;
const CONTENTS = 2_000;

/** Why the batch is aborted, when it is not the person's Cancel. */
class Stopped extends Error {
  constructor(readonly cause_: unknown) {
    super("stopped");
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export class SignPage {
  private readonly portal: Portal;
  /** Asks once, and nobody hears that it failed. */
  private readonly quiet: Portal;
  private readonly claim: Claim;
  private readonly saver: Saver;
  private agent: Agent | undefined;
  private batch: Batch | undefined;
  private abort = new AbortController();
  private level: Level = "t";
  /** Signatures that the portal could not have stamped: brought again, they need no token. */
  private unstamped = new Map<number, string>();
  private status: Status = "pending";
  private ended = false;
  private drawing = false;

  constructor(private readonly data: SignData, private readonly state: State, private readonly view: SignView, private readonly leave: (answer: StateAnswer, by_itself: boolean) => void) {
    this.portal = new Portal(data.request, data.token, {
      onTrouble: (seconds) => {
        state.trouble_until = seconds === undefined ? undefined : Date.now() + seconds * 1_000;
        this.drawSoon();
      },
    });
    this.quiet = new Portal(data.request, data.token, { sleep: () => Promise.reject(new PortalError("unavailable", "asked again later")) });
    this.claim = new Claim(this.portal, (error) => this.abort.abort(new Stopped(error)));
    this.saver = new Saver((results) => this.save(results));
  }

  start(): void {
    this.wire();
    const stored = this.stored();
    if (stored !== undefined) void this.resume(stored.instrument, stored.batch);
    else if (this.data.held === true) void this.hold();
    new Idle(() => this.look()).start();
  }

  /** The request may end elsewhere while this page waits for its person: then nobody is sent away who may be back already. */
  private async look(): Promise<void> {
    const { state } = this;
    const waits = () => !this.ended && (state.view === "form" || state.view === "problem");
    if (!waits()) return;
    const answer = await this.quiet.call<StateAnswer>("state");
    if (!waits()) return;
    if (answer.status !== "pending") return this.end(answer, false);
    if (state.view !== "form") return;
    if (answer.held === true && !this.claim.taken) return this.hold();
    if (answer.signed === state.signed) return;
    state.signed = answer.signed;
    this.view.render();
  }

  // Showing

  private go(next: View, changes: Partial<State> = {}): void {
    Object.assign(this.state, changes, { view: next });
    this.view.render();
  }

  /** Results may come by the thousand: one drawing a frame is enough. */
  private drawSoon(): void {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.view.render();
    });
  }

  private phase(phase: State["phase"]): void {
    this.state.phase = phase;
    this.view.render();
  }

  // Signing

  private async sign(other_certificate = false): Promise<void> {
    const { state } = this;
    const instrument = state.instrument as string;
    const kind = instrumentOf(this.data, instrument)?.kind ?? "token";
    this.begin(kind === "token" ? "looking" : "claiming");
    try {
      await this.saver.idle(); // of a batch that was stopped
      if (kind === "mobile") return await this.onPhone(instrument);
      if (kind === "sandbox") return await this.inSandbox(instrument);
      const agent = await this.reach(); // first: the browser asks the person only after a click
      this.phase("claiming");
      const claimed = await this.takeClaim(instrument);
      if (this.level !== "b" && !agent.abilities.levels.includes(this.level)) return this.stopped({ kind: "no_time_stamps" });
      const certificate = await orAbort(agent, agent.chooseCertificate({ again: other_certificate, onWaiting: (waiting) => this.waited(waiting) }), this.abort.signal);
      const why = misfit(certificate.der, claimed.certificates ?? {});
      if (why !== undefined) return this.stopped({ kind: "certificate", why });
      if (certificate.validity === "expires_soon") state.expires_in_days = certificate.daysLeft;
      state.signer = commonName(certificate.subject);
      this.phase("preparing");
      this.batch = agent.signBatch({
        ...this.callbacks(instrument), level: this.level, certificate: certificate.id, items: this.items(),
        purpose: cutName(`${this.data.consumer}: ${this.data.short_description}`, agent.limits.purpose_bytes),
      });
      await this.run(this.batch.finished);
    } catch (error) {
      await this.failed(error);
    }
  }

  private begin(phase: State["phase"]): void {
    this.forgetBatch();
    this.unstamped.clear();
    this.abort = new AbortController();
    this.go("work", { phase, notice: undefined, invalid: undefined, problem: undefined, progress: undefined, waiting: null, prepared: 0, expires_in_days: undefined,
      signer: undefined, phone_code: undefined, phone_test: undefined, signed_before: this.state.signed, refused: new Map(), failed: new Map() });
  }

  private async reach(): Promise<Agent> {
    if (this.agent?.connected === true) return this.agent;
    this.agent = await connect({ language: this.state.language, ports: this.data.agent?.ports ?? DEFAULT_PORTS, onWaiting: (waiting) => this.waited(waiting), signal: this.abort.signal });
    return this.agent;
  }

  private waited(waiting: State["waiting"]): void {
    this.state.waiting = waiting;
    this.drawSoon();
  }

  private async takeClaim(instrument: string): Promise<ClaimAnswer> {
    const answer = await this.claim.take(instrument, this.abort.signal);
    this.level = answer.level ?? "t";
    this.state.signed = this.state.signed_before = this.data.documents.count - answer.unsigned;
    return answer;
  }

  /** Page by page, so that a hundred thousand need no room here. */
  private async *items(): AsyncGenerator<Item> {
    const texts = TEXTS[this.state.language];
    let prepared = 0;
    for (let after: number | null = null; ;) {
      const { items }: { items: ContentItem[] } = await this.claim.guarded(() => this.portal.call("contents", { key: this.claim.key, after, count: CONTENTS }, this.abort.signal));
      for (const { number: index, name, algorithm, digest } of items) {
        if (name !== null && name !== "") this.state.names.set(index, name);
        yield { id: String(index), name: cutName(name ?? texts.document(number(this.state.language, index))), digest, alg: algorithm };
        after = index;
      }
      prepared += items.length;
      this.state.prepared = prepared;
      this.drawSoon();
      if (items.length === 0) return;
    }
  }

  private callbacks(instrument: string): BatchCallbacks {
    const { state } = this;
    return {
      storage: sessionStorage, storageKey: this.storageKey(instrument), signal: this.abort.signal,
      onWaiting: (waiting) => this.waited(waiting),
      onProgress: (progress) => {
        state.progress = progress;
        if (progress.state === "running" && (state.phase === "preparing" || state.phase === "continuing" || state.phase === "looking")) state.phase = "signing";
        if (this.batch?.certificate?.validity === "expires_soon") state.expires_in_days = this.batch.certificate.days_left;
        this.drawSoon();
      },
      // Acknowledged to the agent only when this promise settled: when the portal has it.
      onResult: (result) => this.result(result),
    };
  }

  private result({ id, signature, error, timeStampError }: ItemResult): Promise<void> | void {
    const index = Number(id);
    if (signature === undefined) {
      this.state.failed.set(index, error ?? new SignetError("internal", "no signature and no error"));
      return this.drawSoon();
    }
    this.state.failed.delete(index);
    // The agent keeps it until its time stamp comes or the page gives it up: the portal would refuse it.
    if (timeStampError !== undefined && this.level !== "b") return;
    return this.saver.add(index, signature);
  }

  private async save(results: SignedItem[]): Promise<void> {
    const { state } = this;
    const again = results.some(({ number: index }) => this.unstamped.has(index));
    const answer = await this.claim.guarded(() => this.portal.call<SaveAnswer>("save", { key: this.claim.key, results, ...(again ? { again } : {}) }));
    const refused = new Map(answer.refused.map(({ number: index, code }) => [index, code]));
    for (const { number: index, signature } of results) {
      const code = refused.get(index);
      if (code === undefined) state.refused.delete(index);
      else state.refused.set(index, code);
      if (code === "time_stamp_failed") this.unstamped.set(index, signature);
      else this.unstamped.delete(index);
    }
    state.signed = this.data.documents.count - answer.missing;
    this.status = answer.status;
    this.drawSoon();
  }

  private async run(finished: Promise<unknown>): Promise<void> {
    await finished;
    if (unsigned(this.data, this.state.signed) > 0) this.phase("saving");
    await this.saver.idle();
    if (this.status !== "pending") return this.end();
    if ((this.batch?.summary.withoutTimeStamp ?? 0) > 0 && this.level !== "b") {
      return this.stopped({ kind: "agent", error: new SignetError("time_stamp_failed", `${this.batch?.summary.withoutTimeStamp} without a time stamp`) });
    }
    if (this.unstamped.size > 0) return this.stopped({ kind: "agent", error: new SignetError("time_stamp_failed", `${this.unstamped.size} without a time stamp`) });
    // Signed to the last by this page and by others before it: the portal says what that means.
    if (unsigned(this.data, this.state.signed) === 0) return this.end();
    this.stopped({ kind: "unsigned" });
  }

  // Going on

  private storageKey(instrument: string): string {
    return `signet.batch.${this.data.request}.${instrument}`;
  }

  private stored(): { instrument: string; batch: StoredBatch } | undefined {
    for (const { id } of this.data.instruments) {
      try {
        const batch = storedBatch(sessionStorage, this.storageKey(id));
        if (batch !== undefined) return { instrument: id, batch };
      } catch { /* storage is forbidden */ }
    }
    return undefined;
  }

  /** After a reload: the agent goes on, this page listens again. */
  private async resume(instrument: string, stored: StoredBatch): Promise<void> {
    this.state.instrument = instrument;
    this.begin("continuing");
    try {
      await this.claimOrWait(instrument);
      if (!stored.sealed) return this.interrupted(instrument);
      const agent = await this.reach();
      this.batch = agent.resumeBatch(stored, this.callbacks(instrument));
      await this.run(this.batch.finished);
    } catch (error) {
      if (error instanceof SignetError && error.code === "batch_unknown") return this.interrupted(instrument);
      await this.failed(error);
    }
  }

  private async claimOrWait(instrument: string): Promise<void> {
    for (const until = Date.now() + CLAIM_WAITS_MS; ;) {
      try {
        await this.takeClaim(instrument);
        if (this.state.phase === "claim_waits") this.phase("continuing");
        return;
      } catch (error) {
        if (!(error instanceof PortalError) || error.code !== "held" || Date.now() > until) throw error;
        this.phase("claim_waits");
        await pause(POLL_MS / 2);
        this.abort.signal.throwIfAborted();
      }
    }
  }

  /** What the agent had of the batch is of no more use. */
  private interrupted(instrument: string): void {
    try {
      sessionStorage.removeItem(this.storageKey(instrument));
    } catch { /* storage is forbidden */ }
    this.go("form", { notice: "interrupted_notice" });
  }

  /** Another page signs: its progress is shown until the request ends, which that page goes back with, or comes free. */
  private async hold(): Promise<void> {
    this.forgetBatch(); // the other page signs what is left: two must not
    this.claim.forget();
    this.go("held", { waiting: null });
    for (;;) {
      const answer = await this.portal.call<StateAnswer>("state").catch((error) => error as unknown);
      if (this.state.view !== "held") return;
      if (answer instanceof PortalError) {
        if (answer.code === "ended") return this.end(undefined, false);
        return this.stopped({ kind: "portal", code: answer.code, detail: answer.message });
      }
      const { status, signed, held } = answer as StateAnswer;
      this.state.signed = signed;
      if (status !== "pending") return this.end(answer as StateAnswer, false);
      if (held !== true) return this.go("form", { notice: "freed_notice" });
      this.view.render();
      await pause(POLL_MS);
    }
  }

  private again(): void {
    const { problem } = this.state;
    const { instrument } = this.state;
    if (problem?.kind === "portal" && problem.code === "token_invalid") return location.reload();
    const other = problem?.kind === "certificate" || (problem?.kind === "agent" && problem.error.code.startsWith("certificate_"));
    if (instrument === undefined) return this.go("form", { problem: undefined }); // Give up failed before one was chosen
    if (other) return void this.sign(true);
    if (this.unstamped.size > 0) return void this.goOn(instrument, "stamping", () => this.stampAgain());
    const { batch } = this;
    const unstamped = problem?.kind === "agent" && problem.error.code === "time_stamp_failed" && (batch?.summary.withoutTimeStamp ?? 0) > 0 && batch?.canTryAgain === false;
    if (batch !== undefined && unstamped) return void this.goOn(instrument, "stamping", () => batch.retryTimeStamps());
    if (batch?.canTryAgain === true) return void this.goOn(instrument, "signing", () => batch.tryAgain());
    const stored = this.stored();
    if (batch === undefined && stored !== undefined) return void this.resume(stored.instrument, stored.batch); // whose agent was not found
    void this.sign();
  }

  private async stampAgain(): Promise<void> {
    await Promise.all([...this.unstamped].map(([index, signature]) => this.saver.add(index, signature)));
  }

  private async goOn(instrument: string, phase: State["phase"], work: () => Promise<unknown>): Promise<void> {
    this.go("work", { phase, problem: undefined, waiting: null });
    try {
      await this.saver.idle();
      await this.claim.take(instrument, this.abort.signal);
      await this.run(work());
    } catch (error) {
      await this.failed(error);
    }
  }

  // Without an agent

  private async onPhone(instrument: string): Promise<void> {
    const number_ = msisdn(element<HTMLInputElement>("msisdn").value) as string;
    await this.takeClaim(instrument);
    const { code, test } = await this.claim.guarded(() => this.portal.call<MobileAnswer>("mobile", { key: this.claim.key, msisdn: number_ }, this.abort.signal));
    this.state.phone_code = code;
    this.state.phone_test = test === true ? "waits" : undefined;
    this.view.phoneNumber(number_);
    this.phase("phone");
    await this.confirmed();
  }

  /** The simulated phone's; what comes of it `state` says. */
  private async phoneAnswers(action: "confirm" | "refuse"): Promise<void> {
    this.state.phone_test = "told";
    this.view.render();
    try {
      await this.portal.call("phone", { key: this.claim.key, action }, this.abort.signal);
    } catch (error) {
      if (this.state.view === "work") await this.failed(error);
    }
  }

  private async inSandbox(instrument: string): Promise<void> {
    const action = new FormData(element<HTMLFormElement>("form")).get("action");
    const signer = idnp(element<HTMLInputElement>("idnp").value);
    const delay_ms = Math.round(Math.min(600, Math.max(0, Number(element<HTMLInputElement>("delay").value) || 0)) * 1_000);
    await this.takeClaim(instrument);
    this.phase("sandbox");
    const answer = await this.claim.guarded(() => this.portal.call<StateAnswer>("sandbox", { key: this.claim.key, action, ...(signer === undefined ? {} : { idnp: signer }), delay_ms }, this.abort.signal));
    for (const { number: index, code } of answer.refused ?? []) this.state.refused.set(index, code);
    if (this.state.refused.size > 0) return this.stopped({ kind: "unsigned" });
    await this.confirmed(answer);
  }

  /** Until a phone or a sandbox has spoken. */
  private async confirmed(answer?: StateAnswer): Promise<void> {
    for (const { signal } = this.abort; ;) {
      if (answer !== undefined) {
        this.state.signed = answer.signed;
        if (answer.status !== "pending") return this.end(answer);
        if (answer.reason !== undefined && answer.reason !== "") return this.stopped({ kind: "elsewhere", reason: answer.reason });
        this.drawSoon();
      }
      await pause(POLL_MS);
      signal.throwIfAborted();
      answer = await this.portal.call<StateAnswer>("state", {}, signal);
    }
  }

  // Stops and ends

  private async failed(error: unknown): Promise<void> {
    const reason: unknown = this.abort.signal.aborted ? this.abort.signal.reason : error;
    const cause = reason instanceof Stopped ? reason.cause_ : error;
    if (cause instanceof PortalError) {
      if (cause.code === "ended") return this.end();
      if (cause.code === "held") return this.hold();
      return this.stopped({ kind: "portal", code: cause.code, detail: cause.message });
    }
    if (this.abort.signal.aborted && !(reason instanceof Stopped)) {
      await this.saver.idle(); // what was made until then is kept
      if (this.status !== "pending") return this.end();
      return this.stopped({ kind: "cancelled" });
    }
    this.stopped({ kind: "agent", error: error instanceof SignetError ? error : new SignetError("internal", String(error)) });
  }

  private stopped(problem: Problem): void {
    if (this.ended) return;
    this.go("problem", { problem, waiting: null });
    if (problem.kind === "agent" && problem.error.code === "blocked_by_browser") void this.whenAllowed(problem);
  }

  /** The person may allow the way in the browser's settings: then nobody has to press anything here. */
  private async whenAllowed(problem: Problem): Promise<void> {
    const stop = await onPermissionChange((permission) => {
      stop();
      if (permission === "granted" && this.state.view === "problem" && this.state.problem === problem) this.again();
    });
  }

  private async giveUp(): Promise<void> {
    const reason = giveUpReason(this.state.problem);
    this.go("work", { phase: "giving_up", waiting: null, invalid: undefined });
    const { batch } = this;
    this.forgetBatch();
    this.abort = new AbortController();
    try {
      await batch?.settled(); // what was made until then is kept
      await this.saver.idle();
      if (this.status !== "pending") return await this.end();
      await this.claim.guarded(() => this.portal.call("give_up", { key: this.claim.key, reason }));
      await this.end();
    } catch (error) {
      await this.failed(error);
    }
  }

  private async end(answer?: StateAnswer, by_itself = true): Promise<void> {
    if (this.ended) return;
    this.forgetBatch();
    this.claim.forget();
    try {
      if (answer?.status === undefined || answer.status === "pending") {
        this.go("work", { phase: "ending", waiting: null });
        answer = await this.portal.call<StateAnswer>("state");
      }
    } catch (error) {
      const { code, message } = error instanceof PortalError ? error : new PortalError("internal", String(error));
      return this.stopped({ kind: "portal", code, detail: message });
    }
    if (answer.status === "pending") return this.stopped({ kind: "unsigned" });
    this.ended = true;
    this.leave(answer, by_itself);
  }

  private forgetBatch(): void {
    void this.batch?.close().catch(() => undefined);
    this.batch = undefined;
  }

  // The person

  private wire(): void {
    const { state } = this;
    const on = (id: string, act: () => void) => element(id).addEventListener("click", act);
    element("instruments").addEventListener("change", (event) => {
      state.instrument = (event.target as HTMLInputElement).value;
      state.invalid = undefined;
      this.view.render();
    });
    element<HTMLInputElement>("msisdn").value = this.data.msisdn ?? "";
    element<HTMLInputElement>("idnp").value = this.data.expected_signer ?? "";
    element("sandbox-fields").addEventListener("change", (event) => {
      if ((event.target as HTMLInputElement).name === "action") this.view.render();
    });
    element("search").addEventListener("input", () => this.view.list());
    element("form").addEventListener("submit", (event) => {
      event.preventDefault();
      state.invalid = this.missing();
      if (state.invalid === undefined) void this.sign();
      else this.view.render();
      state.invalid = undefined;
    });
    on("refuse", () => void this.giveUp());
    on("give-up", () => void this.giveUp());
    on("again", () => this.again());
    on("back", () => {
      this.forgetBatch();
      this.go("form", { problem: undefined });
    });
    on("phone-confirm", () => void this.phoneAnswers("confirm"));
    on("phone-refuse", () => void this.phoneAnswers("refuse"));
    on("cancel", () => {
      this.phase("stopping");
      this.abort.abort();
    });
    addEventListener("pagehide", () => {
      if (!this.ended) this.claim.release();
    });
    setInterval(() => this.view.tick(), 1_000);
  }

  private missing(): State["invalid"] {
    const { instrument } = this.state;
    const kind = instrumentOf(this.data, instrument)?.kind;
    if (kind === undefined) return "instrument";
    if (kind === "mobile" && msisdn(element<HTMLInputElement>("msisdn").value) === undefined) return "msisdn";
    const typed = element<HTMLInputElement>("idnp").value.trim();
    if (kind === "sandbox" && (typed === "" ? new FormData(element<HTMLFormElement>("form")).get("action") === "sign" : idnp(typed) === undefined)) return "idnp";
    return undefined;
  }
}
