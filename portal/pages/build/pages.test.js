// test/pages.test.ts
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

// ../../web-bridge/sdk/src/errors.ts
var SDK_CODES = {
  not_running: "machine",
  no_answer: "machine",
  blocked_by_browser: "person",
  blocked_by_csp: "caller",
  connection_lost: "machine",
  file_unreadable: "person"
};
var PROTOCOL_CODES = {
  user_cancelled: "person",
  pin_incorrect: "person",
  pin_locked: "person",
  pin_length: "person",
  no_token: "person",
  token_removed: "person",
  certificate_not_found: "person",
  certificate_unfit: "person",
  certificate_expired: "person",
  card_busy: "person",
  origin_refused: "caller",
  host_refused: "caller",
  hello_required: "caller",
  version_unsupported: "caller",
  message_invalid: "caller",
  message_too_large: "caller",
  method_unknown: "caller",
  parameter_invalid: "caller",
  algorithm_unknown: "caller",
  digest_length: "caller",
  id_duplicate: "caller",
  batch_empty: "caller",
  batch_too_large: "caller",
  part_out_of_order: "caller",
  batch_unknown: "caller",
  batch_state: "caller",
  too_many: "caller",
  other_user: "machine",
  no_dialog_possible: "machine",
  module_failed: "machine",
  token_host_died: "machine",
  token_host_timeout: "machine",
  token_failed: "machine",
  mechanism_unsupported: "machine",
  time_stamp_failed: "machine",
  network_failed: "machine",
  disk_full: "machine",
  file_failed: "machine",
  memory_not_lockable: "machine",
  configuration_invalid: "machine",
  agent_not_running: "machine",
  internal: "us"
};
var WHO = { ...SDK_CODES, ...PROTOCOL_CODES };
var SignetError = class extends Error {
  constructor(code, message, more = {}) {
    super(message);
    this.name = "SignetError";
    this.code = code;
    this.who = more.who ?? WHO[code] ?? "us";
    this.triesLeft = more.triesLeft;
    this.finalTry = more.finalTry ?? false;
    if (more.cause !== void 0) this.cause = more.cause;
  }
};

// ../../web-bridge/sdk/src/digest.ts
function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

// src/certificate.ts
var SEQUENCE = 48;
var OID_SERIAL_NUMBER = "85,4,5";
function* elements(bytes) {
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at];
    let length = bytes[at + 1];
    let from = at + 2;
    if (length > 128 && length <= 132) {
      const count = length - 128;
      length = 0;
      for (const byte of bytes.subarray(from, from + count)) length = length * 256 + byte;
      from += count;
    } else if (length >= 128 || Number.isNaN(length)) throw new RangeError("not DER");
    if (from + length > bytes.length) throw new RangeError("cut short");
    yield { tag, whole: bytes.subarray(at, from + length), inside: bytes.subarray(from, from + length) };
    at = from + length;
  }
}
function only(bytes) {
  const [first] = elements(bytes);
  if (first === void 0) throw new RangeError("empty");
  return first;
}
function names(der) {
  const [, , issuer, , subject] = [...elements(only(only(der).inside).inside)].filter(({ tag }, index) => !(index === 0 && tag === 160));
  if (issuer?.tag !== SEQUENCE || subject?.tag !== SEQUENCE) throw new RangeError("not a certificate");
  let subject_serial;
  for (const set of elements(subject.inside)) {
    for (const attribute of elements(set.inside)) {
      const [type, value] = [...elements(attribute.inside)];
      if (type !== void 0 && value !== void 0 && type.inside.join() === OID_SERIAL_NUMBER) subject_serial = new TextDecoder().decode(value.inside);
    }
  }
  return { issuer: issuer.whole, subject_serial };
}
function misfit(der, { issuers = [], subject_serial }) {
  let found;
  try {
    found = names(der);
  } catch {
    return void 0;
  }
  if (issuers.length > 0 && !issuers.includes(toBase64(found.issuer))) return "issuer";
  if (subject_serial !== void 0 && found.subject_serial?.replace(/^[A-Z]{3}[A-Z]{2}-/, "") !== subject_serial) return "signer";
  return void 0;
}

// src/portal.ts
var PortalError = class extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
    this.name = "PortalError";
  }
};
var RETRY_S = [1, 2, 4, 8, 15];
var ANSWER_MS = 6e4;
var TRANSIENT = /* @__PURE__ */ new Set([429, 502, 503, 504]);
function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
var Portal = class {
  constructor(request, token, options = {}) {
    this.request = request;
    this.token = token;
    this.options = options;
    this.troubled = false;
    this.fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.sleep = options.sleep ?? sleep;
  }
  async call(call, params = {}, signal) {
    return (await this.ask(call, params, signal)).answer;
  }
  /** A claim, with its length by the portal's clock: a kiosk's own may be wrong. */
  async claim(params, signal) {
    const { answer, now } = await this.ask("claim", params, signal);
    return { answer, lasts_ms: Date.parse(answer.until) - now };
  }
  /** Sent even when the page is gone before the answer. */
  release(key) {
    void this.fetch(this.url("release"), { ...this.init({ key }), keepalive: true }).catch(() => void 0);
  }
  async ask(call, params, signal) {
    for (let attempt = 0; ; attempt += 1) {
      signal?.throwIfAborted();
      const response = await this.fetch(this.url(call), { ...this.init(params), signal: AbortSignal.timeout(ANSWER_MS) }).then(async (response2) => ({ response: response2, body: await response2.json().catch(() => void 0) })).catch(() => void 0);
      if (response !== void 0 && !TRANSIENT.has(response.response.status)) {
        if (this.troubled) this.options.onTrouble?.(void 0);
        this.troubled = false;
        const { response: { ok, status, headers }, body } = response;
        if (!ok || body === void 0) throw new PortalError(body?.error?.code ?? "internal", body?.error?.message ?? `${call}: HTTP ${status}`);
        const date = Date.parse(headers.get("date") ?? "");
        return { answer: body, now: Number.isNaN(date) ? Date.now() : date };
      }
      const seconds = RETRY_S[Math.min(attempt, RETRY_S.length - 1)];
      this.troubled = true;
      this.options.onTrouble?.(seconds);
      await this.sleep(seconds * 1e3, signal);
    }
  }
  url(call) {
    return `/${encodeURIComponent(this.request)}/${call}`;
  }
  init(params) {
    return { method: "POST", headers: { "content-type": "application/json", "signet-page": this.token }, body: JSON.stringify(params), credentials: "same-origin", cache: "no-store", redirect: "error" };
  }
};

// src/claim.ts
var SHORTEST_RENEWAL_MS = 1e3;
function drawKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
var CLOCK = { set: (act, ms) => setTimeout(act, ms), clear: (timer) => clearTimeout(timer) };
var Claim = class {
  constructor(portal, lost, key = drawKey(), clock = CLOCK) {
    this.portal = portal;
    this.lost = lost;
    this.key = key;
    this.clock = clock;
  }
  get taken() {
    return this.timer !== void 0;
  }
  async take(instrument, signal) {
    const { answer, lasts_ms } = await this.portal.claim({ instrument, key: this.key }, signal);
    this.instrument = instrument;
    this.clock.clear(this.timer);
    this.timer = this.clock.set(() => void this.renew(), Math.max(SHORTEST_RENEWAL_MS, lasts_ms / 2));
    return answer;
  }
  /** A claim that ran out (a laptop slept) is taken again, if nobody else has it, and the work repeated. */
  async guarded(work) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PortalError) || error.code !== "held" || this.instrument === void 0) throw error;
      await this.take(this.instrument);
      return work();
    }
  }
  release() {
    if (this.taken) this.portal.release(this.key);
    this.forget();
  }
  /** Without a word to the portal: the request has ended, or another page has it. */
  forget() {
    this.clock.clear(this.timer);
    this.timer = void 0;
  }
  async renew() {
    try {
      await this.take(this.instrument);
    } catch (error) {
      if (!this.taken) return;
      this.forget();
      this.lost(error);
    }
  }
};

// src/data.ts
function readData(text) {
  try {
    const data = JSON.parse(text ?? "");
    if (["sign", "ended", "error", "verify"].includes(data?.page)) return data;
  } catch {
  }
  return { page: "error", code: "internal" };
}

// src/numbers.ts
function msisdn(text) {
  const digits = text.replace(/[\s().\-–\u00a0]/g, "").replace(/^\+|^00(?=373)/, "");
  if (/^373\d{8}$/.test(digits)) return digits;
  return /^0\d{8}$/.test(digits) ? `373${digits.slice(1)}` : void 0;
}
function spaced(number) {
  return number.replace(/^(373)(\d\d)(\d{3})(\d{3})$/, "+$1 $2 $3 $4");
}
function idnp(text) {
  const digits = text.replace(/\s/g, "");
  return /^\d{13}$/.test(digits) ? digits : void 0;
}
var DIGEST_BYTES = { 20: "sha1", 28: "sha224", 32: "sha256", 48: "sha384", 64: "sha512" };
function digestFrom(text) {
  const plain = text.replace(/[\s:]/g, "");
  let binary;
  if (/^([0-9a-f]{2})+$/i.test(plain) && DIGEST_BYTES[plain.length / 2] !== void 0) {
    binary = plain.replace(/../g, (pair) => String.fromCharCode(parseInt(pair, 16)));
  } else {
    try {
      binary = atob(plain);
    } catch {
      return void 0;
    }
  }
  const algorithm = DIGEST_BYTES[binary.length];
  return algorithm === void 0 ? void 0 : { algorithm, digest: btoa(binary) };
}

