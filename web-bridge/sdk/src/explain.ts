import type { ErrorCode, SignetError } from "./errors.js";
import type { Language, WhoActs } from "./protocol.js";

/** An error in the person's words: what happened, and what they can do about it. */
export interface Explanation {
  title: string;
  advice: string;
}

type Text = readonly [title: string, advice: string];
type Texts = Record<Language, Text>;

const TOKEN_SOFTWARE: Texts = {
  ro: ["Dispozitivul de semnare nu a răspuns corect", "Scoateți dispozitivul, introduceți-l din nou și încercați încă o dată. Dacă se repetă, chemați administratorul calculatorului."],
  ru: ["Устройство подписи ответило с ошибкой", "Извлеките устройство, вставьте его снова и повторите попытку. Если ошибка повторяется, обратитесь к администратору компьютера."],
  en: ["The signing device did not answer as it should", "Take the device out, put it in again and try once more. If this repeats, call the computer's administrator."],
};
const PAGE_FAULT: Texts = {
  ro: ["Pagina a cerut ceva ce Signet nu poate face", "Reîncărcați pagina și încercați din nou. Dacă se repetă, anunțați serviciul acestui site."],
  ru: ["Страница запросила то, чего Signet не может сделать", "Обновите страницу и повторите попытку. Если ошибка повторяется, сообщите службе поддержки этого сайта."],
  en: ["The page asked for something that Signet cannot do", "Load the page again and try once more. If this repeats, tell the support of this site."],
};
const MACHINE_FAULT: Texts = {
  ro: ["Calculatorul nu poate semna acum", "Chemați administratorul calculatorului: comanda „signet status” arată cauza."],
  ru: ["Этот компьютер сейчас не может подписывать", "Обратитесь к администратору компьютера: команда «signet status» покажет причину."],
  en: ["This computer cannot sign right now", "Call the computer's administrator: the command “signet status” shows the cause."],
};
const DEFECT: Texts = {
  ro: ["O eroare internă a aplicației Signet", "Încercați din nou. Dacă se repetă, anunțați autorii aplicației; documentele dumneavoastră nu au fost schimbate."],
  ru: ["Внутренняя ошибка Signet", "Повторите попытку. Если ошибка повторяется, сообщите разработчикам; ваши документы не изменены."],
  en: ["An error inside Signet", "Try again. If this repeats, tell the makers of Signet; your documents have not been changed."],
};
const NOT_RUNNING: Texts = {
  ro: ["Signet nu este pornit pe acest calculator", "Porniți aplicația Signet (sau instalați-o) și încercați din nou."],
  ru: ["Signet не запущен на этом компьютере", "Запустите приложение Signet (или установите его) и повторите попытку."],
  en: ["Signet is not running on this computer", "Start the Signet application (or install it) and try again."],
};

