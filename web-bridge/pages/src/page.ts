// Start here: the page's steps, from chosen files to saved signatures. What is shown is view.ts, what is said is texts.ts.
import { connect, DEFAULT_PORTS, onPermissionChange, SignetError, storedBatch, type Agent, type Batch, type BatchCallbacks, type ItemResult, type Language, type Packaging } from "signet-sdk";
import { archive, signatureNames } from "./archive.js";
import { commonName } from "./common_name.js";
import { element } from "./dom.js";
import { add, cutName, dropped, hashed } from "./files.js";
import { Keep, loadSession, newSession, saveSession, type KeptResult } from "./keep.js";
import { counts, type Problem, type State, type View } from "./state.js";
import { orAbort } from "./or_abort.js";
import { TEXTS } from "./texts.js";
import { PageView } from "./view.js";
import { preferredLanguage } from "./words.js";

const LANGUAGE_KEY = "signet.language";
/** The certificate's fault: another one may do. */
const OTHER_CERTIFICATE = new Set(["certificate_not_found", "certificate_unfit", "certificate_expired"]);

const state: State = {
  language: startLanguage(), view: "form", phase: "looking", entries: [], missing: false, notice: undefined, waiting: null, prepared: 0,
  progress: undefined, expires_in_days: undefined, problem: undefined, can_choose_other: false, session: undefined, results: new Map(),
};
const view = new PageView(state, { remove, save: saveOne });
const keep = Keep.open();
let agent: Agent | undefined;
let batch: Batch | undefined;
let abort = new AbortController();
let drawing = false;

function startLanguage(): Language {
  try {
    const chosen = localStorage.getItem(LANGUAGE_KEY);
    if (chosen !== null) return preferredLanguage([chosen]);
  } catch { /* storage is forbidden */ }
  return preferredLanguage(navigator.languages);
}

/** Results may come by the thousand: one drawing a frame is enough. */
function drawSoon(): void {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    view.render();
  });
}

function go(next: View, changes: Partial<State> = {}): void {
  Object.assign(state, changes, { view: next });
  view.render();
}

// Connecting and signing

function callbacks(): BatchCallbacks {
  const session = state.session;
  return {
    storage: sessionStorage,
    signal: abort.signal,
    onWaiting: waited,
    onProgress(progress) {
      state.progress = progress;
      if (progress.state === "running" && state.phase !== "stopping" && state.phase !== "stamping") state.phase = "signing";
      if (batch?.certificate?.validity === "expires_soon") state.expires_in_days = batch.certificate.days_left;
      drawSoon();
    },
    async onResult(result) {
      const kept = toKeep(result);
      state.results.set(kept.id, kept);
      drawSoon();
      if (session !== undefined) await (await keep).put(session.key, kept);
    },
  };
}

function toKeep({ id, level, signature, error, timeStampError }: ItemResult): KeptResult {
  return {
    id,
    ...(level === undefined ? {} : { level }),
    ...(signature === undefined ? {} : { signature }),
    ...(error === undefined ? {} : { error: error.code, who: error.who }),
    ...(timeStampError === undefined ? {} : { unstamped: true }),
  };
}

function waited(waiting: State["waiting"]): void {
  state.waiting = waiting;
  drawSoon();
}

async function reach(): Promise<Agent> {
  if (agent?.connected === true) return agent;
  const listed = document.querySelector<HTMLMetaElement>('meta[name="signet-ports"]')?.content.split(/\s+/).map(Number);
  agent = await connect({ language: state.language, ports: listed ?? DEFAULT_PORTS, onWaiting: waited, signal: abort.signal });
  return agent;
}