// src/saver.ts
var MOST_RESULTS = 500;
var MOST_BYTES = 35e5;
var Saver = class {
  constructor(send) {
    this.send = send;
    this.queue = [];
  }
  /** Resolves when the portal has answered for it: only then may it be acknowledged to the agent. */
  add(number, signature) {
    return new Promise((resolve, reject) => {
      this.queue.push({ number, signature, resolve, reject });
      this.working ?? (this.working = Promise.resolve().then(() => this.work()));
    });
  }
  /** Everything that came until now is with the portal, or was refused by an error. */
  async idle() {
    await this.working;
  }
  async work() {
    while (this.queue.length > 0) {
      const some = this.queue.splice(0, this.fitting());
      await this.send(some.map(({ number, signature }) => ({ number, signature }))).then(
        () => some.forEach(({ resolve }) => resolve()),
        (error) => some.forEach(({ reject }) => reject(error))
      );
    }
    this.working = void 0;
  }
  fitting() {
    const encoder = new TextEncoder();
    let bytes = 0;
    const over = this.queue.slice(0, MOST_RESULTS).findIndex(({ number, signature }, index) => (bytes += encoder.encode(JSON.stringify({ number, signature })).length + 1) > MOST_BYTES && index > 0);
    return Math.min(over < 0 ? this.queue.length : over, MOST_RESULTS);
  }
};

// src/state.ts
function initial(data, language) {
  return {
    language,
    data,
    view: data.page === "sign" ? "form" : data.page,
    phase: "looking",
    instrument: data.page === "sign" ? firstInstrument(data) : void 0,
    notice: void 0,
    invalid: void 0,
    waiting: null,
    signed: "documents" in data ? data.documents.signed : 0,
    signed_before: 0,
    prepared: 0,
    progress: void 0,
    trouble_until: void 0,
    signer: void 0,
    expires_in_days: void 0,
    phone_code: void 0,
    problem: void 0,
    refused: /* @__PURE__ */ new Map(),
    failed: /* @__PURE__ */ new Map(),
    names: /* @__PURE__ */ new Map(),
    ended: void 0
  };
}
function firstInstrument({ instrument, instruments }) {
  if (instrument !== void 0) return instrument;
  const available = instruments.filter((one) => one.available);
  return available.length === 1 ? available[0]?.id : void 0;
}
function unsigned({ documents }, signed) {
  return Math.max(0, documents.count - signed);
}
function search(names2, query, unnamed) {
  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const wanted = fold(query.trim());
  return names2.map((name, index) => ({ number: index + 1, name: name ?? unnamed(index + 1) })).filter(({ name }) => fold(name).includes(wanted));
}
function byReason(items, key) {
  const groups = /* @__PURE__ */ new Map();
  for (const [number, reason] of items) {
    const group = groups.get(key(reason)) ?? { reason, numbers: [] };
    group.numbers.push(number);
    groups.set(key(reason), group);
  }
  return [...groups.values()].sort((a, b) => b.numbers.length - a.numbers.length);
}
function leavesByItself(navigation) {
  return navigation !== "back_forward" && navigation !== "reload";
}
function giveUpReason(problem) {
  return problem?.kind === "agent" ? problem.error.code : "user_cancelled";
}

// ../../web-bridge/pages/src/words.ts
function plurals(language) {
  const rules = new Intl.PluralRules(language);
  const digits = new Intl.NumberFormat(language);
  return (count, forms) => (forms[rules.select(count)] ?? forms.other).replace("#", digits.format(count));
}
var ro_count = plurals("ro");
var ru_count = plurals("ru");
var en_count = plurals("en");
var ro = {
  skip: "Salt la conținut",
  language: "Limba",
  looking: "Se caută Signet…",
  looking_text: "Pagina caută aplicația Signet pe acest calculator.",
  permission: "Browserul vă întreabă",
  permission_text: "Sus, lângă adresă, browserul întreabă dacă pagina poate ajunge la aplicațiile de pe acest dispozitiv. Apăsați „Permite”.",
  waiting: "Căutați fereastra „Signet”",
  waiting_origin: "Signet întreabă dacă aveți încredere în acest site.",
  waiting_certificate: "Alegeți acolo certificatul cu care semnați.",
  waiting_pin: "Introduceți acolo PIN-ul.",
  waiting_reader: "Introduceți PIN-ul pe tastatura cititorului de carduri.",
  waiting_other: "Signet așteaptă răspunsul dumneavoastră.",
  countdown: (time) => `Timp rămas: ${time}`,
  signing: "Se semnează",
  signing_text: "Nu scoateți dispozitivul de semnare.",
  signed_of: (done, total) => `${done} din ${total} semnate`,
  remaining: (time) => `încă aproximativ ${time}`,
  lost: "Legătura cu Signet s-a întrerupt",
  lost_text: "Se caută din nou. Ce s-a semnat nu se pierde.",
  stopping: "Se oprește…",
  stopping_text: "Se așteaptă semnătura aflată în lucru.",
  stamping: "Se cere din nou marca temporală…",
  signer: (name) => `Semnează: ${name}`,
  expires: (days) => ro_count(days, { one: "Certificatul expiră peste # zi.", few: "Certificatul expiră peste # zile.", other: "Certificatul expiră peste # de zile." }),
  cancel: "Anulează",
  try_again: "Încearcă din nou",
  choose_other_certificate: "Alege alt certificat",
  technical: "Detalii tehnice",
  start_1: "Deschideți „Signet” din meniul de aplicații.",
  start_2: "Sau, într-un terminal:",
  start_3: "Reveniți aici și apăsați „Încearcă din nou”.",
  no_time_stamps: "Acest Signet nu are un serviciu de mărci temporale"
};
var ru = {
  skip: "Перейти к содержимому",
  language: "Язык",
  looking: "Поиск Signet…",
  looking_text: "Страница ищет приложение Signet на этом компьютере.",
  permission: "Браузер спрашивает вас",
  permission_text: "Вверху, рядом с адресом, браузер спрашивает, можно ли странице обращаться к приложениям на этом устройстве. Нажмите «Разрешить».",
  waiting: "Найдите окно «Signet»",
  waiting_origin: "Signet спрашивает, доверяете ли вы этому сайту.",
  waiting_certificate: "Выберите в нём сертификат для подписи.",
  waiting_pin: "Введите в нём PIN-код.",
  waiting_reader: "Введите PIN-код на клавиатуре считывателя карт.",
  waiting_other: "Signet ждёт вашего ответа.",
  countdown: (time) => `Осталось времени: ${time}`,
  signing: "Идёт подписание",
  signing_text: "Не вынимайте устройство подписи.",
  signed_of: (done, total) => `Подписано ${done} из ${total}`,
  remaining: (time) => `ещё примерно ${time}`,
  lost: "Связь с Signet прервалась",
  lost_text: "Идёт поиск. То, что уже подписано, не пропадёт.",
  stopping: "Остановка…",
  stopping_text: "Завершается текущая подпись.",
  stamping: "Повторный запрос метки времени…",
  signer: (name) => `Подписывает: ${name}`,
  expires: (days) => ru_count(days, { one: "Срок действия сертификата истекает через # день.", few: "Срок действия сертификата истекает через # дня.", many: "Срок действия сертификата истекает через # дней.", other: "Срок действия сертификата истекает через # дня." }),
  cancel: "Отменить",
  try_again: "Повторить попытку",
  choose_other_certificate: "Выбрать другой сертификат",
  technical: "Технические сведения",
  start_1: "Откройте «Signet» в меню приложений.",
  start_2: "Или в терминале:",
  start_3: "Вернитесь сюда и нажмите «Повторить попытку».",
  no_time_stamps: "У этого Signet нет службы меток времени"
};
var en = {
  skip: "Skip to the content",
  language: "Language",
  looking: "Looking for Signet…",
  looking_text: "The page is looking for the Signet application on this computer.",
  permission: "The browser is asking you",
  permission_text: "At the top, beside the address, the browser asks whether the page may reach apps on this device. Press “Allow”.",
  waiting: "Look for the window “Signet”",
  waiting_origin: "Signet asks whether you trust this site.",
  waiting_certificate: "Choose there the certificate to sign with.",
  waiting_pin: "Type your PIN there.",
  waiting_reader: "Type your PIN on the keys of the card reader.",
  waiting_other: "Signet is waiting for your answer.",
  countdown: (time) => `Time left: ${time}`,
  signing: "Signing",
  signing_text: "Do not take out the signing device.",
  signed_of: (done, total) => `${done} of ${total} signed`,
  remaining: (time) => `about ${time} left`,
  lost: "The connection to Signet was lost",
  lost_text: "Looking for it again. What was signed is not lost.",
  stopping: "Stopping…",
  stopping_text: "Waiting for the signature that is being made.",
  stamping: "Asking for the time stamps again…",
  signer: (name) => `Signing as: ${name}`,
  expires: (days) => en_count(days, { one: "The certificate expires in # day.", other: "The certificate expires in # days." }),
  cancel: "Cancel",
  try_again: "Try again",
  choose_other_certificate: "Choose another certificate",
  technical: "Technical details",
  start_1: "Open “Signet” in the menu of applications.",
  start_2: "Or, in a terminal:",
  start_3: "Come back here and press “Try again”.",
  no_time_stamps: "This Signet has no time-stamping service"
};
var SIGNING = { ro, ru, en };

