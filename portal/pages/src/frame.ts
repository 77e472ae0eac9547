import type { Language } from "signet-sdk";
import { element, show } from "signet-pages/dom";
import type { State, View } from "./state.js";
import { TEXTS, type PlainKey } from "./texts.js";

const PARTS: Record<View, readonly string[]> = {
  form: ["about", "form"], held: ["held", "about"], work: ["work"], problem: ["problem"], ended: ["ended"], error: ["error"], verify: ["verify"],
};
const FOCUS: Record<View, string> = {
  form: "heading", held: "held-heading", work: "work-heading", problem: "problem-heading", ended: "ended-heading", error: "error-heading", verify: "heading",
};
const ALL = ["about", "form", "held", "work", "problem", "ended", "error", "verify"];

/** What all views share: which parts are there, the language, where the focus goes, what is told to a screen reader. */
export class Frame {
  private shown: View | undefined;
  private announced = "";

  constructor(private readonly state: State) {}

  translate(): void {
    const { language, data } = this.state;
    const texts = TEXTS[language];
    document.documentElement.lang = language;
    for (const place of document.querySelectorAll<HTMLElement>("[data-text]")) place.textContent = texts[place.dataset["text"] as PlainKey];
    for (const place of document.querySelectorAll<HTMLElement>("[data-label]")) place.setAttribute("aria-label", texts[place.dataset["label"] as PlainKey]);
    for (const button of document.querySelectorAll<HTMLElement>("[data-language]")) button.setAttribute("aria-pressed", String(button.dataset["language"] === language));
    element("heading").textContent = data.page === "verify" ? texts.verify_heading : texts.heading;
    show("test", data.test === true);
    this.announced = "";
  }

  /** Shows the view's parts; a view that comes later takes the focus. */
  turn(): void {
    const { view } = this.state;
    for (const id of ALL) show(id, PARTS[view].includes(id));
    if (this.shown === view) return;
    if (this.shown !== undefined) {
      element(FOCUS[view]).focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    this.shown = view;
  }

  announce(key: string, text: string): void {
    if (this.announced === key) return;
    this.announced = key;
    element("announce").textContent = text;
  }

  onLanguage(change: (language: Language) => void): void {
    for (const button of document.querySelectorAll<HTMLElement>("[data-language]")) {
      button.addEventListener("click", () => change(button.dataset["language"] as Language));
    }
  }
}
