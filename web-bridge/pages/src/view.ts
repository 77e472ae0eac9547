import { explain, SignetError, type ErrorCode, type WhoActs } from "signet-sdk";
import { element, say, show } from "./dom.js";
import type { KeptResult } from "./keep.js";
import { counts, type State, type View } from "./state.js";
import { size, TEXTS, type PlainKey, type Texts } from "./texts.js";
import { clock, duration, number } from "./words.js";

/** More rows slow a browser down and help nobody: the archive holds all. */
const MOST_ROWS = 200;
const MOST_CHOSEN = 50;
/** A screen reader hears of progress every quarter, and of every change of what is going on. */
const ANNOUNCED_STEPS = 4;

const VIEWS: Record<View, readonly string[]> = { form: ["form"], work: ["work", "results"], problem: ["problem"], done: ["done", "results"] };
const FOCUS: Record<View, string> = { form: "main", work: "work-heading", problem: "problem-heading", done: "done-heading" };

export interface ViewActions {
  remove(id: string): void;
  save(id: string): void;
}

export class PageView {
  private shown: View | undefined;
  private announced = "";
  private rows = new Map<string, { state: HTMLElement; action: HTMLElement }>();
  private rows_for = "";

  constructor(private readonly state: State, private readonly actions: ViewActions) {}

  private get texts(): Texts {
    return TEXTS[this.state.language];
  }

  /** Texts of the HTML in the state's language; then everything else. */
  translate(): void {
    const { language } = this.state;
    document.documentElement.lang = language;
    for (const place of document.querySelectorAll<HTMLElement>("[data-text]")) place.textContent = this.texts[place.dataset["text"] as PlainKey];
    for (const place of document.querySelectorAll<HTMLElement>("[data-label]")) place.setAttribute("aria-label", this.texts[place.dataset["label"] as PlainKey]);
    for (const button of document.querySelectorAll<HTMLElement>("[data-language]")) button.setAttribute("aria-pressed", String(button.dataset["language"] === language));
    this.rows_for = "";
    this.announced = "";
    this.files();
    this.render();
  }

  /** Everything that follows from the state; cheap enough for every event. */
  render(): void {
    const { view } = this.state;
    const visible = VIEWS[view];
    for (const id of ["form", "work", "problem", "done", "results"]) show(id, visible.includes(id));
    if (view === "form") this.form();
    if (view === "work") this.work();
    if (view === "problem") this.problem();
    if (view === "done") this.done();
    if (visible.includes("results")) this.table();
    if (this.shown !== view) {
      // Not at the first showing: the reader begins at the top of the page.
      if (this.shown !== undefined || view !== "form") {
        element(FOCUS[view]).focus({ preventScroll: true });
        window.scrollTo(0, 0);
      }
      this.shown = view;
    }
  }

  /** The list of chosen files; redrawn only when it changes. */
  files(): void {
    const { entries, language } = this.state;
    const list = element("chosen-list");
    list.replaceChildren(...entries.slice(0, MOST_CHOSEN).map(({ id, name, size: bytes }) => {
      const row = document.createElement("li");
      const label = document.createElement("span");
      label.className = "name";
      label.textContent = name;
      const weight = document.createElement("span");
      weight.className = "weight";
      weight.textContent = size(language, bytes);
      const remove = document.createElement("button");
      remove.type = "button";
      remove.className = "quiet";
      remove.textContent = this.texts.remove;
      remove.setAttribute("aria-label", this.texts.remove_named(name));
      remove.addEventListener("click", () => this.actions.remove(id));
      row.append(label, weight, remove);
      return row;
    }));
    const more = entries.length - MOST_CHOSEN;
    say("chosen-more", more > 0 ? this.texts.chosen_more(more) : undefined);
    say("chosen-count", this.texts.chosen(entries.length, size(language, entries.reduce((sum, entry) => sum + entry.size, 0))));
    show("chosen", entries.length > 0);
    element("drop").classList.toggle("small", entries.length > 0);
  }

  private form(): void {
    const { entries, missing, notice } = this.state;
    document.title = this.texts.title;
    say("notice", notice === undefined ? undefined : this.texts[notice]);
    say("files-error", missing ? this.texts.files_missing : undefined);
    element("files").setAttribute("aria-invalid", String(missing));
    element("sign").textContent = this.texts.sign(entries.length);
  }