const TEXTS: Record<ErrorCode, Texts> = {
  not_running: NOT_RUNNING,
  agent_not_running: NOT_RUNNING,
  no_answer: {
    ro: ["Signet nu răspunde", "Reporniți aplicația Signet și încercați din nou."],
    ru: ["Signet не отвечает", "Перезапустите приложение Signet и повторите попытку."],
    en: ["Signet does not answer", "Start the Signet application again and try once more."],
  },
  blocked_by_browser: {
    ro: ["Browserul nu lasă pagina să ajungă la Signet", "Deschideți setările site-ului (semnul din stânga adresei), permiteți accesul la aplicațiile de pe acest dispozitiv și încercați din nou."],
    ru: ["Браузер не пускает страницу к Signet", "Откройте настройки сайта (значок слева от адреса), разрешите доступ к приложениям на этом устройстве и повторите попытку."],
    en: ["The browser does not let the page reach Signet", "Open the site's settings (the sign to the left of the address), allow access to apps on this device and try again."],
  },
  blocked_by_csp: {
    ro: ["Regulile acestui site nu permit legătura cu Signet", "Anunțați serviciul acestui site: politica de securitate (connect-src) a paginii trebuie completată."],
    ru: ["Правила этого сайта не разрешают связь с Signet", "Сообщите службе поддержки сайта: политику безопасности (connect-src) страницы нужно дополнить."],
    en: ["The rules of this site do not allow the way to Signet", "Tell the support of this site: the page's security policy (connect-src) must be completed."],
  },
  connection_lost: {
    ro: ["Legătura cu Signet s-a întrerupt", "Verificați că Signet este pornit și încercați din nou. Ce s-a semnat nu se pierde."],
    ru: ["Связь с Signet прервалась", "Проверьте, что Signet запущен, и повторите попытку. То, что уже подписано, не пропадёт."],
    en: ["The connection to Signet was lost", "Check that Signet is running and try again. What was signed is not lost."],
  },
  file_unreadable: {
    ro: ["Un fișier nu poate fi citit", "Fișierul a fost mutat sau schimbat, ori este prea mare pentru browser. Alegeți-l din nou."],
    ru: ["Файл не удаётся прочитать", "Файл перемещён или изменён либо слишком велик для браузера. Выберите его снова."],
    en: ["A file cannot be read", "The file was moved or changed, or is too large for the browser. Choose it again."],
  },
  user_cancelled: {
    ro: ["Semnarea nu a fost confirmată", "Fereastra Signet a fost închisă sau timpul a expirat. Puteți încerca din nou."],
    ru: ["Подписание не подтверждено", "Окно Signet было закрыто или время истекло. Можно повторить попытку."],
    en: ["Signing was not confirmed", "The window of Signet was closed or its time ran out. You can try again."],
  },
  pin_incorrect: {
    ro: ["PIN greșit", "Verificați PIN-ul și încercați din nou."],
    ru: ["Неверный PIN-код", "Проверьте PIN-код и повторите попытку."],
    en: ["Wrong PIN", "Check the PIN and try again."],
  },
  pin_locked: {
    ro: ["PIN-ul este blocat", "Deblocați-l cu codul PUK sau adresați-vă celui care a eliberat dispozitivul."],
    ru: ["PIN-код заблокирован", "Разблокируйте его кодом PUK или обратитесь к тому, кто выдал устройство."],
    en: ["The PIN is locked", "Unlock it with the PUK or turn to whoever issued the device."],
  },
  pin_length: {
    ro: ["PIN prea scurt sau prea lung", "Introduceți PIN-ul întreg; nicio încercare nu s-a consumat."],
    ru: ["PIN-код слишком короткий или слишком длинный", "Введите PIN-код полностью; попытка не потрачена."],
    en: ["The PIN is too short or too long", "Type the whole PIN; no try was spent."],
  },
  pin_unfit: {
    ro: ["PIN-ul nou nu este acceptat", "Alegeți altul: dispozitivul are reguli proprii pentru caractere și lungime."],
    ru: ["Новый PIN-код не принят", "Выберите другой: у устройства свои правила о символах и длине."],
    en: ["The new PIN is not accepted", "Choose another one: the device has rules of its own for characters and length."],
  },
  pin_unknown: {
    ro: ["Nu se știe care PIN este valabil", "Încercați o dată PIN-ul nou, apoi cel vechi; nu mai mult de o dată fiecare."],
    ru: ["Неизвестно, какой PIN-код действует", "Попробуйте один раз новый PIN-код, затем старый; не более одного раза каждый."],
    en: ["It is not known which PIN counts", "Try the new PIN once, then the old one; not more than once each."],
  },
  puk_incorrect: {
    ro: ["PUK greșit", "Verificați PUK-ul: fiecare încercare este prețioasă."],
    ru: ["Неверный PUK-код", "Проверьте PUK-код: каждая попытка дорога."],
    en: ["Wrong PUK", "Check the PUK: each of its tries is precious."],
  },
  puk_locked: {
    ro: ["PUK-ul este blocat", "Adresați-vă celui care a eliberat dispozitivul: numai el poate ajuta."],
    ru: ["PUK-код заблокирован", "Обратитесь к тому, кто выдал устройство: помочь может только он."],
    en: ["The PUK is locked", "Turn to whoever issued the device: nobody else can help."],
  },
  unblock_unknown: {
    ro: ["Nu se știe cum se deblochează PIN-ul", "Adresați-vă celui care a eliberat dispozitivul; nu s-a încercat nimic."],
    ru: ["Неизвестно, как разблокировать PIN-код", "Обратитесь к тому, кто выдал устройство; ничего не пробовалось."],
    en: ["How the PIN is unblocked is not known", "Turn to whoever issued the device; nothing was tried."],
  },
  no_token: {
    ro: ["Nu s-a găsit niciun dispozitiv de semnare", "Introduceți tokenul USB sau cardul și încercați din nou."],
    ru: ["Устройство подписи не найдено", "Вставьте USB-токен или карту и повторите попытку."],
    en: ["No signing device was found", "Put in the USB token or the card and try again."],
  },
  token_removed: {
    ro: ["Dispozitivul de semnare a fost scos", "Introduceți-l din nou și continuați. Ce s-a semnat nu se pierde."],
    ru: ["Устройство подписи извлечено", "Вставьте его снова и продолжите. То, что уже подписано, не пропадёт."],
    en: ["The signing device was taken out", "Put it in again and go on. What was signed is not lost."],
  },
  certificate_not_found: {
    ro: ["Certificatul nu este pe dispozitiv", "Introduceți dispozitivul cu certificatul ales sau alegeți alt certificat."],
    ru: ["Сертификата нет на устройстве", "Вставьте устройство с выбранным сертификатом или выберите другой сертификат."],
    en: ["The certificate is not on the device", "Put in the device with the chosen certificate, or choose another one."],
  },
  certificate_unfit: {
    ro: ["Certificatul nu este pentru semnare", "Alegeți un certificat de semnătură electronică."],
    ru: ["Сертификат не предназначен для подписи", "Выберите сертификат электронной подписи."],
    en: ["The certificate is not meant for signing", "Choose a certificate for electronic signatures."],
  },
  certificate_expired: {
    ro: ["Certificatul nu este în termen", "Adresați-vă celui care l-a eliberat pentru unul nou."],
    ru: ["Срок действия сертификата истёк или ещё не наступил", "Обратитесь за новым к тому, кто его выдал."],
    en: ["The certificate is outside its validity", "Turn to whoever issued it for a new one."],
  },
  card_busy: {
    ro: ["Alt program folosește dispozitivul", "Închideți celălalt program și încercați din nou."],
    ru: ["Устройство занято другой программой", "Закройте другую программу и повторите попытку."],
    en: ["Another program is using the device", "Close the other program and try again."],
  },
  screen_locked: {
    ro: ["Ecranul a fost blocat", "Deblocați-l și continuați cu PIN-ul. Ce s-a semnat nu se pierde."],
    ru: ["Экран был заблокирован", "Разблокируйте его и продолжите, введя PIN-код. То, что уже подписано, не пропадёт."],
    en: ["The screen was locked", "Unlock it and go on with the PIN. What was signed is not lost."],
  },
  machine_asleep: {
    ro: ["Calculatorul a intrat în repaus", "Continuați cu PIN-ul. Ce s-a semnat nu se pierde."],
    ru: ["Компьютер перешёл в спящий режим", "Продолжите, введя PIN-код. То, что уже подписано, не пропадёт."],
    en: ["The computer went to sleep", "Go on with the PIN. What was signed is not lost."],
  },
  origin_refused: {
    ro: ["Signet nu permite semnarea de pe acest site", "Dacă aveți încredere în site, administratorul calculatorului îl poate adăuga la cele permise."],
    ru: ["Signet не разрешает подписывать с этого сайта", "Если вы доверяете сайту, администратор компьютера может добавить его в разрешённые."],
    en: ["Signet does not allow signing from this site", "If you trust the site, the computer's administrator can add it to the allowed ones."],
  },
  host_refused: PAGE_FAULT,
  hello_required: PAGE_FAULT,
  version_unsupported: {
    ro: ["Signet și această pagină au versiuni nepotrivite", "Actualizați aplicația Signet și reîncărcați pagina."],
    ru: ["Версии Signet и этой страницы не подходят друг другу", "Обновите приложение Signet и перезагрузите страницу."],
    en: ["Signet and this page do not fit each other's version", "Update the Signet application and load the page again."],
  },
  message_invalid: PAGE_FAULT,
  message_too_large: PAGE_FAULT,
  method_unknown: PAGE_FAULT,
  parameter_invalid: PAGE_FAULT,
  algorithm_unknown: PAGE_FAULT,
  digest_length: PAGE_FAULT,
  id_duplicate: PAGE_FAULT,
  batch_empty: PAGE_FAULT,
  batch_too_large: {
    ro: ["Prea multe documente deodată", "Împărțiți-le în mai multe rânduri, cel mult 100 000 odată."],
    ru: ["Слишком много документов за один раз", "Разделите их на несколько партий, не более 100 000 в каждой."],
    en: ["Too many documents at once", "Split them into several batches of at most 100 000."],
  },
  part_out_of_order: PAGE_FAULT,
  batch_unknown: {
    ro: ["Signet nu mai are această semnare", "A trecut prea mult timp sau Signet a fost repornit. Începeți din nou cu documentele nesemnate."],
    ru: ["Signet больше не хранит это подписание", "Прошло слишком много времени или Signet был перезапущен. Начните заново с неподписанными документами."],
    en: ["Signet does not have this batch any more", "Too much time passed or Signet was started again. Begin anew with the documents that are not signed."],
  },
  batch_state: PAGE_FAULT,
  too_many: {
    ro: ["Prea multe semnări deschise", "Închideți celelalte file ale acestui site sau așteptați să se termine, apoi încercați din nou."],
    ru: ["Открыто слишком много подписаний", "Закройте другие вкладки этого сайта или дождитесь их завершения и повторите попытку."],
    en: ["Too many signings are open", "Close the other tabs of this site or wait until they are done, then try again."],
  },
  other_user: {
    ro: ["Signet este pornit de alt utilizator al calculatorului", "Porniți Signet în sesiunea dumneavoastră și încercați din nou."],
    ru: ["Signet запущен другим пользователем компьютера", "Запустите Signet в своём сеансе и повторите попытку."],
    en: ["Signet is run by another user of this computer", "Start Signet in your own session and try again."],
  },
  no_dialog_possible: {
    ro: ["Signet nu poate deschide fereastra de confirmare", "Deschideți o sesiune grafică pe acest calculator și încercați din nou."],
    ru: ["Signet не может открыть окно подтверждения", "Откройте графический сеанс на этом компьютере и повторите попытку."],
    en: ["Signet cannot open its confirmation window", "Open a graphical session on this computer and try again."],
  },
  module_missing: {
    ro: ["Programul dispozitivului de semnare nu este instalat", "Dispozitivul a fost recunoscut, dar lipsește programul producătorului. Chemați administratorul calculatorului: comanda „signet tokens --explain” spune ce trebuie instalat."],
    ru: ["Программа для устройства подписи не установлена", "Устройство распознано, но нет программы его производителя. Обратитесь к администратору компьютера: команда «signet tokens --explain» скажет, что установить."],
    en: ["The signing device's software is not installed", "The device was recognised, but its maker's software is missing. Call the computer's administrator: the command “signet tokens --explain” says what to install."],
  },
  module_failed: TOKEN_SOFTWARE,
  token_host_died: TOKEN_SOFTWARE,
  token_host_timeout: TOKEN_SOFTWARE,
  token_failed: TOKEN_SOFTWARE,
  mechanism_unsupported: {
    ro: ["Dispozitivul nu poate face acest fel de semnătură", "Alegeți alt certificat sau alt dispozitiv."],
    ru: ["Устройство не умеет делать такую подпись", "Выберите другой сертификат или другое устройство."],
    en: ["The device cannot make this kind of signature", "Choose another certificate or another device."],
  },
  time_stamp_failed: {
    ro: ["Marca temporală nu a putut fi obținută", "Semnătura este făcută. Verificați legătura la internet și cereți din nou marca temporală."],
    ru: ["Не удалось получить метку времени", "Подпись сделана. Проверьте подключение к интернету и запросите метку времени ещё раз."],
    en: ["The time stamp could not be fetched", "The signature is made. Check the internet connection and ask for the time stamp again."],
  },
  network_failed: {
    ro: ["Rețeaua nu răspunde", "Verificați legătura la internet și încercați din nou."],
    ru: ["Сеть не отвечает", "Проверьте подключение к интернету и повторите попытку."],
    en: ["The network does not answer", "Check the internet connection and try again."],
  },
  disk_full: {
    ro: ["Nu mai este loc pe disc", "Eliberați spațiu pe disc și încercați din nou."],
    ru: ["На диске нет места", "Освободите место на диске и повторите попытку."],
    en: ["The disk is full", "Free some space on the disk and try again."],
  },
  file_failed: MACHINE_FAULT,
  memory_not_lockable: MACHINE_FAULT,
  configuration_invalid: MACHINE_FAULT,
  internal: DEFECT,
};

