// What every page of Signet that signs says and counts with; a page's own texts are its texts.ts.
import type { Language } from "signet-sdk";

type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

export function plurals(language: Language): (count: number, forms: Forms) => string {
  const rules = new Intl.PluralRules(language);
  const digits = new Intl.NumberFormat(language);
  return (count, forms) => (forms[rules.select(count)] ?? forms.other).replace("#", digits.format(count));
}

export const ro_count = plurals("ro");
export const ru_count = plurals("ru");
export const en_count = plurals("en");

const ro = {
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
  countdown: (time: string) => `Timp rămas: ${time}`,
  signing: "Se semnează",
  signing_text: "Nu scoateți dispozitivul de semnare.",
  signed_of: (done: string, total: string) => `${done} din ${total} semnate`,
  remaining: (time: string) => `încă aproximativ ${time}`,
  lost: "Legătura cu Signet s-a întrerupt",
  lost_text: "Se caută din nou. Ce s-a semnat nu se pierde.",
  stopping: "Se oprește…",
  stopping_text: "Se așteaptă semnătura aflată în lucru.",
  stamping: "Se cere din nou marca temporală…",
  signer: (name: string) => `Semnează: ${name}`,
  expires: (days: number) => ro_count(days, { one: "Certificatul expiră peste # zi.", few: "Certificatul expiră peste # zile.", other: "Certificatul expiră peste # de zile." }),
  cancel: "Anulează",
  try_again: "Încearcă din nou",
  choose_other_certificate: "Alege alt certificat",
  technical: "Detalii tehnice",
  start_1: "Deschideți „Signet” din meniul de aplicații.",
  start_2: "Sau, într-un terminal:",
  start_3: "Reveniți aici și apăsați „Încearcă din nou”.",
  no_time_stamps: "Acest Signet nu are un serviciu de mărci temporale",
};

export type SigningTexts = typeof ro;

const ru: SigningTexts = {
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
  no_time_stamps: "У этого Signet нет службы меток времени",
};

const en: SigningTexts = {
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
  no_time_stamps: "This Signet has no time-stamping service",
};

/** Looking for the agent, waiting for the person, signing. */
export const SIGNING: Record<Language, SigningTexts> = { ro, ru, en };

/** Romanian unless the browser prefers one of the other two. */
export function preferredLanguage(preferences: readonly string[]): Language {
  for (const preference of preferences) {
    const [language] = preference.toLowerCase().split("-");
    if (language === "ro" || language === "ru" || language === "en") return language;
    if (language === "mo") return "ro";
  }
  return "ro";
}

export function number(language: Language, value: number): string {
  return new Intl.NumberFormat(language).format(value);
}

export function duration(language: Language, seconds: number): string {
  const unit = (value: number, name: string) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: 0 }).format(value);
  if (seconds < 60) return unit(Math.max(1, Math.ceil(seconds)), "second");
  if (seconds < 3_600) return unit(Math.ceil(seconds / 60), "minute");
  return `${unit(Math.floor(seconds / 3_600), "hour")} ${unit(Math.ceil((seconds % 3_600) / 60), "minute")}`;
}

/** 1:05, as a clock that runs down. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
