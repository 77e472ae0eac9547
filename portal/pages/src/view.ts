import { explain, PROTOCOL_CODES, SDK_CODES, SignetError, type ErrorCode } from "signet-sdk";
import { element, say, show } from "signet-pages/dom";
import { clock, duration, number } from "signet-pages/words";
import type { SignData } from "./data.js";
import { Frame } from "./frame.js";
import { spaced } from "./numbers.js";
import { byReason, instrumentOf, search, unsigned, type State } from "./state.js";
import { coded, moment, TEXTS, type Texts } from "./texts.js";

/** A screen reader hears of progress every quarter, and of every change of what is going on. */
const ANNOUNCED_STEPS = 4;
/** Fewer names are shown at once, without a search. */
const FEW_NAMES = 8;
const NAMES_A_REASON = 5;

const known = (code: string): code is ErrorCode => code in SDK_CODES || code in PROTOCOL_CODES;

function made<K extends keyof HTMLElementTagNameMap>(tag: K, text?: string, class_name?: string): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (class_name !== undefined) node.className = class_name;
  return node;
}

/** Where the way back leads, as the person reads it. */
export function site(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}

/** All views of a request: what is shown follows from the state alone. */
export class SignView {
  private readonly frame: Frame;
  private drawn_for = "";

  constructor(private readonly state: State, frame: Frame) {
    this.frame = frame;
  }

  private get texts(): Texts {
    return TEXTS[this.state.language];
  }
  private get data(): SignData {
    return this.state.data as SignData;
  }

  translate(): void {
    this.frame.translate();
    this.drawn_for = "";
    if (this.state.data.page === "sign") this.about();
    this.render();
  }

  render(): void {
    const { view } = this.state;
    if (view === "form") this.form();
    if (view === "held") this.held();
    if (view === "work") this.work();
    if (view === "problem") this.problem();
    if (view === "ended") this.ended();
    if (view === "error") this.error();
    this.frame.turn();
  }

  /** Clocks that run down; called every second. */
  tick(): void {
    if (this.state.view !== "work") return;
    const { phase, waiting, trouble_until } = this.state;
    const until = phase === "stopping" ? undefined : waiting?.until;
    say("work-countdown", until === undefined ? undefined : this.texts.countdown(clock((until.getTime() - Date.now()) / 1_000)));
    const seconds = trouble_until === undefined ? undefined : (trouble_until - Date.now()) / 1_000;
    say("trouble", seconds === undefined ? undefined : seconds > 0 ? this.texts.trouble(duration(this.state.language, seconds)) : this.texts.trouble_now);
  }

  // What the request is about

  private about(): void {
    const { consumer, short_description, description, on_behalf_of, expires, documents } = this.data;
    const { texts, state: { language } } = this;
    say("about-consumer", consumer);
    say("about-what", short_description);
    say("about-description", description === short_description || description === "" ? undefined : description);
    show("about-behalf-row", on_behalf_of !== undefined);
    if (on_behalf_of !== undefined) say("about-behalf", on_behalf_of.type === "Organization" ? texts.on_behalf_organization(on_behalf_of.id) : texts.on_behalf_person(on_behalf_of.id));
    show("about-expires-row", expires !== undefined);
    if (expires !== undefined) say("about-expires", moment(language, expires));
    const names = documents.names ?? [];
    show("documents", names.length > 0);
    show("search-field", names.length > FEW_NAMES);
    if (names.length > 0 && names.length <= FEW_NAMES) element<HTMLDetailsElement>("documents").open = true;
    say("documents-listed", names.length < documents.count ? texts.listed(number(language, names.length), documents.count) : undefined);
    this.list();
  }