const BY_WHO: Record<WhoActs, Texts> = { person: TOKEN_SOFTWARE, caller: PAGE_FAULT, machine: MACHINE_FAULT, us: DEFECT };

/** What stays said however the sentence ends: Romanian counts "20 de încercări", Russian by Slavic plurals. */
const TRIES: Record<Language, Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }> = {
  ro: { one: "A rămas o singură încercare.", few: "Au rămas # încercări.", other: "Au rămas # de încercări." },
  ru: { one: "Осталась # попытка.", few: "Осталось # попытки.", many: "Осталось # попыток.", other: "Осталось # попытки." },
  en: { one: "One try is left.", other: "# tries are left." },
};
const FINAL_TRY: Record<Language, string> = {
  ro: "Încă un PIN greșit blochează dispozitivul.",
  ru: "Ещё один неверный PIN-код заблокирует устройство.",
  en: "One more wrong PIN locks the device.",
};

export function explain(error: Pick<SignetError, "code" | "who" | "triesLeft" | "finalTry">, language: Language): Explanation {
  const [title, advice] = (TEXTS[error.code] ?? BY_WHO[error.who])[language];
  const sentences = [advice];
  if (error.triesLeft !== undefined) {
    const forms = TRIES[language];
    sentences.push((forms[new Intl.PluralRules(language).select(error.triesLeft)] ?? forms.other).replace("#", String(error.triesLeft)));
  }
  if (error.finalTry || error.triesLeft === 1) sentences.push(FINAL_TRY[language]);
  return { title, advice: sentences.join(" ") };
}