// src/texts.ts
var ro2 = {
  ...SIGNING.ro,
  heading: "Semnarea documentelor",
  test: "TEST",
  test_text: "Mediu de testare: semnăturile făcute aici nu au valoare juridică.",
  for_whom: "Pentru",
  what: "Ce semnați",
  documents: "Documente",
  on_behalf: "În numele",
  on_behalf_person: (id) => `persoanei cu IDNP ${id}`,
  on_behalf_organization: (id) => `organizației cu IDNO ${id}`,
  valid_until: "Valabil până la",
  document_count: (count) => ro_count(count, { one: "# document", few: "# documente", other: "# de documente" }),
  signed_already: (count) => ro_count(count, { one: "# este deja semnat", few: "# sunt deja semnate", other: "# sunt deja semnate" }),
  show_documents: "Lista documentelor",
  search: "Caută în listă",
  found: (count) => ro_count(count, { one: "# document găsit", few: "# documente găsite", other: "# de documente găsite" }),
  none_found: "Niciun document nu se potrivește.",
  listed: (shown, count) => `Lista cuprinde primele ${shown} din ${count} documente.`,
  document: (number) => `Documentul ${number}`,
  instrument: "Cu ce semnați",
  instrument_moldsign: "MoldSign",
  instrument_moldsign_hint: "Token USB sau card MoldSign",
  instrument_nationalid: "Buletinul de identitate electronic",
  instrument_nationalid_hint: "Cardul de identitate, în cititorul de carduri",
  instrument_securesign: "SecureSign",
  instrument_securesign_hint: "Dispozitiv SecureSign",
  instrument_tax: "Semnătura Serviciului Fiscal",
  instrument_tax_hint: "Certificatul eliberat de Serviciul Fiscal de Stat",
  instrument_mobile: "Semnătura mobilă",
  instrument_mobile_hint: "Confirmați cu telefonul",
  instrument_sandbox: "Instrument de probă",
  instrument_sandbox_hint: "Numai pentru teste: rezultatul îl alegeți dumneavoastră",
  instrument_missing: "Alegeți cu ce semnați.",
  instrument_named: "Instrumentul a fost ales de serviciul electronic.",
  unavailable: "Nu este disponibil aici.",
  unavailable_not_configured: "Nu este disponibil pe acest portal.",
  unavailable_content: "Nu poate semna acest fel de document.",
  unavailable_temporarily: "Momentan nu funcționează. Încercați mai târziu.",
  msisdn: "Numărul de telefon",
  msisdn_hint: "De exemplu 069 123 456 sau +373 69 123 456",
  msisdn_invalid: "Scrieți un număr din Moldova: 0 și încă opt cifre, sau 373 și încă opt cifre.",
  sandbox_action: "Rezultatul",
  sandbox_sign: "Semnează",
  sandbox_fail: "Eșuează",
  sandbox_cancel: "Anulează",
  sandbox_expire: "Expiră",
  idnp: "IDNP-ul semnatarului",
  idnp_hint: "13 cifre",
  idnp_invalid: "IDNP-ul are exact 13 cifre.",
  delay: "Întârziere, în secunde",
  sign: (count) => ro_count(count, { one: "Semnează # document", few: "Semnează # documente", other: "Semnează # de documente" }),
  sign_hint: "Nimic nu se semnează fără confirmarea dumneavoastră. PIN-ul îl introduceți numai în fereastra Signet.",
  sign_hint_mobile: "Nimic nu se semnează fără confirmarea dumneavoastră pe telefon.",
  give_up: "Renunță la semnare",
  back_to_form: "Alege alt instrument",
  waiting_consent: (count) => ro_count(count, { one: "Verificați documentul și confirmați acolo semnarea lui.", few: "Verificați lista de # documente și confirmați acolo semnarea.", other: "Verificați lista de # de documente și confirmați acolo semnarea." }),
  claiming: "Se pregătește semnarea…",
  claiming_text: "Portalul rezervă cererea pentru această fereastră.",
  claim_waits: "Încă puțin…",
  claim_waits_text: "Portalul așteaptă să se încheie fereastra de dinainte. Durează câteva secunde.",
  continuing: "Se continuă semnarea",
  continuing_text: "Pagina a fost reîncărcată. Ce s-a semnat nu s-a pierdut.",
  preparing: "Se pregătesc documentele",
  preparing_text: "Lista documentelor este transmisă aplicației Signet.",
  prepared: (done, total) => `${done} din ${total} pregătite`,
  saving: "Se salvează semnăturile",
  saving_text: "Nu închideți fereastra până nu se termină.",
  this_time: (made, total) => `Acum: ${made} din ${total}`,
  phone: "Confirmați pe telefon",
  phone_text: "Pe telefon a sosit o cerere. Confirmați-o numai dacă acolo vedeți același cod:",
  phone_code: "Codul de verificare",
  phone_number: (number) => `Numărul: ${number}`,
  sandbox: "Se execută proba…",
  sandbox_text: "Portalul face ce ați ales.",
  giving_up: "Se renunță…",
  giving_up_text: "Portalul anunță serviciul electronic.",
  ending: "Se încheie…",
  ending_text: "Portalul pregătește întoarcerea la serviciul electronic.",
  trouble: (time) => `Portalul nu răspunde. Se încearcă din nou peste ${time}. Semnăturile făcute nu se pierd cât timp pagina rămâne deschisă.`,
  trouble_now: "Portalul nu răspunde. Se încearcă din nou chiar acum.",
  held: "Cererea se semnează în altă fereastră",
  held_text: "Continuați în fereastra aceea. Dacă ați închis-o sau ați reîncărcat pagina, așteptați câteva secunde: cererea se eliberează singură.",
  freed_notice: "Cererea este liberă. Apăsați „Semnează” ca să continuați de aici.",
  interrupted_notice: "Semnarea a fost întreruptă. Ce s-a semnat s-a păstrat; apăsați „Semnează” pentru restul.",
  problem_cancelled: "Semnarea a fost oprită",
  problem_cancelled_advice: "Puteți continua cu documentele nesemnate sau puteți renunța.",
  problem_signed: (count) => ro_count(count, { one: "# document a fost deja semnat.", few: "# documente au fost deja semnate.", other: "# de documente au fost deja semnate." }),
  problem_unsigned: (count) => ro_count(count, { one: "# document a rămas nesemnat", few: "# documente au rămas nesemnate", other: "# de documente au rămas nesemnate" }),
  problem_unsigned_advice: "Încercarea următoare le cuprinde numai pe acestea.",
  problem_issuer: "Certificatul nu este al instrumentului ales",
  problem_issuer_advice: "Introduceți dispozitivul potrivit sau alegeți alt certificat.",
  problem_signer: "Certificatul este al altei persoane",
  problem_signer_advice: "Serviciul electronic așteaptă semnătura unei anumite persoane. Introduceți dispozitivul ei sau alegeți alt certificat.",
  problem_portal: "Portalul a întâmpinat o eroare",
  problem_portal_advice: "Încercați din nou. Ce s-a semnat nu se pierde.",
  problem_token: "Pagina nu mai este valabilă",
  problem_token_advice: "Reîncărcați pagina. Ce s-a semnat nu se pierde.",
  problem_elsewhere: "Confirmarea nu a reușit",
  problem_elsewhere_advice: "Puteți încerca din nou.",
  problem_elsewhere_cancelled: "Confirmarea a fost refuzată",
  problem_elsewhere_timeout: "Timpul pentru confirmare a expirat",
  reload: "Reîncarcă pagina",
  install: "Instalați Signet",
  refused_signature_invalid: "Semnătura nu este validă.",
  refused_other_hash: "Semnătura este a altui document.",
  refused_signer_differs: "A semnat altă persoană decât cea așteptată.",
  refused_certificate_refused: "Certificatul nu este de încredere, a expirat sau a fost revocat.",
  refused_revocation_unknown: "Nu s-a putut verifica dacă certificatul este revocat; încercați din nou.",
  refused_time_stamp_missing: "Lipsește marca temporală; încercați din nou.",
  refused_certificate_not_of_instrument: "Certificatul nu este al instrumentului ales.",
  refused_other: "Portalul nu a primit semnătura.",
  reason_line: (count) => ro_count(count, { one: "# document", few: "# documente", other: "# de documente" }),
  and_more: (count) => ro_count(count, { one: "și încă #", few: "și încă #", other: "și încă #" }),
  ended_success: "Documentele sunt semnate",
  ended_success_count: (count) => ro_count(count, { one: "Documentul este semnat", few: "Toate cele # documente sunt semnate", other: "Toate cele # de documente sunt semnate" }),
  ended_failure: "Documentele nu au fost semnate",
  ended_failure_text: "Serviciul electronic află că s-a renunțat la semnare.",
  ended_expired: "Cererea a expirat",
  ended_expired_text: "Timpul pentru semnare s-a scurs. Porniți semnarea din nou, din serviciul electronic.",
  ended_reason: (reason) => `Cauza: ${reason}`,
  return_to: (site) => `Înapoi la ${site}`,
  leaving: (site, seconds) => ro_count(seconds, { one: `Peste # secundă reveniți la ${site}.`, few: `Peste # secunde reveniți la ${site}.`, other: `Peste # de secunde reveniți la ${site}.` }),
  leaving_now: (site) => `Se revine la ${site}…`,
  came_back: "Această cerere s-a încheiat. Apăsați butonul ca să reveniți la serviciul electronic.",
  may_close: "Puteți închide fereastra și reveni la serviciul electronic.",
  error_request_unknown: "Cererea de semnare nu există",
  error_request_unknown_advice: "Adresa este greșită sau cererea a fost ștearsă după expirare. Porniți semnarea din nou, din serviciul electronic.",
  error_return_url_refused: "Adresa de întoarcere nu este permisă",
  error_return_url_refused_advice: "Din motive de siguranță nu se semnează. Anunțați serviciul electronic de la care ați venit: adresa lui de întoarcere (ReturnUrl) nu este înregistrată.",
  error_return_url_missing: "Lipsește adresa de întoarcere",
  error_return_url_missing_advice: "Anunțați serviciul electronic de la care ați venit: cererea trebuie deschisă cu parametrul ReturnUrl.",
  error_parameter_invalid: "Pagina a fost deschisă cu date greșite",
  error_parameter_invalid_advice: "Reveniți la serviciul electronic și încercați din nou. Dacă se repetă, anunțați-l.",
  error_internal: "Portalul a întâmpinat o eroare",
  error_internal_advice: "Reîncărcați pagina peste un minut. Dacă se repetă, anunțați serviciul de asistență.",
  verify_heading: "Verificați o semnătură",
  verify_lead: "Documentul nu părăsește acest calculator: portalul primește numai semnătura și amprenta lui.",
  verify_signature: "Fișierul semnăturii",
  verify_signature_hint: "Fișier XML cu semnătura XAdES.",
  verify_document: "Documentul semnat",
  verify_document_hint: "Amprenta se calculează aici, în browser. Nu este necesar dacă semnătura cuprinde amprenta.",
  verify_choose: "Alegeți fișierul",
  verify_none: "Niciun fișier ales",
  verify_paste: "Am numai amprenta documentului",
  verify_digest: "Amprenta (hash)",
  verify_digest_hint: "În format hexazecimal sau base64; algoritmul se recunoaște după lungime.",
  verify_digest_invalid: "Aceasta nu este o amprentă SHA: numărul de caractere nu se potrivește.",
  verify_signature_missing: "Alegeți fișierul semnăturii.",
  verify_unreadable: "Fișierul nu poate fi citit sau nu este XML.",
  verify_too_large: "Fișierul semnăturii este prea mare (cel mult 3 MB).",
  verify_submit: "Verifică",
  verify_busy: "Se verifică…",
  verify_valid: "Semnătura este validă",
  verify_invalid: "Semnătura nu este validă",
  verify_all_valid: (count) => ro_count(count, { one: "Semnătura este validă", few: "Toate cele # semnături sunt valide", other: "Toate cele # de semnături sunt valide" }),
  verify_some_invalid: (bad, count) => `${bad} din ${count} semnături nu sunt valide`,
  verify_no_signature: "Fișierul nu cuprinde nicio semnătură",
  verify_failed: "Verificarea nu a fost posibilă",
  verify_failed_advice: "Portalul nu a răspuns cum trebuie. Încercați din nou.",
  verify_signer: "Semnatar",
  verify_time: "Momentul semnării",
  verify_no_time: "necunoscut: fără marcă temporală",
  verify_message: "Constatare",
  footer: "Signet: semnătură electronică cu dispozitivul dumneavoastră. Pagina nu folosește servicii terțe și nu păstrează date în browser."
};
var ru2 = {
  ...SIGNING.ru,
  heading: "Подписание документов",
  test: "ТЕСТ",
  test_text: "Тестовая среда: подписи, сделанные здесь, не имеют юридической силы.",
  for_whom: "Для кого",
  what: "Что подписывается",
  documents: "Документы",
  on_behalf: "От имени",
  on_behalf_person: (id) => `лица с IDNP ${id}`,
  on_behalf_organization: (id) => `организации с IDNO ${id}`,
  valid_until: "Действует до",
  document_count: (count) => ru_count(count, { one: "# документ", few: "# документа", many: "# документов", other: "# документа" }),
  signed_already: (count) => ru_count(count, { one: "# уже подписан", few: "# уже подписаны", many: "# уже подписано", other: "# уже подписано" }),
  show_documents: "Список документов",
  search: "Поиск по списку",
  found: (count) => ru_count(count, { one: "Найден # документ", few: "Найдено # документа", many: "Найдено # документов", other: "Найдено # документа" }),
  none_found: "Подходящих документов нет.",
  listed: (shown, count) => `В списке первые ${shown} из ${count} документов.`,
  document: (number) => `Документ ${number}`,
  instrument: "Чем вы подписываете",
  instrument_moldsign: "MoldSign",
  instrument_moldsign_hint: "USB-токен или карта MoldSign",
  instrument_nationalid: "Электронное удостоверение личности",
  instrument_nationalid_hint: "Удостоверение в считывателе карт",
  instrument_securesign: "SecureSign",
  instrument_securesign_hint: "Устройство SecureSign",
  instrument_tax: "Подпись Налоговой службы",
  instrument_tax_hint: "Сертификат Государственной налоговой службы",
  instrument_mobile: "Мобильная подпись",
  instrument_mobile_hint: "Подтверждение на телефоне",
  instrument_sandbox: "Пробный инструмент",
  instrument_sandbox_hint: "Только для проверки: результат выбираете вы",
  instrument_missing: "Выберите, чем вы подписываете.",
  instrument_named: "Инструмент выбран электронным сервисом.",
  unavailable: "Здесь недоступно.",
  unavailable_not_configured: "На этом портале недоступно.",
  unavailable_content: "Не подходит для документов этого вида.",
  unavailable_temporarily: "Временно не работает. Попробуйте позже.",
  msisdn: "Номер телефона",
  msisdn_hint: "Например, 069 123 456 или +373 69 123 456",
  msisdn_invalid: "Укажите номер Молдовы: 0 и ещё восемь цифр или 373 и ещё восемь цифр.",
  sandbox_action: "Результат",
  sandbox_sign: "Подписать",
  sandbox_fail: "Ошибка",
  sandbox_cancel: "Отмена",
  sandbox_expire: "Истечение срока",
  idnp: "IDNP подписывающего",
  idnp_hint: "13 цифр",
  idnp_invalid: "IDNP состоит ровно из 13 цифр.",
  delay: "Задержка, в секундах",
  sign: (count) => ru_count(count, { one: "Подписать # документ", few: "Подписать # документа", many: "Подписать # документов", other: "Подписать # документа" }),
  sign_hint: "Без вашего подтверждения ничего не подписывается. PIN-код вы вводите только в окне Signet.",
  sign_hint_mobile: "Без вашего подтверждения на телефоне ничего не подписывается.",
  give_up: "Отказаться от подписания",
  back_to_form: "Выбрать другой инструмент",
  waiting_consent: (count) => ru_count(count, { one: "Проверьте список (# документ) и подтвердите в нём подписание.", few: "Проверьте список (# документа) и подтвердите в нём подписание.", many: "Проверьте список (# документов) и подтвердите в нём подписание.", other: "Проверьте список (# документа) и подтвердите в нём подписание." }),
  claiming: "Подготовка к подписанию…",
  claiming_text: "Портал закрепляет запрос за этим окном.",
  claim_waits: "Ещё немного…",
  claim_waits_text: "Портал ждёт, пока закроется прежнее окно. Это займёт несколько секунд.",
  continuing: "Подписание продолжается",
  continuing_text: "Страница была перезагружена. То, что уже подписано, не пропало.",
  preparing: "Документы готовятся",
  preparing_text: "Список документов передаётся приложению Signet.",
  prepared: (done, total) => `Готово ${done} из ${total}`,
  saving: "Подписи сохраняются",
  saving_text: "Не закрывайте окно до завершения.",
  this_time: (made, total) => `Сейчас: ${made} из ${total}`,
  phone: "Подтвердите на телефоне",
  phone_text: "На телефон пришёл запрос. Подтвердите его, только если видите там тот же код:",
  phone_code: "Проверочный код",
  phone_number: (number) => `Номер: ${number}`,
  sandbox: "Выполняется проба…",
  sandbox_text: "Портал делает то, что вы выбрали.",
  giving_up: "Отказ…",
  giving_up_text: "Портал сообщает электронному сервису.",
  ending: "Завершение…",
  ending_text: "Портал готовит возврат к электронному сервису.",
  trouble: (time) => `Портал не отвечает. Новая попытка через ${time}. Готовые подписи не пропадут, пока страница открыта.`,
  trouble_now: "Портал не отвечает. Идёт новая попытка.",
  held: "Запрос подписывается в другом окне",
  held_text: "Продолжайте в том окне. Если вы его закрыли или перезагрузили страницу, подождите несколько секунд: запрос освободится сам.",
  freed_notice: "Запрос свободен. Нажмите «Подписать», чтобы продолжить здесь.",
  interrupted_notice: "Подписание было прервано. Подписанное сохранено; нажмите «Подписать» для остальных документов.",
  problem_cancelled: "Подписание остановлено",
  problem_cancelled_advice: "Можно продолжить с неподписанными документами или отказаться.",
  problem_signed: (count) => ru_count(count, { one: "Уже подписан # документ.", few: "Уже подписано # документа.", many: "Уже подписано # документов.", other: "Уже подписано # документа." }),
  problem_unsigned: (count) => ru_count(count, { one: "Не подписан # документ", few: "Не подписано # документа", many: "Не подписано # документов", other: "Не подписано # документа" }),
  problem_unsigned_advice: "Следующая попытка коснётся только их.",
  problem_issuer: "Сертификат не от выбранного инструмента",
  problem_issuer_advice: "Вставьте нужное устройство или выберите другой сертификат.",
  problem_signer: "Сертификат принадлежит другому лицу",
  problem_signer_advice: "Электронный сервис ждёт подписи определённого лица. Вставьте его устройство или выберите другой сертификат.",
  problem_portal: "На портале произошла ошибка",
  problem_portal_advice: "Повторите попытку. То, что уже подписано, не пропадёт.",
  problem_token: "Страница устарела",
  problem_token_advice: "Обновите страницу. То, что уже подписано, не пропадёт.",
  problem_elsewhere: "Подтвердить не удалось",
  problem_elsewhere_advice: "Можно повторить попытку.",
  problem_elsewhere_cancelled: "Подтверждение отклонено",
  problem_elsewhere_timeout: "Время подтверждения истекло",
  reload: "Обновить страницу",
  install: "Установить Signet",
  refused_signature_invalid: "Подпись недействительна.",
  refused_other_hash: "Это подпись другого документа.",
  refused_signer_differs: "Подписало не то лицо, которое ожидалось.",
  refused_certificate_refused: "Сертификат не является доверенным, истёк или отозван.",
  refused_revocation_unknown: "Не удалось проверить, не отозван ли сертификат; повторите попытку.",
  refused_time_stamp_missing: "Нет метки времени; повторите попытку.",
  refused_certificate_not_of_instrument: "Сертификат не от выбранного инструмента.",
  refused_other: "Портал не принял подпись.",
  reason_line: (count) => ru_count(count, { one: "# документ", few: "# документа", many: "# документов", other: "# документа" }),
  and_more: (count) => ru_count(count, { one: "и ещё #", few: "и ещё #", many: "и ещё #", other: "и ещё #" }),
  ended_success: "Документы подписаны",
  ended_success_count: (count) => count === 1 ? "Документ подписан" : ru_count(count, { one: "Подписан # документ", few: "Подписаны все # документа", many: "Подписаны все # документов", other: "Подписаны все # документа" }),
  ended_failure: "Документы не подписаны",
  ended_failure_text: "Электронный сервис узнает, что подписание не состоялось.",
  ended_expired: "Срок запроса истёк",
  ended_expired_text: "Время для подписания вышло. Начните подписание заново в электронном сервисе.",
  ended_reason: (reason) => `Причина: ${reason}`,
  return_to: (site) => `Вернуться на ${site}`,
  leaving: (site, seconds) => ru_count(seconds, { one: `Через # секунду вы вернётесь на ${site}.`, few: `Через # секунды вы вернётесь на ${site}.`, many: `Через # секунд вы вернётесь на ${site}.`, other: `Через # секунды вы вернётесь на ${site}.` }),
  leaving_now: (site) => `Возврат на ${site}…`,
  came_back: "Этот запрос завершён. Нажмите кнопку, чтобы вернуться к электронному сервису.",
  may_close: "Можно закрыть окно и вернуться к электронному сервису.",
  error_request_unknown: "Такого запроса на подпись нет",
  error_request_unknown_advice: "Адрес неверен или запрос удалён по истечении срока. Начните подписание заново в электронном сервисе.",
  error_return_url_refused: "Адрес возврата не разрешён",
  error_return_url_refused_advice: "В целях безопасности подписание остановлено. Сообщите электронному сервису, с которого вы пришли: его адрес возврата (ReturnUrl) не зарегистрирован.",
  error_return_url_missing: "Нет адреса возврата",
  error_return_url_missing_advice: "Сообщите электронному сервису, с которого вы пришли: запрос нужно открывать с параметром ReturnUrl.",
  error_parameter_invalid: "Страница открыта с неверными данными",
  error_parameter_invalid_advice: "Вернитесь к электронному сервису и повторите попытку. Если ошибка повторяется, сообщите его службе поддержки.",
  error_internal: "На портале произошла ошибка",
  error_internal_advice: "Обновите страницу через минуту. Если ошибка повторяется, сообщите службе поддержки.",
  verify_heading: "Проверьте подпись",
  verify_lead: "Документ не покидает этот компьютер: портал получает только подпись и контрольную сумму.",
  verify_signature: "Файл подписи",
  verify_signature_hint: "Файл XML с подписью XAdES.",
  verify_document: "Подписанный документ",
  verify_document_hint: "Контрольная сумма вычисляется здесь, в браузере. Не нужен, если сумма вложена в подпись.",
  verify_choose: "Выберите файл",
  verify_none: "Файл не выбран",
  verify_paste: "У меня есть только контрольная сумма",
  verify_digest: "Контрольная сумма (хеш)",
  verify_digest_hint: "В шестнадцатеричном виде или base64; алгоритм определяется по длине.",
  verify_digest_invalid: "Это не сумма SHA: количество знаков не подходит.",
  verify_signature_missing: "Выберите файл подписи.",
  verify_unreadable: "Файл не удаётся прочитать, или это не XML.",
  verify_too_large: "Файл подписи слишком велик (не более 3 МБ).",
  verify_submit: "Проверить",
  verify_busy: "Идёт проверка…",
  verify_valid: "Подпись действительна",
  verify_invalid: "Подпись недействительна",
  verify_all_valid: (count) => count === 1 ? "Подпись действительна" : ru_count(count, { one: "Действительна # подпись", few: "Действительны все # подписи", many: "Действительны все # подписей", other: "Действительны все # подписи" }),
  verify_some_invalid: (bad, count) => `Недействительных подписей: ${bad} из ${count}`,
  verify_no_signature: "В файле нет подписи",
  verify_failed: "Проверить не удалось",
  verify_failed_advice: "Портал ответил с ошибкой. Повторите попытку.",
  verify_signer: "Подписал",
  verify_time: "Время подписания",
  verify_no_time: "неизвестно: нет метки времени",
  verify_message: "Заключение",
  footer: "Signet: электронная подпись вашим устройством. Страница не использует сторонних служб и не хранит данных в браузере."
};
var en2 = {
  ...SIGNING.en,
  heading: "Signing documents",
  test: "TEST",
  test_text: "Test environment: signatures made here have no legal value.",
  for_whom: "For",
  what: "What you sign",
  documents: "Documents",
  on_behalf: "On behalf of",
  on_behalf_person: (id) => `the person with IDNP ${id}`,
  on_behalf_organization: (id) => `the organization with IDNO ${id}`,
  valid_until: "Valid until",
  document_count: (count) => en_count(count, { one: "# document", other: "# documents" }),
  signed_already: (count) => en_count(count, { one: "# is already signed", other: "# are already signed" }),
  show_documents: "List of the documents",
  search: "Search the list",
  found: (count) => en_count(count, { one: "# document found", other: "# documents found" }),
  none_found: "No document fits.",
  listed: (shown, count) => `The list holds the first ${shown} of ${count} documents.`,
  document: (number) => `Document ${number}`,
  instrument: "What you sign with",
  instrument_moldsign: "MoldSign",
  instrument_moldsign_hint: "MoldSign USB token or card",
  instrument_nationalid: "Electronic identity card",
  instrument_nationalid_hint: "The identity card, in the card reader",
  instrument_securesign: "SecureSign",
  instrument_securesign_hint: "SecureSign device",
  instrument_tax: "Tax Service signature",
  instrument_tax_hint: "Certificate issued by the State Tax Service",
  instrument_mobile: "Mobile signature",
  instrument_mobile_hint: "Confirm with your phone",
  instrument_sandbox: "Trial instrument",
  instrument_sandbox_hint: "For tests only: you choose the outcome",
  instrument_missing: "Choose what you sign with.",
  instrument_named: "The instrument was chosen by the e-service.",
  unavailable: "Not available here.",
  unavailable_not_configured: "Not available on this portal.",
  unavailable_content: "Cannot sign this kind of document.",
  unavailable_temporarily: "Out of order for the moment. Try later.",
  msisdn: "Phone number",
  msisdn_hint: "For example 069 123 456 or +373 69 123 456",
  msisdn_invalid: "Type a number of Moldova: 0 and eight more digits, or 373 and eight more digits.",
  sandbox_action: "The outcome",
  sandbox_sign: "Sign",
  sandbox_fail: "Fail",
  sandbox_cancel: "Cancel",
  sandbox_expire: "Expire",
  idnp: "The signer's IDNP",
  idnp_hint: "13 digits",
  idnp_invalid: "An IDNP has exactly 13 digits.",
  delay: "Delay, in seconds",
  sign: (count) => en_count(count, { one: "Sign # document", other: "Sign # documents" }),
  sign_hint: "Nothing is signed unless you confirm it. You type your PIN in the window of Signet alone.",
  sign_hint_mobile: "Nothing is signed unless you confirm it on your phone.",
  give_up: "Give up signing",
  back_to_form: "Choose another instrument",
  waiting_consent: (count) => en_count(count, { one: "Check the document and confirm there that it is to be signed.", other: "Check the list of # documents and confirm there that they are to be signed." }),
  claiming: "Preparing to sign…",
  claiming_text: "The portal reserves the request for this window.",
  claim_waits: "One moment…",
  claim_waits_text: "The portal waits for the earlier window to close. It takes a few seconds.",
  continuing: "Signing goes on",
  continuing_text: "The page was loaded again. What was signed is not lost.",
  preparing: "Preparing the documents",
  preparing_text: "The list of documents is handed to the Signet application.",
  prepared: (done, total) => `${done} of ${total} prepared`,
  saving: "Saving the signatures",
  saving_text: "Do not close the window before it is done.",
  this_time: (made, total) => `Now: ${made} of ${total}`,
  phone: "Confirm on your phone",
  phone_text: "A request came to your phone. Confirm it only if you see the same code there:",
  phone_code: "Code to compare",
  phone_number: (number) => `Number: ${number}`,
  sandbox: "The trial is under way…",
  sandbox_text: "The portal does what you chose.",
  giving_up: "Giving up…",
  giving_up_text: "The portal tells the e-service.",
  ending: "Finishing…",
  ending_text: "The portal prepares the way back to the e-service.",
  trouble: (time) => `The portal does not answer. The next attempt is in ${time}. Signatures that are made are not lost while this page stays open.`,
  trouble_now: "The portal does not answer. Trying again now.",
  held: "The request is being signed in another window",
  held_text: "Go on in that window. If you closed it or loaded the page again, wait a few seconds: the request comes free by itself.",
  freed_notice: "The request is free. Press “Sign” to go on from here.",
  interrupted_notice: "Signing was interrupted. What was signed is kept; press “Sign” for the rest.",
  problem_cancelled: "Signing was stopped",
  problem_cancelled_advice: "You can go on with the documents that are not signed, or give up.",
  problem_signed: (count) => en_count(count, { one: "# document is already signed.", other: "# documents are already signed." }),
  problem_unsigned: (count) => en_count(count, { one: "# document is not signed", other: "# documents are not signed" }),
  problem_unsigned_advice: "The next try is for these alone.",
  problem_issuer: "The certificate is not one of the chosen instrument",
  problem_issuer_advice: "Put in the right device, or choose another certificate.",
  problem_signer: "The certificate is another person's",
  problem_signer_advice: "The e-service waits for the signature of a certain person. Put in that person's device, or choose another certificate.",
  problem_portal: "Something went wrong on the portal",
  problem_portal_advice: "Try again. What was signed is not lost.",
  problem_token: "This page is out of date",
  problem_token_advice: "Load the page again. What was signed is not lost.",
  problem_elsewhere: "The confirmation failed",
  problem_elsewhere_advice: "You can try again.",
  problem_elsewhere_cancelled: "The confirmation was refused",
  problem_elsewhere_timeout: "The time to confirm ran out",
  reload: "Load the page again",
  install: "Install Signet",
  refused_signature_invalid: "The signature is not valid.",
  refused_other_hash: "The signature is of another document.",
  refused_signer_differs: "Signed by another person than the expected one.",
  refused_certificate_refused: "The certificate is not trusted, has expired or was revoked.",
  refused_revocation_unknown: "Could not check whether the certificate is revoked; try again.",
  refused_time_stamp_missing: "The time stamp is missing; try again.",
  refused_certificate_not_of_instrument: "The certificate is not one of the chosen instrument.",
  refused_other: "The portal did not take the signature.",
  reason_line: (count) => en_count(count, { one: "# document", other: "# documents" }),
  and_more: (count) => en_count(count, { one: "and # more", other: "and # more" }),
  ended_success: "The documents are signed",
  ended_success_count: (count) => en_count(count, { one: "The document is signed", other: "All # documents are signed" }),
  ended_failure: "The documents were not signed",
  ended_failure_text: "The e-service learns that signing did not take place.",
  ended_expired: "The request has expired",
  ended_expired_text: "The time for signing ran out. Start signing anew, in the e-service.",
  ended_reason: (reason) => `Reason: ${reason}`,
  return_to: (site) => `Back to ${site}`,
  leaving: (site, seconds) => en_count(seconds, { one: `You go back to ${site} in # second.`, other: `You go back to ${site} in # seconds.` }),
  leaving_now: (site) => `Going back to ${site}…`,
  came_back: "This request is finished. Press the button to go back to the e-service.",
  may_close: "You may close this window and go back to the e-service.",
  error_request_unknown: "There is no such signing request",
  error_request_unknown_advice: "The address is wrong, or the request was removed after it expired. Start signing anew, in the e-service.",
  error_return_url_refused: "The way back is not allowed",
  error_return_url_refused_advice: "For safety nothing is signed. Tell the e-service you came from: its return address (ReturnUrl) is not registered.",
  error_return_url_missing: "The way back is missing",
  error_return_url_missing_advice: "Tell the e-service you came from: the request must be opened with the parameter ReturnUrl.",
  error_parameter_invalid: "The page was opened with wrong data",
  error_parameter_invalid_advice: "Go back to the e-service and try again. If this repeats, tell it.",
  error_internal: "Something went wrong on the portal",
  error_internal_advice: "Load the page again in a minute. If this repeats, tell the support.",
  verify_heading: "Verify a signature",
  verify_lead: "The document stays on this computer: the portal gets only the signature and the document's fingerprint.",
  verify_signature: "The signature's file",
  verify_signature_hint: "An XML file with a XAdES signature.",
  verify_document: "The signed document",
  verify_document_hint: "Its fingerprint is made here, in the browser. Not needed where the signature holds the fingerprint.",
  verify_choose: "Choose the file",
  verify_none: "No file chosen",
  verify_paste: "I have only the document's fingerprint",
  verify_digest: "Fingerprint (hash)",
  verify_digest_hint: "In hexadecimal or base64; the algorithm follows from the length.",
  verify_digest_invalid: "This is no SHA fingerprint: the number of characters does not fit.",
  verify_signature_missing: "Choose the signature's file.",
  verify_unreadable: "The file cannot be read, or is no XML.",
  verify_too_large: "The signature's file is too large (3 MB at most).",
  verify_submit: "Verify",
  verify_busy: "Verifying…",
  verify_valid: "The signature is valid",
  verify_invalid: "The signature is not valid",
  verify_all_valid: (count) => en_count(count, { one: "The signature is valid", other: "All # signatures are valid" }),
  verify_some_invalid: (bad, count) => `${bad} of ${count} signatures are not valid`,
  verify_no_signature: "The file holds no signature",
  verify_failed: "Verifying was not possible",
  verify_failed_advice: "The portal did not answer as it should. Try again.",
  verify_signer: "Signer",
  verify_time: "Signed at",
  verify_no_time: "unknown: no time stamp",
  verify_message: "Finding",
  footer: "Signet: electronic signatures with your own device. This page uses no third-party services and keeps no data in the browser."
};
var TEXTS = { ro: ro2, ru: ru2, en: en2 };
function coded(texts, prefix, code, general) {
  const text = Object.prototype.hasOwnProperty.call(texts, prefix + code) ? texts[prefix + code] : void 0;
  return typeof text === "string" ? text : texts[general];
}
function moment(language, time) {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, { dateStyle: "long", timeStyle: "short" }).format(date);
}