  /** The documents that fit what is typed into the search. */
  list(): void {
    const { texts, state: { language } } = this;
    const query = element<HTMLInputElement>("search").value;
    const found = search(this.data.documents.names ?? [], query, (index) => texts.document(number(language, index)));
    element("documents-list").replaceChildren(...found.map(({ number: index, name }) => {
      const row = made("li");
      row.append(made("span", `${number(language, index)}.`, "number"), made("span", name, "name"));
      return row;
    }));
    show("documents-list", found.length > 0);
    show("search-found", query.trim() !== "");
    element("search-found").textContent = query.trim() === "" ? "" : found.length > 0 ? texts.found(found.length) : texts.none_found;
  }

  private count(): void {
    const { texts, state: { signed } } = this;
    const { count } = this.data.documents;
    say("about-count", signed > 0 ? `${texts.document_count(count)}, ${texts.signed_already(signed)}` : texts.document_count(count));
  }

  // The form

  private form(): void {
    const { texts, state: { notice, invalid, instrument, signed } } = this;
    this.count();
    document.title = `${texts.heading} – Signet`;
    this.instruments();
    const chosen = instrumentOf(this.data, instrument);
    const kind = chosen?.available === true ? chosen.kind : undefined;
    say("notice", notice === undefined ? undefined : texts[notice]);
    show("msisdn-field", kind === "mobile");
    show("sandbox-fields", kind === "sandbox");
    const needs_signer = new FormData(element<HTMLFormElement>("form")).get("action") === "sign";
    element<HTMLInputElement>("idnp").required = needs_signer;
    show("idnp-required", needs_signer);
    say("instrument-error", invalid === "instrument" ? texts.instrument_missing : undefined);
    for (const field of ["msisdn", "idnp"] as const) {
      say(`${field}-error`, invalid === field ? texts[`${field}_invalid`] : undefined);
      element(field).setAttribute("aria-invalid", String(invalid === field));
    }
    const sign = element<HTMLButtonElement>("sign");
    sign.textContent = texts.sign(unsigned(this.data, signed));
    sign.disabled = this.data.instrument !== undefined && instrumentOf(this.data, this.data.instrument)?.available !== true;
    say("sign-hint", kind === "token" ? texts.sign_hint : kind === "mobile" ? texts.sign_hint_mobile : undefined);
    if (invalid !== undefined) document.querySelector<HTMLElement>(invalid === "instrument" ? "#instruments input:enabled" : `#${invalid}`)?.focus();
  }

  private instruments(): void {
    const { state: { language, instrument } } = this;
    const drawn_for = `${language}|${instrument}`;
    if (this.drawn_for !== drawn_for) {
      const named = this.data.instrument;
      const list = named === undefined ? this.data.instruments : this.data.instruments.filter(({ id }) => id === named);
      const place = element("instruments");
      // The focus stays where it is: only what changed is made again.
      if (this.drawn_for.split("|")[0] !== language) {
        const focused = (document.activeElement as HTMLInputElement | null)?.name === "instrument" ? (document.activeElement as HTMLInputElement).value : undefined;
        place.replaceChildren(...list.map((one) => this.choice(one)));
        if (named !== undefined) place.append(made("p", this.texts.instrument_named, "hint named"));
        if (focused !== undefined) place.querySelector<HTMLInputElement>(`input[value="${CSS.escape(focused)}"]`)?.focus();
      }
      for (const input of place.querySelectorAll("input")) input.checked = input.value === instrument;
    }
    this.drawn_for = drawn_for;
  }

  private choice({ id, available, reason = "" }: SignData["instruments"][number]): HTMLElement {
    const { texts } = this;
    const label = made("label", undefined, "choice");
    const input = made("input");
    input.type = "radio";
    input.name = "instrument";
    input.value = id;
    input.disabled = !available;
    const words = made("span");
    const hint = available ? coded(texts, "instrument_", `${id}_hint`, "looking_text") : coded(texts, "unavailable_", reason, "unavailable");
    words.append(made("strong", this.instrumentName(id)));
    if (!available || `instrument_${id}_hint` in texts) words.append(made("span", hint, "hint"));
    label.append(input, words);
    return label;
  }