  private work(): void {
    const { phase, waiting, language, session, expires_in_days } = this.state;
    const texts = this.texts;
    const asked = waiting !== null && waiting.what !== "agent" && phase !== "stopping";
    const [heading, text] = this.words();
    say("work-heading", heading);
    say("work-text", text);
    element("work-picture").classList.toggle("asking", asked);
    this.tick();

    const { done, total } = this.advance();
    const bar = element<HTMLProgressElement>("bar");
    const counted = total > 0 && !asked && (phase === "preparing" || phase === "signing" || phase === "continuing");
    show("work-progress", counted);
    element("work-picture").hidden = counted;
    let line = "";
    if (counted) {
      bar.max = total;
      bar.value = done;
      const words = phase === "preparing" ? texts.prepared : texts.signed_of;
      line = words(number(language, done), number(language, total));
      say("bar-text", line);
      const left = this.state.progress?.remainingSeconds;
      say("bar-remaining", phase === "signing" && left !== undefined && left > 0 && done < total ? texts.remaining(duration(language, left)) : undefined);
    }
    document.title = counted ? `${Math.floor((100 * done) / total)} % – ${heading}` : `${heading} – Signet`;

    say("signer", session?.signer === undefined ? undefined : texts.signer(session.signer));
    say("expires", expires_in_days === undefined ? undefined : texts.expires(expires_in_days));
    element<HTMLButtonElement>("cancel").disabled = phase === "stopping" || phase === "stamping";

    const step = counted ? Math.floor((ANNOUNCED_STEPS * done) / total) : -1;
    this.announce(`${heading}|${text}|${step}`, [heading, step > 0 ? line : text].join(". "));
  }

  /** The clock of the question that is open; called every second. */
  tick(): void {
    const until = this.state.waiting?.until;
    const asked = this.state.view === "work" && this.state.phase !== "stopping" && until !== undefined;
    say("work-countdown", asked ? this.texts.countdown(clock((until.getTime() - Date.now()) / 1_000)) : undefined);
  }

  private words(): [heading: string, text: string] {
    const texts = this.texts;
    const { phase, waiting, entries, session } = this.state;
    if (phase === "stopping") return [texts.stopping, texts.stopping_text];
    switch (waiting?.what) {
      case undefined: break;
      case "permission": return [texts.permission, texts.permission_text];
      case "agent": return [texts.lost, texts.lost_text];
      case "origin": return [texts.waiting, texts.waiting_origin];
      case "certificate": return [texts.waiting, texts.waiting_certificate];
      case "consent": return [texts.waiting, texts.waiting_consent(session?.files.length ?? entries.length)];
      case "pin": return [texts.waiting, texts.waiting_pin];
      case "reader": return [texts.waiting, texts.waiting_reader];
      default: return [texts.waiting, texts.waiting_other];
    }
    switch (phase) {
      case "looking": return [texts.looking, texts.looking_text];
      case "continuing": return [texts.continuing, texts.continuing_text];
      case "preparing": return [texts.preparing, texts.preparing_text];
      case "signing": return [texts.signing, texts.signing_text];
      case "stamping": return [texts.stamping, texts.done_text];
    }
  }

  private advance(): { done: number; total: number } {
    const { phase, prepared, entries, results, session } = this.state;
    if (phase === "preparing") return { done: prepared, total: entries.length };
    return { done: results.size, total: session?.files.length ?? 0 };
  }

  private problem(): void {
    const { problem, language, can_choose_other } = this.state;
    if (problem === undefined) return;
    const own = problem.error === "no_time_stamps";
    const words = problem.error === "no_time_stamps"
      ? { title: this.texts.no_time_stamps, advice: this.texts.no_time_stamps_advice }
      : explain(problem.error, language);
    const code = problem.error === "no_time_stamps" ? "no_time_stamps" : `${problem.error.code}: ${problem.error.message}`;
    say("problem-heading", words.title);
    say("problem-advice", "file" in problem && problem.file !== undefined ? `${this.texts.file_named(problem.file)} ${words.advice}` : words.advice);
    say("problem-code", code);
    show("start-steps", problem.error !== "no_time_stamps" && problem.error.code === "not_running");
    const { signed } = counts(this.state);
    say("problem-signed", signed > 0 ? this.texts.problem_signed(signed) : undefined);
    element("again").textContent = can_choose_other ? this.texts.choose_other_certificate : this.texts.try_again;
    show("again", !own && !("file" in problem && problem.file !== undefined));
    show("show-signed", signed > 0);
    show("back", signed === 0);
    document.title = `${words.title} – Signet`;
    this.announce(words.title, `${words.title}. ${words.advice}`);
  }

