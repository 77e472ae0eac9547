// The verification page: the signature goes to the portal, of the document only its digest.
import { toBase64 } from "signet-sdk";
import { element, say, show } from "signet-pages/dom";
import type { VerifyAnswer } from "./data.js";
import type { Frame } from "./frame.js";
import { digestFrom } from "./numbers.js";
import type { State } from "./state.js";
import { moment, TEXTS, type PlainKey, type Texts } from "./texts.js";

const MOST_BYTES = 3_000_000;
const DSIG = "http://www.w3.org/2000/09/xmldsig#";
const SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties";
const WEB_NAMES: Record<string, string> = { sha1: "SHA-1", sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512" };
const ALGORITHMS: Record<string, string> = {
  "http://www.w3.org/2000/09/xmldsig#sha1": "sha1", "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
  "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384", "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
};

type Signature = VerifyAnswer["signatures"][number];
type Field = "signature" | "document" | "digest";

/** A hash that the signature carries in an object of its own has the algorithm of its length, whatever its reference is made by. */
function enclosed(document_: Document, reference: Element): string | undefined {
  const id = /^#(.+)$/.exec(reference.getAttribute("URI") ?? "")?.[1];
  for (const object of document_.getElementsByTagNameNS(DSIG, "Object"))
    if (id !== undefined && object.getAttribute("Id") === id && object.childElementCount === 0) return digestFrom(object.textContent ?? "")?.algorithm;
  return undefined;
}

interface Told {
  algorithm: string; // by what the document is to be hashed
  needed: boolean; // the signature does not carry it
}

/** What a signature tells of its document; only a hint, as the portal compares with what was signed. Undefined: no XML. */
function told(xml: string): Told | undefined {
  if (!/^[\ufeff\s]*</.test(xml)) return undefined;
  const document_ = new DOMParser().parseFromString(xml, "application/xml");
  if (document_.getElementsByTagName("parsererror").length > 0) return undefined;
  for (const reference of document_.getElementsByTagNameNS(DSIG, "Reference")) {
    if (reference.getAttribute("Type") === SIGNED_PROPERTIES) continue;
    const needed = !/^(#|$)/.test(reference.getAttribute("URI") ?? "");
    const method = reference.getElementsByTagNameNS(DSIG, "DigestMethod")[0]?.getAttribute("Algorithm");
    const named = enclosed(document_, reference) ?? ALGORITHMS[method ?? ""];
    return { algorithm: named !== undefined && named in WEB_NAMES ? named : "sha256", needed };
  }
  return { algorithm: "sha256", needed: false };
}

/** `crowded`: others are verified, and there is no room for this one now (503). */
type NoAnswer = "failed" | "crowded";

export class VerifyPage {
  private answer: VerifyAnswer | NoAnswer | undefined;
  private asked: object | undefined;
  private wrong: { field: Field; text: PlainKey } | undefined;
  private busy = false;

  constructor(private readonly state: State, private readonly frame: Frame) {}

  start(): void {
    for (const field of ["signature", "document"] as const) {
      element(`${field}-file`).addEventListener("change", () => {
        this.answer = undefined;
        this.wrong = undefined;
        this.render();
      });
    }
    element("verify").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.busy) void this.verify();
    });
    this.translate();
  }

  /** The portal's words are in the language that was asked for: asked again. */
  translate(): void {
    this.frame.translate();
    document.title = `${this.texts.verify_heading} – Signet`;
    this.render();
    if (this.asked !== undefined && this.answer !== undefined) void this.ask(this.asked, false);
  }

  private get texts(): Texts {
    return TEXTS[this.state.language];
  }

  private async verify(): Promise<void> {
    this.answer = undefined;
    this.wrong = undefined;
    const parameters = await this.parameters();
    if (parameters !== undefined) return this.ask(parameters, true);
    this.render();
    const field = (this.wrong as { field: Field } | undefined)?.field;
    if (field !== undefined) element(field === "digest" ? "digest" : `${field}-file`).focus();
  }

  private async parameters(): Promise<object | undefined> {
    const no = (field: Field, text: PlainKey): undefined => {
      this.wrong = { field, text };
      return undefined;
    };
    const file = element<HTMLInputElement>("signature-file").files?.[0];
    if (file === undefined) return no("signature", "verify_signature_missing");
    if (file.size > MOST_BYTES) return no("signature", "verify_too_large");
    const signature = await file.text().catch(() => "");
    const said = told(signature);
    if (said === undefined) return no("signature", "verify_unreadable");
    const { algorithm, needed } = said;
    const pasted = element<HTMLTextAreaElement>("digest").value.trim();
    if (pasted !== "" && element<HTMLDetailsElement>("paste").open) {
      const digest = digestFrom(pasted);
      return digest === undefined ? no("digest", "verify_digest_invalid") : { signature, ...digest };
    }
    const content = element<HTMLInputElement>("document-file").files?.[0];
    if (content === undefined) return needed ? no("document", "verify_document_needed") : { signature, algorithm };
    try {
      return { signature, algorithm, digest: toBase64(new Uint8Array(await crypto.subtle.digest(WEB_NAMES[algorithm] as string, await content.arrayBuffer()))) };
    } catch {
      return no("document", "verify_unreadable");
    }
  }

  private async ask(parameters: object, move: boolean): Promise<void> {
    this.busy = true;
    this.asked = parameters;
    this.render();
    try {
      const response = await fetch("/verify", { method: "POST", headers: { "content-type": "application/json" }, cache: "no-store", redirect: "error",
        body: JSON.stringify({ ...parameters, language: this.state.language }) });
      this.answer = response.ok ? await response.json() as VerifyAnswer : response.status === 503 ? "crowded" : "failed";
    } catch {
      this.answer = "failed";
    }
    this.busy = false;
    this.render();
    if (move) element("verdict-heading").focus();
  }

  private render(): void {
    const { texts, busy, answer } = this;
    for (const field of ["signature", "document", "digest"] as const) {
      say(`${field}-error`, this.wrong?.field === field ? texts[this.wrong.text] : undefined);
      element(field === "digest" ? "digest" : `${field}-file`).setAttribute("aria-invalid", String(this.wrong?.field === field));
    }
    for (const field of ["signature", "document"] as const) element(`${field}-name`).textContent = element<HTMLInputElement>(`${field}-file`).files?.[0]?.name ?? texts.verify_none;
    const submit = element<HTMLButtonElement>("verify-submit");
    submit.textContent = busy ? texts.verify_busy : texts.verify_submit;
    submit.setAttribute("aria-disabled", String(busy));
    show("verdict", answer !== undefined);
    if (answer !== undefined) this.verdict(answer);
  }

  private verdict(answer: VerifyAnswer | NoAnswer): void {
    const { texts } = this;
    const none = typeof answer === "string";
    const signatures = none ? [] : answer.signatures;
    const bad = signatures.filter(({ valid }) => !valid).length;
    const good = signatures.length > 0 && bad === 0;
    const findings = this.findings(signatures);
    const heading = none ? texts[`verify_${answer}`] : signatures.length === 0 ? texts.verify_no_signature : good ? texts.verify_all_valid(signatures.length)
      : signatures.length === 1 ? findings[0]?.words ?? "" : texts.verify_some_invalid(bad, signatures.length);
    say("verdict-heading", heading);
    say("verdict-advice", none ? texts[`verify_${answer}_advice`] : undefined);
    element("verdict-picture").className = `picture ${good ? "good" : none ? "fair" : "bad"}`;
    element("verdict-list").replaceChildren(...findings.flatMap(({ valid, words, of }) => {
      const lists = of.map((signature) => this.facts(signature));
      if (signatures.length === 1 || good) return lists; // the heading says it
      const mark = document.createElement("h3");
      mark.className = `verdict-mark ${valid ? "good" : "bad"}`;
      mark.textContent = words;
      return [mark, ...lists];
    }));
    this.frame.announce(heading, heading);
  }

  /** Each finding once, with the signatures that it is about; what is wrong first. */
  private findings(signatures: readonly Signature[]): { valid: boolean; words: string; of: Signature[] }[] {
    const { texts } = this;
    const found = new Map<string, { valid: boolean; words: string; of: Signature[] }>();
    for (const signature of signatures) {
      const { valid, message } = signature;
      const words = message !== "" ? message : valid ? texts.verify_valid : texts.verify_invalid;
      const one = found.get(words) ?? { valid, words, of: [] };
      one.of.push(signature);
      found.set(words, one);
    }
    return [...found.values()].sort((a, b) => Number(a.valid) - Number(b.valid));
  }

  private facts({ subject, signed_at }: Signature): HTMLElement {
    const { texts, state: { language } } = this;
    const list = document.createElement("dl");
    list.className = "facts";
    const fact = (name: string, value: string) => {
      const row = document.createElement("div");
      const term = document.createElement("dt");
      term.textContent = name;
      const words = document.createElement("dd");
      words.textContent = value;
      row.append(term, words);
      list.append(row);
    };
    if (subject !== undefined && subject !== "") fact(texts.verify_signer, subject);
    fact(texts.verify_time, signed_at === undefined ? texts.verify_no_time : moment(language, signed_at));
    return list;
  }
}