  private instrumentName(id: string): string {
    const name = this.texts[`instrument_${id}` as keyof Texts];
    return typeof name === "string" ? name : id;
  }

  // At work

  private held(): void {
    const { texts, state: { signed, language } } = this;
    this.count();
    const { count } = this.data.documents;
    const bar = element<HTMLProgressElement>("held-bar");
    bar.max = Math.max(1, count);
    bar.value = signed;
    const line = texts.signed_of(number(language, signed), number(language, count));
    say("held-text", line);
    document.title = `${texts.held} – Signet`;
    this.frame.announce(`held|${this.step(signed, count)}`, `${texts.held}. ${line}`);
  }

  private step(done: number, total: number): number {
    return total === 0 ? 0 : Math.floor((ANNOUNCED_STEPS * done) / total);
  }

  private work(): void {
    const { texts, state: { phase, waiting, language, signer, expires_in_days, phone_code, phone_test, progress, signed, signed_before, prepared, trouble_until } } = this;
    const asked = waiting !== null && waiting.what !== "agent" && phase !== "stopping";
    const [heading, text] = this.words();
    say("work-heading", heading);
    say("work-text", text);
    show("phone", phase === "phone" && phone_code !== undefined);
    say("phone-code", phone_code ?? "");
    element("phone-code").hidden = false;
    show("phone-test", phase === "phone" && phone_test !== undefined);
    for (const id of ["phone-confirm", "phone-refuse"]) element<HTMLButtonElement>(id).disabled = phone_test !== "waits";
    element("work-picture").classList.toggle("asking", asked || phase === "phone");
    this.tick();

    const { count } = this.data.documents;
    const left = unsigned(this.data, signed_before);
    const counted = !asked && (phase === "preparing" || phase === "signing" || phase === "continuing" || phase === "saving") && count > 0;
    const [done, total] = phase === "preparing" ? [prepared, left] : [signed, count];
    show("work-progress", counted);
    element("work-picture").hidden = counted;
    let line = "";
    if (counted) {
      const bar = element<HTMLProgressElement>("bar");
      bar.max = Math.max(1, total);
      bar.value = done;
      line = (phase === "preparing" ? texts.prepared : texts.signed_of)(number(language, done), number(language, total));
      say("bar-text", line);
      const seconds = progress?.remainingSeconds;
      say("bar-remaining", phase === "signing" && seconds !== undefined && seconds > 0 ? texts.remaining(duration(language, seconds)) : undefined);
      // Where some were signed earlier, the batch's own numbers say how this try goes.
      say("bar-batch", phase !== "preparing" && signed_before > 0 ? texts.this_time(number(language, signed - signed_before), number(language, left)) : undefined);
    }
    document.title = counted ? `${Math.floor((100 * done) / Math.max(1, total))} % – ${heading}` : `${heading} – Signet`;
    say("signer", signer === undefined ? undefined : texts.signer(signer));
    say("expires", expires_in_days === undefined ? undefined : texts.expires(expires_in_days));
    element<HTMLButtonElement>("cancel").disabled = ["stopping", "giving_up", "ending"].includes(phase);

    const step = counted ? this.step(done, total) : -1;
    const said = [heading, step > 0 ? line : text, phase === "phone" ? [...(phone_code ?? "")].join(" ") : ""].filter((part) => part !== "").join(". ");
    const trouble = trouble_until === undefined ? "" : ` ${texts.trouble_now}`;
    this.frame.announce(`${heading}|${text}|${step}|${trouble}`, said + trouble);
  }