  private done(): void {
    const { session, language } = this.state;
    const { total, signed, failed, unstamped } = counts(this.state);
    const texts = this.texts;
    const stopped = session?.finished === "stopped";
    const heading = stopped ? texts.stopped : signed === total ? texts.done(total) : texts.done_partly(number(language, signed), number(language, total));
    say("done-heading", heading);
    say("done-text", stopped ? texts.stopped_text(number(language, signed), number(language, total)) : texts.done_text);
    say("done-failed", failed > 0 ? texts.failed(failed) : undefined);
    say("done-unstamped", unstamped > 0 ? texts.unstamped(unstamped) : undefined);
    show("stamp", unstamped > 0 && !stopped);
    show("save", signed > 0);
    element("done-picture").className = `picture ${signed === total ? "good" : "fair"}`;
    document.title = `${heading} – Signet`;
    this.announce(heading, heading);
  }

  private table(): void {
    const { session, results, language, view } = this.state;
    const files = session?.files ?? [];
    show("results", files.length > 0);
    // Where not all are shown, those that failed are.
    const failed_first = view === "done" && files.length > MOST_ROWS;
    const drawn_for = `${session?.key}|${failed_first ? results.size : ""}|${language}`;
    if (this.rows_for !== drawn_for) {
      this.rows_for = drawn_for;
      this.rows.clear();
      let order = files.map((_, index) => index);
      if (failed_first) {
        const failed = (index: number) => results.get(String(index + 1))?.error !== undefined;
        order = [...order.filter(failed), ...order.filter((index) => !failed(index))];
      }
      element("rows").replaceChildren(...order.slice(0, MOST_ROWS).map((index) => this.row(String(index + 1), files[index]?.name ?? "")));
      say("rows-more", files.length > MOST_ROWS ? this.texts.rows_more(number(language, MOST_ROWS), number(language, files.length)) : undefined);
    }
    for (const id of this.rows.keys()) this.result(id);
  }

  private row(id: string, name: string): HTMLElement {
    const row = document.createElement("tr");
    const title = document.createElement("th");
    title.scope = "row";
    title.textContent = name;
    const state = document.createElement("td");
    const action = document.createElement("td");
    row.append(title, state, action);
    this.rows.set(id, { state, action });
    return row;
  }

  /** One file's line: a sign and words, never a colour alone. */
  private result(id: string): void {
    const cells = this.rows.get(id);
    if (cells === undefined) return;
    const result = this.state.results.get(id);
    const [kind, text] = this.standing(result);
    if (cells.state.textContent !== text) {
      const mark = document.createElement("span");
      mark.className = `mark ${kind}`;
      mark.textContent = text;
      cells.state.replaceChildren(mark);
    }
    if (result?.signature !== undefined && cells.action.childElementCount === 0) {
      const save = document.createElement("button");
      save.type = "button";
      save.className = "quiet";
      save.textContent = this.texts.save;
      save.setAttribute("aria-label", this.texts.save_named(this.state.session?.files[Number(id) - 1]?.name ?? ""));
      save.addEventListener("click", () => this.actions.save(id));
      cells.action.replaceChildren(save);
    }
  }

  private standing(result: KeptResult | undefined): [kind: string, text: string] {
    const texts = this.texts;
    if (result?.error !== undefined) {
      const error = new SignetError(result.error as ErrorCode, "", { who: result.who as WhoActs | undefined });
      return ["failed", texts.state_failed(`${explain(error, this.state.language).title}.`)];
    }
    if (result?.signature !== undefined) return result.unstamped === true ? ["unstamped", texts.state_unstamped] : ["signed", texts.state_signed];
    return this.state.view === "done" ? ["unsigned", texts.state_unsigned] : ["waiting", texts.state_waiting];
  }

  private announce(key: string, text: string): void {
    if (this.announced === key) return;
    this.announced = key;
    element("announce").textContent = text;
  }
}