async function sign(other_certificate = false): Promise<void> {
  abort = new AbortController();
  forget();
  go("work", { phase: "looking", notice: undefined, problem: undefined, progress: undefined, waiting: null, prepared: 0, session: undefined, expires_in_days: undefined });
  const form = new FormData(element<HTMLFormElement>("form"));
  const level = form.get("level") === "t" ? "t" : "b";
  let reading: string | undefined;
  try {
    const found = await reach();
    if (!found.abilities.levels.includes(level)) return stopped({ error: "no_time_stamps" });
    const certificate = await orAbort(found, found.chooseCertificate({ again: other_certificate, onWaiting: waited }), abort.signal);
    if (certificate.validity === "expires_soon") state.expires_in_days = certificate.daysLeft;
    // Ids follow the list as it stands now: results and rows are found by them after a reload.
    const entries = state.entries.map((entry, index) => ({ ...entry, id: String(index + 1) }));
    state.session = newSession(entries.map(({ name, size }) => ({ name, size })));
    state.session.signer = commonName(certificate.subject);
    saveSession(state.session);
    state.phase = "preparing";
    view.render();
    batch = found.signBatch({
      ...callbacks(), level, certificate: certificate.id, packaging: (form.get("packaging") ?? "detached") as Packaging,
      purpose: cutName(element<HTMLInputElement>("purpose").value.trim() || TEXTS[state.language].purpose_default),
      items: hashed(entries, (count, name) => {
        state.prepared = count;
        reading = name;
        drawSoon();
      }),
    });
    await batch.finished;
    finish("complete");
  } catch (error) {
    failed(error, error instanceof SignetError && error.code === "file_unreadable" ? reading : undefined);
  }
}

function finish(how: "complete" | "stopped"): void {
  if (state.session !== undefined) {
    state.session.finished = how;
    saveSession(state.session);
  }
  go("done", { waiting: null });
}

function failed(error: unknown, file?: string): void {
  if (abort.signal.aborted) {
    if (state.results.size > 0) return finish("stopped");
    forget();
    return go("form", { notice: "cancelled_notice", waiting: null });
  }
  stopped({ error: error instanceof SignetError ? error : new SignetError("internal", String(error)), file });
}

function stopped(problem: Problem): void {
  go("problem", { problem, waiting: null, can_choose_other: problem.error !== "no_time_stamps" && OTHER_CERTIFICATE.has(problem.error.code) });
  if (problem.error !== "no_time_stamps" && problem.error.code === "blocked_by_browser") void whenAllowed();
}

/** The person may allow the way in the browser's settings: then nobody has to press anything here. */
async function whenAllowed(): Promise<void> {
  const here = state.problem;
  const stop = await onPermissionChange((permission) => {
    stop();
    if (permission === "granted" && state.view === "problem" && state.problem === here) void again();
  });
}

async function again(): Promise<void> {
  if (batch?.canTryAgain !== true) {
    if (state.results.size === 0 && state.entries.length > 0) return sign(state.can_choose_other);
    return resume(); // of a batch from before a reload, whose agent was not found
  }
  abort = abort.signal.aborted ? new AbortController() : abort;
  go("work", { phase: state.results.size > 0 ? "signing" : "looking", problem: undefined });
  try {
    await batch.tryAgain();
    finish("complete");
  } catch (error) {
    failed(error);
  }
}

function cancel(): void {
  state.phase = "stopping";
  view.render();
  abort.abort();
}

function forget(): void {
  void batch?.close();
  batch = undefined;
  const key = state.session?.key;
  if (key !== undefined) void keep.then((kept) => kept.drop(key));
  state.session = undefined;
  state.results.clear();
  saveSession(undefined);
}

/** Goes on where this tab was before it was loaded again. */
async function resume(): Promise<void> {
  const session = state.session ?? loadSession();
  if (session === undefined) return;
  state.session = session;
  for (const result of await (await keep).load(session.key)) state.results.set(result.id, result);
  const stored = storedBatch(sessionStorage);
  if (session.finished !== "" || (stored === undefined && state.results.size > 0)) {
    const whole = state.results.size === session.files.length;
    return finish(session.finished || (whole ? "complete" : "stopped"));
  }
  if (stored?.sealed !== true) {
    forget();
    go("form", { notice: "reloaded_notice" });
    // The agent still holds what it was given of the list.
    if (stored !== undefined) void reach().then((found) => found.resumeBatch(stored, { storage: sessionStorage }).finished).catch(() => undefined);
    return;
  }
  abort = new AbortController();
  go("work", { phase: "continuing", problem: undefined, waiting: null });
  try {
    batch = (await reach()).resumeBatch(stored, callbacks());
    await batch.finished;
    finish("complete");
  } catch (error) {
    failed(error);
  }
}