  private words(): [heading: string, text: string] {
    const { texts, state: { phase, waiting, signed_before } } = this;
    const left = unsigned(this.data, signed_before);
    if (phase === "stopping") return [texts.stopping, texts.stopping_text];
    switch (waiting?.what) {
      case undefined: break;
      case "permission": return [texts.permission, texts.permission_text];
      case "agent": return [texts.lost, texts.lost_text];
      case "origin": return [texts.waiting, texts.waiting_origin];
      case "certificate": return [texts.waiting, texts.waiting_certificate];
      case "consent": return [texts.waiting, texts.waiting_consent(left)];
      case "pin": return [texts.waiting, texts.waiting_pin];
      case "reader": return [texts.waiting, texts.waiting_reader];
      default: return [texts.waiting, texts.waiting_other];
    }
    switch (phase) {
      case "looking": return [texts.looking, texts.looking_text];
      case "claiming": return [texts.claiming, texts.claiming_text];
      case "claim_waits": return [texts.claim_waits, texts.claim_waits_text];
      case "continuing": return [texts.continuing, texts.continuing_text];
      case "preparing": return [texts.preparing(left), texts.preparing_text(left)];
      case "signing": return [texts.signing, texts.signing_text];
      case "saving": return [texts.saving(left), texts.saving_text];
      case "stamping": return [texts.stamping, texts.saving_text];
      case "phone": return [texts.phone, texts.phone_text];
      case "sandbox": return [texts.sandbox, texts.sandbox_text];
      case "giving_up": return [texts.giving_up, texts.giving_up_text];
      case "ending": return [texts.ending, texts.ending_text];
    }
  }

  phoneNumber(number_: string): void {
    say("phone-number", this.texts.phone_number(spaced(number_)));
  }

  // What stopped it

  private problem(): void {
    const { texts, state: { problem, signed } } = this;
    if (problem === undefined) return;
    const { title, advice, code } = this.explained();
    say("problem-heading", title);
    say("problem-advice", advice);
    show("technical", code !== undefined);
    say("problem-code", code);
    const agent = problem.kind === "agent" ? problem.error.code : undefined;
    const not_running = agent === "not_running" || agent === "agent_not_running";
    show("start-steps", not_running);
    const install = this.data.agent?.install_url;
    show("install-line", not_running && install !== undefined && /^https?:/.test(install));
    if (install !== undefined && /^https?:/.test(install)) element<HTMLAnchorElement>("install").href = install;
    element("problem-picture").className = `picture ${problem.kind === "cancelled" || problem.kind === "unsigned" ? "fair" : "bad"}`;
    this.reasons();
    say("problem-signed", signed > 0 ? texts.problem_signed(signed) : undefined);
    const reload = problem.kind === "portal" && problem.code === "token_invalid";
    element("again").textContent = reload ? texts.reload : problem.kind === "certificate" || agent?.startsWith("certificate_") === true ? texts.choose_other_certificate : texts.try_again;
    show("give-up", !reload);
    show("back", !reload && this.data.instrument === undefined && this.data.instruments.filter(({ available }) => available).length > 1);
    document.title = `${title} – Signet`;
    this.frame.announce(title, `${title}. ${advice}`);
  }

  private explained(): { title: string; advice: string; code?: string } {
    const { texts, state: { problem, language, signed } } = this;
    const left = unsigned(this.data, signed);
    switch (problem?.kind) {
      case "agent": return { ...explain(problem.error, language), code: `${problem.error.code}: ${problem.error.message}` };
      case "certificate": return problem.why === "issuer" ? { title: texts.problem_issuer, advice: texts.problem_issuer_advice } : { title: texts.problem_signer, advice: texts.problem_signer_advice };
      case "no_time_stamps": return { title: texts.no_time_stamps, advice: explain(new SignetError("configuration_invalid", ""), language).advice };
      case "unsigned": return { title: texts.problem_unsigned(left), advice: texts.problem_unsigned_advice(left) };
      case "portal": return problem.code === "token_invalid"
        ? { title: texts.problem_token, advice: texts.problem_token_advice }
        : { title: texts.problem_portal, advice: texts.problem_portal_advice, code: `${problem.code}: ${problem.detail}` };
      case "elsewhere": return known(problem.reason) && problem.reason !== "user_cancelled"
        ? explain(new SignetError(problem.reason, ""), language)
        : { title: coded(texts, "problem_elsewhere_", problem.reason.replace(/^user_/, ""), "problem_elsewhere"), advice: texts.problem_elsewhere_advice };
      default: return { title: texts.problem_cancelled, advice: texts.problem_cancelled_advice(left) };
    }
  }

