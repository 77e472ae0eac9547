// Start here: which page the portal asked for, the language, and the way back.
import type { Language } from "signet-sdk";
import { element } from "signet-pages/dom";
import { preferredLanguage } from "signet-pages/words";
import { readData, type StateAnswer } from "./data.js";
import { Frame } from "./frame.js";
import { SignPage } from "./sign.js";
import { initial, leavesByItself, type Ended, type State } from "./state.js";
import { VerifyPage } from "./verify.js";
import { SignView } from "./view.js";
import { fill, leadsToSite } from "./way_back.js";

/** Time to hear what happened before the page goes. */
const LEAVING_S = 3;

const data = readData(document.getElementById("data")?.textContent);
const state: State = initial(data, data.language ?? preferredLanguage([document.documentElement.lang]));
const frame = new Frame(state);
const view = new SignView(state, frame);

function ended(status: Ended["status"], { reason, return: back }: Pick<StateAnswer, "reason" | "return">, by_itself: boolean): void {
  const way = back !== undefined && leadsToSite(back.url) ? back : undefined;
  const form = element<HTMLFormElement>("return");
  if (way !== undefined) fill(form, element("return-fields"), way);
  state.ended = { status, reason, return: way, leaving_s: way !== undefined && by_itself ? LEAVING_S : undefined };
  state.view = "ended";
  view.render();
  if (state.ended.leaving_s === undefined) return;
  const timer = setInterval(() => {
    const left = (state.ended as Ended).leaving_s as number - 1;
    (state.ended as Ended).leaving_s = left;
    view.render();
    if (left > 0) return;
    clearInterval(timer);
    HTMLFormElement.prototype.submit.call(form);
  }, 1_000);
  form.addEventListener("submit", () => clearInterval(timer));
}

// A page out of the browser's memory is out of date: the portal says how the request stands, and nobody is sent away again.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

let translate = () => view.translate();
if (data.page === "verify") {
  const verify = new VerifyPage(state, frame);
  translate = () => verify.translate();
  verify.start();
}
frame.onLanguage((language: Language) => {
  state.language = language;
  translate();
});
element("error-reload").addEventListener("click", () => location.reload());
if (data.page === "ended") {
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  frame.translate();
  ended(data.status, data, data.status !== "expired" && leavesByItself(navigation?.type ?? "navigate"));
} else if (data.page !== "verify") view.translate();
if (data.page === "verify") frame.turn();
if (data.page === "sign") {
  new SignPage(data, state, view, (answer, by_itself) => ended(answer.status as Ended["status"], answer, by_itself && answer.status !== "expired")).start();
}