async function stampAgain(): Promise<void> {
  abort = new AbortController();
  go("work", { phase: "stamping" });
  try {
    if (batch === undefined) {
      const stored = storedBatch(sessionStorage);
      if (stored === undefined) throw new SignetError("batch_unknown", "nothing is kept of this batch");
      batch = (await reach()).resumeBatch(stored, callbacks());
      await batch.finished;
    }
    state.phase = "stamping";
    await batch.retryTimeStamps();
    finish("complete");
  } catch (error) {
    failed(error);
  }
}

// Saving

function offer(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a slow disk may still be reading it
}

function saveOne(id: string): void {
  const signature = state.results.get(id)?.signature;
  const name = signatureNames((state.session?.files ?? []).map((file) => file.name))[Number(id) - 1];
  if (signature !== undefined && name !== undefined) offer(new Blob([signature], { type: "application/xml" }), name);
}

function saveAll(): void {
  const names = signatureNames((state.session?.files ?? []).map(({ name }) => name));
  const signed = names.flatMap((name, index): [string, string][] => {
    const signature = state.results.get(String(index + 1))?.signature;
    return signature === undefined ? [] : [[name, signature]];
  });
  const today = new Date();
  const date = [today.getFullYear(), today.getMonth() + 1, today.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
  offer(archive(signed), `${TEXTS[state.language].archive_name}-${date}.zip`);
}

// The form

function chosen(files: Iterable<File>): void {
  state.entries = add(state.entries, files);
  state.missing = false;
  state.notice = undefined;
  view.files();
  view.render();
}

function remove(id: string): void {
  const index = state.entries.findIndex((entry) => entry.id === id);
  state.entries = state.entries.filter((entry) => entry.id !== id);
  view.files();
  view.render();
  // The focus stays in the list, at the next file.
  const buttons = element("chosen-list").querySelectorAll("button");
  (buttons[Math.min(index, buttons.length - 1)] ?? element("files")).focus();
}

function wire(): void {
  const on = (id: string, act: () => void) => element(id).addEventListener("click", act);
  for (const button of document.querySelectorAll<HTMLElement>("[data-language]")) {
    button.addEventListener("click", () => {
      state.language = button.dataset["language"] as Language;
      try {
        localStorage.setItem(LANGUAGE_KEY, state.language);
      } catch { /* then it is asked again next time */ }
      view.translate();
    });
  }
  const input = element<HTMLInputElement>("files");
  input.addEventListener("change", () => {
    chosen(input.files ?? []);
    input.value = ""; // the same file may be chosen again after it was removed
  });
  const drop = element("drop");
  // Anywhere on the page: a file dropped beside the field must not replace the page.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.toggle("over", state.view === "form");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (state.view === "form" && event.dataTransfer !== null) chosen(dropped(event.dataTransfer));
  });
  element("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (state.entries.length > 0) return void sign();
    state.missing = true;
    view.render();
    input.focus();
  });
  on("remove-all", () => {
    state.entries = [];
    view.files();
    view.render();
    input.focus();
  });
  on("cancel", cancel);
  on("again", () => void again());
  on("back", () => {
    forget();
    go("form");
  });
  on("show-signed", () => {
    void batch?.close();
    finish(counts(state).signed + counts(state).failed === counts(state).total ? "complete" : "stopped");
  });
  on("save", saveAll);
  on("stamp", () => void stampAgain());
  on("other", () => {
    forget();
    state.entries = [];
    view.files();
    go("form");
  });
  setInterval(() => view.tick(), 1_000);
}

wire();
view.translate();
void resume();