  /** Unsigned documents by what the portal or the agent said of them. */
  private reasons(): void {
    const { texts, state: { refused, failed, language } } = this;
    const lines = [
      ...byReason(refused, (code) => code).map(({ reason, numbers }) => ({ text: coded(texts, "refused_", reason, "refused_other"), numbers })),
      ...byReason(failed, ({ code }) => code).map(({ reason, numbers }) => ({ text: `${explain(reason, language).title}.`, numbers })),
    ];
    element("reasons").replaceChildren(...lines.map(({ text, numbers }) => {
      const line = made("li");
      const named = numbers.slice(0, NAMES_A_REASON).map((index) => this.nameOf(index)).join(", ");
      const more = numbers.length - NAMES_A_REASON;
      line.append(made("strong", `${texts.reason_line(numbers.length)}: `), text, made("span", more > 0 ? `${named} ${texts.and_more(more)}` : named, "hint"));
      return line;
    }));
    show("reasons", lines.length > 0);
  }

  private nameOf(index: number): string {
    return this.state.names.get(index) ?? this.data.documents.names?.[index] ?? this.texts.document(number(this.state.language, index + 1));
  }

  // Ends

  private ended(): void {
    const { texts, state: { ended, language } } = this;
    if (ended === undefined) return;
    const { status, reason, return: back, leaving_s } = ended;
    const count = "documents" in this.state.data ? this.state.data.documents.count : 0;
    const heading = status === "success" ? (count > 0 ? texts.ended_success_count(count) : texts.ended_success) : status === "failure" ? texts.ended_failure(count) : texts.ended_expired;
    const text = status === "expired" ? texts.ended_expired_text : back === undefined ? texts.may_close
      : leaving_s === undefined ? texts.came_back : status === "failure" ? texts.ended_failure_text : undefined;
    say("ended-heading", heading);
    say("ended-text", text);
    say("ended-reason", status === "failure" && reason !== undefined && known(reason) ? texts.ended_reason(explain(new SignetError(reason, ""), language).title) : undefined);
    element("ended-picture").className = `picture ${status === "success" ? "good" : status === "failure" ? "bad" : "fair"}`;
    const to = back === undefined ? "" : site(back.url);
    say("leaving", back === undefined || leaving_s === undefined ? undefined : leaving_s > 0 ? texts.leaving(to, leaving_s) : texts.leaving_now(to));
    show("return", back !== undefined);
    element("return-button").textContent = texts.return_to(to);
    document.title = `${heading} – Signet`;
    this.frame.announce(heading, [heading, text, element("leaving").textContent].filter((part) => part !== undefined && part !== "").join(". "));
  }

  /** Which of the address's parameters is to be mended, for whoever made the address. */
  private wrongParameter(): string | undefined {
    const { texts, state: { data } } = this;
    if (data.page !== "error" || data.parameter === undefined || data.code === "return_url_missing") return undefined;
    return data.host === undefined ? coded(texts, "error_parameter_", data.parameter, "error_parameter_invalid") : texts.error_host(data.host);
  }

  private error(): void {
    const { texts, state: { data } } = this;
    const code = data.page === "error" ? data.code : "internal";
    const title = coded(texts, "error_", code, "error_internal");
    say("error-heading", title);
    say("error-advice", coded(texts, "error_", `${code}_advice`, "error_internal_advice"));
    say("error-parameter", this.wrongParameter());
    say("error-code", code);
    show("error-reload", title === texts.error_internal);
    document.title = `${title} – Signet`;
  }
}