// src/way_back.ts
function fieldsOf(back) {
  return Object.entries(back.fields);
}
function leadsToSite(url) {
  return /^https?:\/\//i.test(url);
}

// test/pages.test.ts
var folder = join(dirname(fileURLToPath(import.meta.url)), "..");
var dist = (name) => readFileSync(join(folder, "dist", name), "utf8");
test("dist/ holds four static files", () => {
  assert.deepEqual(readdirSync(join(folder, "dist")).sort(), ["favicon.svg", "index.html", "page.css", "page.js"]);
});
test("the page works under a strict policy: no inline script, style or handler, nothing from elsewhere", () => {
  const html = dist("index.html");
  assert.ok(!/<style|style=|\son[a-z]+=|javascript:/i.test(html));
  for (const [tag] of html.matchAll(/<script[^>]*>/g)) assert.ok(tag === '<script type="application/json" id="data">' || tag === '<script src="/page.js" defer>', tag);
  for (const name of ["index.html", "page.css"]) assert.ok(!/https?:\/\//.test(dist(name)), name);
  assert.ok(!/@import|url\(/.test(dist("page.css")));
  assert.ok(!/\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write/.test(dist("page.js")));
  assert.ok(!/localStorage|indexedDB|document\.cookie/.test(dist("page.js")), "nothing is kept but the sdk's handle");
});
test("the portal fills two places, each once", () => {
  assert.deepEqual(dist("index.html").match(/\{\{[^}]*\}\}/g), ["{{language}}", "{{data}}"]);
});
test("without JavaScript the page says so in three languages", () => {
  const said = /<noscript>([\s\S]*?)<\/noscript>/.exec(dist("index.html"))?.[1] ?? "";
  for (const language of ["ro", "ru", "en"]) assert.ok(said.includes(`lang="${language}"`), language);
});
test("every text that the HTML names is in the catalogue", () => {
  for (const [, key] of dist("index.html").matchAll(/data-(?:text|label)="([a-z_0-9]+)"/g)) assert.equal(typeof TEXTS.en[key], "string", key);
});
test("every text is there in each language's own letters, also those made of parts", () => {
  const keys = Object.keys(TEXTS.ro).sort();
  for (const [language, texts] of Object.entries(TEXTS)) {
    assert.deepEqual(Object.keys(texts).sort(), keys);
    for (const [key, text] of Object.entries(texts)) {
      const written = typeof text === "string" ? text : text(3, 7);
      assert.ok(written.length > 1 && !written.includes("undefined") && !written.includes("#"), `${language} ${key}: ${written}`);
      assert.ok(!/[şţŞŢ]/.test(written), `${key}: cedillas are not Romanian`);
      if (language !== "ru") assert.ok(!/[а-яё]/i.test(written), `${language} ${key}`);
      else if (!/^instrument_(moldsign|securesign)$/.test(key)) assert.ok(/[а-яё]/i.test(written), key);
    }
  }
});
test("counts follow the languages' plurals", () => {
  assert.deepEqual([1, 2, 19, 20, 101, 120].map(TEXTS.ro.sign), [
    "Semnează 1 document",
    "Semnează 2 documente",
    "Semnează 19 documente",
    "Semnează 20 de documente",
    "Semnează 101 documente",
    "Semnează 120 de documente"
  ]);
  assert.deepEqual([1, 2, 5, 21, 111].map(TEXTS.ru.sign), ["Подписать 1 документ", "Подписать 2 документа", "Подписать 5 документов", "Подписать 21 документ", "Подписать 111 документов"]);
  assert.deepEqual([1, 3].map((seconds) => TEXTS.ro.leaving("servicii.example", seconds)), ["Peste 1 secundă reveniți la servicii.example.", "Peste 3 secunde reveniți la servicii.example."]);
  assert.equal(TEXTS.en.ended_success_count(1), "The document is signed");
});
test("each code of the contract has words of its own in each language; an unknown one has general words", () => {
  for (const texts of Object.values(TEXTS)) {
    const said = /* @__PURE__ */ new Set();
    const refused = ["signature_invalid", "other_hash", "signer_differs", "certificate_refused", "revocation_unknown", "time_stamp_missing", "certificate_not_of_instrument"];
    for (const code of refused) said.add(coded(texts, "refused_", code, "refused_other"));
    assert.equal(said.size, refused.length);
    for (const code of ["request_unknown", "return_url_refused", "return_url_missing", "parameter_invalid"]) {
      assert.notEqual(coded(texts, "error_", code, "error_internal"), texts.error_internal);
      assert.notEqual(coded(texts, "error_", `${code}_advice`, "error_internal_advice"), texts.error_internal_advice);
    }
    for (const id of ["moldsign", "nationalid", "securesign", "tax", "mobile", "sandbox"]) assert.equal(typeof texts[`instrument_${id}`], "string");
    assert.equal(coded(texts, "refused_", "of_tomorrow", "refused_other"), texts.refused_other);
    assert.equal(coded(texts, "", "toString", "refused_other"), texts.refused_other);
  }
});
test("a time is written in the person's language; one that is none stays as it came", () => {
  assert.match(moment("ro", "2026-11-22T10:00:00Z"), /noiembrie 2026/);
  assert.match(moment("ru", "2026-11-22T10:00:00Z"), /ноября 2026/);
  assert.match(moment("en", "2026-11-22T10:00:00Z"), /^22 November 2026/);
  assert.equal(moment("en", "soon"), "soon");
});
test("what goes back is what the portal said, byte for byte", () => {
  const state = ` a+b%20ș😀"<&>'	`;
  const data = readData(JSON.stringify({ page: "ended", return: { url: "https://e.example/", fields: { RequestID: "7f", RelayState: state } } }).replace(/</g, "\\u003c"));
  assert.ok(data.page === "ended" && data.return !== void 0);
  assert.deepEqual(fieldsOf(data.return), [["RequestID", "7f"], ["RelayState", state]]);
});
test("a way back leads to a site, never to a script", () => {
  assert.ok(leadsToSite("https://servicii.example/back"));
  for (const url of ["javascript:alert(1)", " https://x", "data:text/html,x", "//x", "/back", ""]) assert.ok(!leadsToSite(url), url);
});
test("a page that somebody came back to sends nobody away", () => {
  assert.deepEqual(["navigate", "prerender", "reload", "back_forward"].map(leavesByItself), [true, true, false, false]);
});
test("a page without readable data is an error page", () => {
  for (const text of [void 0, "", "{{data}}", "null", "{}", '{"page":"admin"}']) assert.deepEqual(readData(text), { page: "error", code: "internal" });
});
var SIGN = {
  page: "sign",
  request: "7f",
  consumer: "c",
  short_description: "s",
  documents: { count: 5, signed: 2, names: ["a", null] },
  token: "t",
  instruments: [{ id: "moldsign", kind: "token", available: true }, { id: "mobile", kind: "mobile", available: false, reason: "not_configured" }]
};
test("the instrument is the named one, the only one, or nobody's choice yet", () => {
  assert.equal(firstInstrument(SIGN), "moldsign");
  assert.equal(firstInstrument({ ...SIGN, instrument: "mobile" }), "mobile");
  assert.equal(firstInstrument({ instruments: SIGN.instruments.map((one) => ({ ...one, available: true })) }), void 0);
  assert.equal(firstInstrument({ instruments: [] }), void 0);
});
test("a page begins with what the portal has", () => {
  const state = initial(SIGN, "ro");
  assert.deepEqual([state.view, state.signed, unsigned(SIGN, state.signed)], ["form", 2, 3]);
  assert.equal(initial({ page: "verify" }, "en").view, "verify");
});
test("the list is searched without regard to case and marks, by the number where there is no name", () => {
  const found = (query) => search(["Factură ȘTIUCĂ.pdf", null, "Ведомость.xlsx"], query, (number) => `Document ${number}`).map(({ number }) => number);
  assert.deepEqual(found(""), [1, 2, 3]);
  assert.deepEqual(found(" stiuca"), [1]);
  assert.deepEqual(found("DOCUMENT 2"), [2]);
  assert.deepEqual(found("ведом"), [3]);
  assert.deepEqual(found("?"), []);
});
test("refusals are told by reason, the commonest first", () => {
  assert.deepEqual(byReason(/* @__PURE__ */ new Map([[4, "a"], [5, "b"], [9, "b"]]), (code) => code), [{ reason: "b", numbers: [5, 9] }, { reason: "a", numbers: [4] }]);
});
test("Give up tells the portal why, in the sdk's codes", () => {
  assert.equal(giveUpReason(void 0), "user_cancelled");
  assert.equal(giveUpReason({ kind: "agent", error: new SignetError("pin_locked", "") }), "pin_locked");
  assert.equal(giveUpReason({ kind: "unsigned" }), "user_cancelled");
});
test("a phone number is taken as people write it, and nothing else", () => {
  for (const text of ["37369123456", "+373 69 123 456", "069123456", "0(69) 123-456", "0037369123456"]) assert.equal(msisdn(text), "37369123456", text);
  for (const text of ["", "69123456", "3736912345", "373691234567", "+40 722 123 456", "06912345a", "00069123456"]) assert.equal(msisdn(text), void 0, text);
  assert.equal(spaced("37369123456"), "+373 69 123 456");
});
test("an IDNP has thirteen digits", () => {
  assert.equal(idnp(" 2001234567890 "), "2001234567890");
  for (const text of ["", "200123456789", "20012345678901", "20012345678a0"]) assert.equal(idnp(text), void 0, text);
});
test("a pasted digest is known by its length, in hexadecimal or base64", () => {
  const bytes = Buffer.alloc(32, 171);
  assert.deepEqual(digestFrom(bytes.toString("hex").toUpperCase()), { algorithm: "sha256", digest: bytes.toString("base64") });
  assert.deepEqual(digestFrom(` ${bytes.toString("base64")}
`), { algorithm: "sha256", digest: bytes.toString("base64") });
  assert.equal(digestFrom(Buffer.alloc(20).toString("hex"))?.algorithm, "sha1");
  assert.equal(digestFrom(Buffer.alloc(64).toString("base64"))?.algorithm, "sha512");
  for (const text of ["", "abcd", "!!".repeat(32), "ab".repeat(31)]) assert.equal(digestFrom(text), void 0, text);
});
function certificate(t, subject) {
  const scratch = mkdtempSync(join(tmpdir(), "signet-"));
  t.after(() => rmSync(scratch, { recursive: true }));
  execFileSync("openssl", [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-utf8",
    "-days",
    "2",
    "-subj",
    subject,
    "-outform",
    "DER",
    "-keyout",
    join(scratch, "key.pem"),
    "-out",
    join(scratch, "certificate.der")
  ], { stdio: "ignore" });
  return readFileSync(join(scratch, "certificate.der"));
}
test("a certificate of another issuer or another person is told before anything is signed", (t) => {
  const der = certificate(t, "/C=MD/O=Întreprindere/CN=Maria Rusu/serialNumber=2001234567890");
  const { issuer, subject_serial } = names(der);
  assert.equal(subject_serial, "2001234567890");
  const ours = Buffer.from(issuer).toString("base64");
  assert.equal(misfit(der, {}), void 0);
  assert.equal(misfit(der, { issuers: ["AAAA", ours], subject_serial: "2001234567890" }), void 0);
  assert.equal(misfit(der, { issuers: ["AAAA"] }), "issuer");
  assert.equal(misfit(der, { issuers: [ours], subject_serial: "2001234567891" }), "signer");
  assert.equal(misfit(certificate(t, "/CN=Maria Rusu/serialNumber=IDCMD-2001234567890"), { subject_serial: "2001234567890" }), void 0);
  assert.equal(misfit(certificate(t, "/CN=Maria Rusu"), { subject_serial: "2001234567890" }), "signer");
});
test("a certificate that cannot be read is left to the portal", (t) => {
  const der = certificate(t, "/CN=x");
  for (const bytes of [new Uint8Array(), new TextEncoder().encode("a certificate"), der.subarray(0, 60), new Uint8Array([48, 132, 255, 255, 255, 255]), new Uint8Array([48, 128, 0, 0])]) {
    assert.equal(misfit(bytes, { issuers: ["AAAA"] }), void 0);
  }
});
function answers(...list) {
  const asked = [];
  return { asked, fetch: async (url, init) => {
    asked.push({ url: String(url), init: init ?? {} });
    const next = list.shift();
    if (next === void 0) throw new Error("asked too often");
    if (next instanceof Error) throw next;
    return next;
  } };
}
var json = (status, body, headers = {}) => new Response(JSON.stringify(body), { status, headers });
test("a call carries the page's token and its parameters", async () => {
  const { fetch: fetch2, asked } = answers(json(200, { saved: 1 }));
  await new Portal("7f", "secret", { fetch: fetch2 }).call("save", { key: "k" });
  const { url, init } = asked[0];
  assert.equal(url, "/7f/save");
  assert.deepEqual(init.headers, { "content-type": "application/json", "signet-page": "secret" });
  assert.equal(init.body, '{"key":"k"}');
});
test("a network that fails is tried again with longer pauses, and the person hears of it", async () => {
  const { fetch: fetch2 } = answers(new TypeError("network"), json(503, { error: { code: "unavailable" } }), json(429, {}), json(200, { ok: 1 }));
  const slept = [];
  const told = [];
  const portal = new Portal("7f", "t", { fetch: fetch2, sleep: async (ms) => void slept.push(ms), onTrouble: (seconds) => told.push(seconds) });
  assert.deepEqual(await portal.call("save"), { ok: 1 });
  assert.deepEqual(slept, [1e3, 2e3, 4e3]);
  assert.deepEqual(told, [1, 2, 4, void 0]);
});
test("what the portal says is not tried again", async () => {
  for (const [status, code] of [[409, "held"], [403, "token_invalid"], [400, "parameter_invalid"], [500, "internal"]]) {
    const { fetch: fetch2, asked } = answers(json(status, { error: { code, message: "m" } }));
    await assert.rejects(new Portal("7f", "t", { fetch: fetch2 }).call("save"), (error) => error instanceof PortalError && error.code === code);
    assert.equal(asked.length, 1);
  }
  await assert.rejects(new Portal("7f", "t", { fetch: answers(new Response("<html>", { status: 200 })).fetch }).call("state"), (error) => error instanceof PortalError && error.code === "internal");
});
test("Cancel ends the waiting for a network", async () => {
  const abort = new AbortController();
  const { fetch: fetch2 } = answers(new TypeError("network"), new TypeError("network"));
  const portal = new Portal("7f", "t", { fetch: fetch2, sleep: async () => abort.abort() });
  await assert.rejects(portal.call("claim", {}, abort.signal), { name: "AbortError" });
});
test("how long a claim lasts is told by the portal's clock, not by this computer's", async () => {
  const { fetch: fetch2 } = answers(json(200, { until: "2031-01-01T00:01:00Z", unsigned: 1 }, { date: "Wed, 01 Jan 2031 00:00:00 GMT" }));
  assert.equal((await new Portal("7f", "t", { fetch: fetch2 }).claim({ instrument: "moldsign", key: "k" })).lasts_ms, 6e4);
});
test("a key is 32 hexadecimal digits, and another one each time", () => {
  assert.match(drawKey(), /^[0-9a-f]{32}$/);
  assert.notEqual(drawKey(), drawKey());
});
var Hand = class {
  constructor() {
    this.timers = [];
    this.now = 0;
  }
  set(act, ms) {
    const timer = { act, at: this.now + ms };
    this.timers.push(timer);
    return timer;
  }
  clear(timer) {
    this.timers = this.timers.filter((one) => one !== timer);
  }
  async pass(ms) {
    this.now += ms;
    const due = this.timers.filter(({ at }) => at <= this.now);
    this.timers = this.timers.filter(({ at }) => at > this.now);
    for (const { act } of due) act();
    await new Promise(setImmediate);
  }
};
test("a claim is renewed at half its time; when another page has it, the page hears of it", async () => {
  const hand = new Hand();
  let free = true;
  let asked = 0;
  const lost = [];
  const claim = new Claim({
    claim: async () => {
      asked += 1;
      if (!free) throw new PortalError("held", "");
      return { answer: { until: "", unsigned: 1 }, lasts_ms: 3e4 };
    },
    release: () => void 0
  }, (error) => lost.push(error), "key", hand);
  await claim.take("moldsign");
  await hand.pass(14999);
  assert.equal(asked, 1);
  await hand.pass(1);
  assert.equal(asked, 2);
  free = false;
  await hand.pass(15e3);
  assert.equal(lost.length, 1);
  assert.equal(claim.taken, false);
  await hand.pass(6e4);
  assert.equal(asked, 3, "and then no more");
});
test("a claim that ran out while the laptop slept is taken again, and the work repeated", async () => {
  let claims = 0;
  const released = [];
  const claim = new Claim(
    { claim: async () => (claims += 1, { answer: { until: "", unsigned: 1 }, lasts_ms: 3e4 }), release: (key) => void released.push(key) },
    () => void 0,
    "key",
    new Hand()
  );
  await claim.take("moldsign");
  let tries = 0;
  assert.equal(await claim.guarded(async () => {
    tries += 1;
    if (tries === 1) throw new PortalError("held", "");
    return "done";
  }), "done");
  assert.deepEqual([claims, tries], [2, 2]);
  claim.release();
  claim.release();
  assert.deepEqual(released, ["key"], "given back once");
});
test("results that come together go together; each promise settles with its own call", async () => {
  const calls = [];
  let open;
  const saver = new Saver((results) => {
    calls.push(results);
    return new Promise((resolve) => open = resolve);
  });
  const settled = [];
  const add = (number) => saver.add(number, "<x/>").then(() => settled.push(number));
  const first = [add(1), add(2)];
  await Promise.resolve();
  await Promise.resolve();
  add(3);
  assert.deepEqual(calls.map((call) => call.map(({ number }) => number)), [[1, 2]], "one call at a time");
  assert.deepEqual(settled, []);
  open?.();
  await Promise.all(first);
  await new Promise(setImmediate);
  assert.deepEqual(settled, [1, 2]);
  assert.deepEqual(calls[1], [{ number: 3, signature: "<x/>" }]);
  const idle = saver.idle();
  open?.();
  await idle;
  assert.deepEqual(settled, [1, 2, 3]);
});
test("no call holds more than 500 results or 4 MiB", async () => {
  const sizes = [];
  const most = [];
  const saver = new Saver(async (results) => {
    sizes.push(results.length);
    most.push(JSON.stringify({ key: "0".repeat(32), results }).length);
  });
  await Promise.all(Array.from({ length: 1100 }, (_, number) => saver.add(number, "x")));
  assert.deepEqual(sizes, [500, 500, 100]);
  sizes.length = 0;
  await Promise.all(Array.from({ length: 40 }, (_, number) => saver.add(number, '"'.repeat(1e5))));
  assert.equal(sizes.reduce((sum, size) => sum + size), 40);
  assert.ok(Math.max(...most) < 4 * 1024 * 1024 && sizes.length > 1);
  await Promise.all([saver.add(1, "x".repeat(5e6)), saver.add(2, "y")]);
});
test("an error of the portal reaches those whose results it concerns, and the next can be saved", async () => {
  let fail = true;
  const saver = new Saver(async () => {
    if (fail) throw new PortalError("ended", "");
  });
  await assert.rejects(saver.add(1, "x"), PortalError);
  fail = false;
  await saver.add(2, "x");
});
test("versions are pinned and the lock file names no host", () => {
  const { devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  for (const [name, version] of Object.entries(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/, name);
  assert.ok(!readFileSync(join(folder, "package-lock.json"), "utf8").includes("://"));
});
