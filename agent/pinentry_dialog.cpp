#include "agent/pinentry_dialog.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <ctime>
#include <mutex>

#include "agent/assuan_client.hpp"
#include "agent/messages.hpp"
#include "base/text.hpp"
#include "service/text.hpp"
#include "service/worker.hpp"

namespace signet::agent {

using service::filled;
using service::InLanguage;
using service::on_worker;
using service::tr;

using base::ErrorCode;
using base::failure;
using boost::asio::awaitable;
using signing::ConsentRequest;
using signing::PinEntry;
using signing::PinEntryRequest;
using Task = PinEntryRequest::Task;

namespace {

// A person who mistypes more often than this starts again.
constexpr int most_rounds_of_a_pin = 10;

// Some pinentries read a text that looks like HTML as HTML: what comes from outside has no angle brackets.
std::string plain(std::string_view text, std::size_t most) {
  std::string out = base::shown(text, most);
  std::ranges::replace(out, '<', '(');
  std::ranges::replace(out, '>', ')');
  return out;
}

std::string date(base::Time time) { return base::rfc3339(time).substr(0, 10); }

std::string who_asks(const signing::Origin& origin) { return origin.is_command_line() ? tr("The command line") : origin.text(); }

std::string certificate_lines(const signing::SigningCertificate& certificate, std::size_t name_bytes) {
  using enum signing::SigningCertificate::Validity;
  std::string out = filled(tr("Certificate: %1"), {plain(certificate.certificate.common_name(), name_bytes)}) + "\n";
  switch (certificate.validity) {
    case valid:
      out += filled(tr("Valid until %1"), {date(certificate.certificate.not_after())});
      break;
    case expires_soon:
      out += filled(
          tr("Expires in %1 day, on %2", "Expires in %1 days, on %2", static_cast<unsigned long>(certificate.left.count())),
          {std::to_string(certificate.left.count()), date(certificate.certificate.not_after())});
      break;
    case not_yet_valid:
      out += filled(tr("Not valid before %1"), {date(certificate.certificate.not_before())});
      break;
    case expired:
      out += filled(tr("Expired on %1"), {date(certificate.certificate.not_after())});
      break;
  }
  return out;
}

// As the clock on the wall shows it: hours and minutes.
std::string clock_time(base::Time time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char text[16];
  return std::string(text, std::strftime(text, sizeof text, "%H:%M", &local));
}

// What is kept of the PIN, and until when. A reader with a PIN pad gives none away.
std::string keeping_text(const ConsentRequest& request) {
  if (request.pin == ConsentRequest::Pin::reader || !request.pin_until) return {};
  const bool typed = request.pin == ConsentRequest::Pin::ask;
  switch (request.pin_scope) {
    case signing::PinScope::off:
      return typed ? tr("The PIN is not kept: each signature asks for it.") : std::string{};
    case signing::PinScope::batch:
      return typed ? tr("The PIN is kept until these are signed.")
                   : filled(tr("The PIN that you typed before is used, and kept until these are signed, or until %1."),
                            {clock_time(*request.pin_until)});
    case signing::PinScope::session:
      break;
  }
  return filled(typed ? tr("The PIN is kept for what this asker wants signed next, until %1 at the latest.")
                      : tr("The PIN that you typed before is used; it is kept until %1."),
                {clock_time(*request.pin_until)});
}

std::string names_lines(const ConsentRequest& request, std::size_t names, std::size_t bytes_each) {
  std::string out;
  for (std::size_t i = 0; i < names; ++i) out += "  • " + plain(request.first_names[i], bytes_each) + "\n";
  const std::size_t more = request.count - names;
  if (more > 0 && names > 0) out += "  " + filled(tr("and %1 more", "and %1 more", more), {std::to_string(more)}) + "\n";
  return out;
}

std::string refusal_text(const ConsentRequest& request) {
  std::string out;
  if (request.last_refusal == ErrorCode::pin_incorrect) out = tr("The PIN was wrong.");
  if (request.last_refusal == ErrorCode::pin_length) out = tr("The PIN was too short or too long; it was not tried.");
  if (request.final_try)
    out += (out.empty() ? "" : " ") + std::string(tr("This is the last try: another wrong PIN locks the token."));
  return out;
}

std::string commitment_line(const std::string& uri, std::size_t bytes) {
  const std::string named = commitment_text(uri);
  return named.empty() ? plain(uri, bytes) : named;
}

// A line for each thing that is stated. `bytes`: of each text from outside.
std::string statement_lines(const xades::Statements& statements, std::size_t bytes) {
  std::string out;
  const auto line = [&out](const char* what, const std::string& text) { out += "  • " + filled(what, {text}) + "\n"; };
  for (const std::string& type : statements.commitment_types) line(tr("Commitment: %1"), commitment_line(type, bytes));
  for (const std::string& role : statements.claimed_roles) line(tr("Role: %1"), plain(role, bytes));
  std::string place;
  for (const std::string* part : {&statements.place.city, &statements.place.street, &statements.place.state,
                                  &statements.place.postal_code, &statements.place.country})
    if (!part->empty()) place += (place.empty() ? "" : ", ") + *part;
  if (!place.empty()) line(tr("Place: %1"), plain(place, bytes));
  if (statements.policy) {
    const std::string& location = statements.policy->location;
    line(tr("Signature policy: %1"), plain(statements.policy->identifier + (location.empty() ? "" : " " + location), bytes));
  }
  return out;
}

base::Result<void> set_up(Pinentry& pinentry, const std::string& description, const char* ok, const char* cancel,
                          std::chrono::seconds timeout) {
  for (const auto& [command, text] :
       std::vector<std::pair<std::string, std::string>>{{"SETTITLE", "Signet"},
                                                        {"SETDESC", description},
                                                        {"SETOK", ok},
                                                        {"SETCANCEL", cancel},
                                                        {"SETTIMEOUT", std::to_string(timeout.count())}}) {
    if (auto done = pinentry.set(command, text); !done) return done;
  }
  return {};
}

}  // namespace

namespace {

// In the dialog for consent nothing of a statement is cut: more than the protocol takes.
constexpr std::size_t whole_statement = 512;

// Both where the statements do not fit beside all else: then they are asked about first.
struct ConsentTexts {
  std::string consent, statements;
};

std::string statements_alone(const ConsentRequest& request) {
  const std::string start =
      filled(tr("%1 wants your signature to state this, in its words:"), {who_asks(request.origin)}) + "\n\n";
  std::string text;
  for (const std::size_t bytes : {256, 128, 96, 64, 40, 24, 12}) {
    text = start + statement_lines(request.statements, bytes);
    if (assuan_escaped(text).size() <= most_escaped_bytes) break;
  }
  return text;
}

ConsentTexts consent_texts(const ConsentRequest& request) {
  const std::string count = std::to_string(request.count);
  std::string start;
  if (request.consent_given) {
    start =
        filled(tr("Signing goes on for %1: %2 document in all.", "Signing goes on for %1: %2 documents in all.", request.count),
               {who_asks(request.origin), count});
  } else {
    start = filled(tr("%1 asks you to sign %2 document.", "%1 asks you to sign %2 documents.", request.count),
                   {who_asks(request.origin), count});
  }
  start += "\n";
  const std::string level = request.level == xades::Level::b_t ? tr("Each signature gets a time stamp (XAdES-B-T).")
                                                               : tr("Without time stamps (XAdES-B-B).");
  std::string last;
  if (const std::string keeping = keeping_text(request); !keeping.empty()) last += "\n" + keeping;
  if (const std::string refusal = refusal_text(request); !refusal.empty() && request.pin != ConsentRequest::Pin::ask)
    last += "\n" + refusal;
  if (request.pin == ConsentRequest::Pin::reader)
    last += std::string("\n\n") + filled(tr("Press “%1”, then enter the PIN on the card reader."), {tr("Sign")});
  const auto certificate = [&](std::size_t name_bytes) {
    return "\n" + certificate_lines(request.certificate, name_bytes) + "\n";
  };
  const std::string end = certificate(80) + level + last;
  const auto purpose = [&](std::size_t most) {
    return request.purpose.empty() ? std::string{}
                                   : filled(tr("Purpose, in its words: “%1”"), {plain(request.purpose, most)}) + "\n";
  };
  // From the fullest text to the shortest: the origin and the count are whole in all of them.
  const std::string lines = request.consent_given ? std::string{} : statement_lines(request.statements, whole_statement);
  const std::string stated =
      lines.empty() ? lines : "\n" + std::string(tr("Your signature also states, in its words:")) + "\n" + lines;
  const auto fitting = [&](const std::string& statements) -> std::optional<std::string> {
    for (const auto& [names, bytes, purpose_bytes] :
         {std::tuple<std::size_t, std::size_t, std::size_t>{5, 60, 120}, {5, 40, 80}, {3, 40, 60}, {2, 30, 40}, {1, 24, 24}}) {
      std::string text = start + purpose(purpose_bytes) + "\n" +
                         names_lines(request, std::min(names, request.first_names.size()), bytes) + statements + end;
      if (assuan_escaped(text).size() <= most_escaped_bytes) return text;
    }
    return std::nullopt;
  };
  if (auto text = fitting(stated)) return {std::move(*text), {}};
  const std::string apart = stated.empty() ? stated : statements_alone(request);
  if (auto text = fitting({})) return {std::move(*text), apart};
  for (const std::size_t bytes : {80, 40, 24}) {
    std::string text = start + certificate(bytes) + level + last;
    if (assuan_escaped(text).size() <= most_escaped_bytes) return {std::move(text), apart};
  }
  return {start + certificate(24) + last, apart};
}

}  // namespace

std::string consent_text(const ConsentRequest& request) { return consent_texts(request).consent; }

std::string statements_text(const ConsentRequest& request) { return consent_texts(request).statements; }

namespace {

// Neither is translated: they are what stands on the letter that came with the token.
std::string old_secret_name(Task task) { return task == Task::change ? "PIN" : task == Task::unblock_by_puk ? "PUK" : "SO PIN"; }

std::string token_name(const PinEntryRequest& request) { return plain(request.token_label, 40); }

std::string task_text(const PinEntryRequest& request) {
  const std::vector<std::string> token{token_name(request), plain(request.token_serial, 40)};
  return request.task == Task::change ? filled(tr("The PIN of the token “%1” (serial number %2) is to be changed."), token)
                                      : filled(tr("The PIN of the token “%1” (serial number %2) is to be unblocked."), token);
}

std::string length_text(const PinEntryRequest& request) {
  const std::vector<std::string> range{std::to_string(request.pin_min), std::to_string(request.pin_max)};
  if (request.pin_max == 0) return filled(tr("The PIN has at least %1 characters."), {range[0]});
  return filled(tr("The PIN has %1 to %2 characters."), range);
}

bool has_length(const PinEntryRequest& request, const base::Secret& pin) {
  const std::size_t size = pin.bytes().size();
  return size >= request.pin_min && (request.pin_max == 0 || size <= request.pin_max);
}

bool same(const base::Secret& one, const base::Secret& other) {
  const base::BytesView a = one.bytes(), b = other.bytes();
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

std::string old_secret_text(const PinEntryRequest& request) {
  const std::string start = task_text(request) + "\n\n";
  if (request.task == Task::change) return start + tr("Type the PIN that it has now.");
  return start +
         filled(tr("Type its %1. Each wrong one costs one of few tries; when they are used up, only the issuer of the token "
                   "can help."),
                {old_secret_name(request.task)});
}

std::string new_pin_text(const PinEntryRequest& request) {
  return task_text(request) + "\n\n" + tr("Type the new PIN, and then the same again.") + " " + length_text(request);
}

std::string last_try_text(const PinEntryRequest& request) {
  if (request.task == Task::change)
    return filled(
        tr("Only one try is left for the PIN of the token “%1”.\n\nAnother wrong PIN locks the token. Go on only if you "
           "are sure of the PIN."),
        {token_name(request)});
  const std::vector<std::string> names{token_name(request), old_secret_name(request.task)};
  if (request.last_try == PinEntryRequest::LastTry::yes)
    return filled(
        tr("Only one try is left for the %2 of the token “%1”.\n\nIf it is wrong the token is locked for good: only its "
           "issuer can help then. Go on only if you are sure of it."),
        names);
  return filled(
      tr("The %2 of the token “%1” was wrong before, and the token does not say how many tries are left.\n\nIf this is the "
         "last one and it is wrong, the token is locked for good: only its issuer can help then. Go on only if you are "
         "sure of it."),
      names);
}

std::string choice_text(const signing::Origin& origin, const signing::SigningCertificate& certificate, std::size_t number,
                        std::size_t of) {
  const std::string question = of == 1
                                   ? filled(tr("%1 wants to know your certificate. Shall it get this one?"), {who_asks(origin)})
                                   : filled(tr("Which certificate shall %1 get? (%2 of %3)"),
                                            {who_asks(origin), std::to_string(number), std::to_string(of)});
  std::string out;
  for (const auto& [name_bytes, issuer_bytes, label_bytes] :
       {std::tuple<std::size_t, std::size_t, std::size_t>{80, 120, 40}, {80, 60, 40}, {40, 40, 24}, {24, 24, 16}}) {
    out = question + "\n\n" + certificate_lines(certificate, name_bytes) + "\n";
    out += filled(tr("Issued by: %1"), {plain(certificate.certificate.issuer(), issuer_bytes)}) + "\n";
    out += filled(tr("Token: %1"), {plain(certificate.place.token.label, label_bytes)});
    if (assuan_escaped(out).size() <= most_escaped_bytes) break;
  }
  return out;
}

// One question to the person, from when it begins to wait for its turn. It is asked on the dialog thread and closed on the
// agent's.
class PinentryDialog::Question {
 public:
  explicit Question(signing::Asker asker) : asker_(std::move(asker)) {}

  bool is_of(const signing::Asker& asker) const { return asker_ == asker; }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    if (shown_ != nullptr) shown_->interrupt();
  }
  // False when it was closed before its pinentry had been started.
  bool shown_by(const Pinentry& pinentry) {
    const std::lock_guard lock(mutex_);
    shown_ = &pinentry;
    return !closed_;
  }
  // Before the pinentry is gone: afterwards its numbers may be another's.
  void hidden() {
    const std::lock_guard lock(mutex_);
    shown_ = nullptr;
  }

 private:
  signing::Asker asker_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  const Pinentry* shown_ = nullptr;
};

PinentryDialog::PinentryDialog(boost::asio::any_io_executor executor, Configuration::Dialog options,
                               std::function<Screen()> screen, std::function<std::string(const signing::Origin&)> language)
    : options_(std::move(options)),
      screen_(std::move(screen)),
      language_(std::move(language)),
      turns_(std::make_shared<signing::Turns>(std::move(executor))) {}

PinentryDialog::~PinentryDialog() {
  for (const auto& weak : questions_) {
    if (const auto question = weak.lock()) question->close();
  }
  thread_.join();
}

// One dialog at a time: waits its turn, tells who waits that it opens, and runs it on the dialog thread.
template <class T>
awaitable<base::Result<T>> PinentryDialog::ask(signing::Asker asker, signing::Origin origin, signing::Waiting::For what,
                                               WaitingCallback waiting,
                                               std::function<base::Result<T>(const Screen&, Question&)> dialog) {
  const auto question = std::make_shared<Question>(std::move(asker));
  std::erase_if(questions_, [](const auto& weak) { return weak.expired(); });
  questions_.push_back(question);
  const signing::Turns::Turn turn = co_await turns_->take();
  if (question->closed()) co_return failure(ErrorCode::user_cancelled, "who asked is gone");
  if (waiting) waiting({what, std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) + options_.timeout});
  co_return co_await on_worker(thread_,
                               [dialog = std::move(dialog), question, language = language_(origin), this]() -> base::Result<T> {
                                 const InLanguage spoken(language);
                                 const Screen screen = screen_();
                                 if (auto possible = can_show(screen); !possible && options_.pinentry == "pinentry")
                                   return base::failure_of(possible);
                                 return dialog(screen, *question);
                               });
}

// One pinentry process, which ends with the conversation.
template <class Talk>
auto PinentryDialog::with_pinentry(const Screen& screen, Question& question, Talk talk) {
  using Answer = std::invoke_result_t<Talk, Pinentry&>;
  auto pinentry = Pinentry::start(options_.pinentry, screen);
  if (!pinentry) return Answer(base::failure_of(pinentry));
  const auto asked = [&]() -> Answer {
    const auto gone = failure(ErrorCode::user_cancelled, "who asked is gone");
    if (!question.shown_by(*pinentry)) return Answer(gone);
    // One that says nothing can be closed, too.
    if (auto greeted = pinentry->greet(screen); !greeted)
      return question.closed() ? Answer(gone) : Answer(base::failure_of(greeted));
    return talk(*pinentry);
  };
  Answer answer = asked();
  question.hidden();
  return answer;
}

awaitable<base::Result<signing::ConsentAnswer>> PinentryDialog::consent(ConsentRequest request, WaitingCallback waiting) {
  using enum signing::Waiting::For;
  using Answer = base::Result<signing::ConsentAnswer>;
  const auto what = request.pin == ConsentRequest::Pin::reader ? reader
                    : request.consent_given                    ? pin
                                                               : signing::Waiting::For::consent;
  const signing::Asker asker = request.asker;
  const signing::Origin origin = request.origin;
  return ask<signing::ConsentAnswer>(
      asker, origin, what, std::move(waiting),
      [this, request = std::move(request)](const Screen& screen, Question& question) -> Answer {
        if (const std::string stated = statements_text(request); !stated.empty()) {
          const auto agreed = confirmed(stated, screen, question);
          if (!agreed) return std::unexpected(agreed.error());
          if (!*agreed) return failure(ErrorCode::user_cancelled, "not stated");
        }
        if (request.pin == ConsentRequest::Pin::ask && request.final_try) {
          const auto sure = with_pinentry(screen, question, [&](Pinentry& pinentry) -> base::Result<Pinentry::Answer> {
            const std::string warning =
                filled(tr("%1 wants to sign, but only one try is left for the PIN of the token “%2”.\n\nAnother wrong PIN locks "
                          "the token. Go on only if you are sure of the PIN."),
                       {who_asks(request.origin), plain(request.certificate.place.token.label, 40)});
            if (auto set = set_up(pinentry, warning, tr("Go on"), tr("Cancel"), options_.timeout); !set)
              return base::failure_of(set);
            return pinentry.confirm();
          });
          if (!sure) return std::unexpected(sure.error());
          if (*sure != Pinentry::Answer::ok) return failure(ErrorCode::user_cancelled, "not confirmed");
        }
        return with_pinentry(screen, question, [&](Pinentry& pinentry) -> Answer {
          if (auto set = set_up(pinentry, consent_text(request), tr("Sign"), tr("Cancel"), options_.timeout); !set)
            return base::failure_of(set);
          if (request.pin != ConsentRequest::Pin::ask) {
            const auto answer = pinentry.confirm();
            if (!answer) return std::unexpected(answer.error());
            if (*answer != Pinentry::Answer::ok) return failure(ErrorCode::user_cancelled, "cancelled in the dialog");
            return signing::ConsentAnswer{};
          }
          if (auto set = pinentry.set("SETPROMPT", tr("PIN:")); !set) return base::failure_of(set);
          if (const std::string refusal = refusal_text(request); !refusal.empty()) {
            if (auto set = pinentry.set("SETERROR", refusal); !set) return base::failure_of(set);
          }
          auto typed = pinentry.get_pin();
          if (!typed) return base::failure_of(typed);
          return signing::ConsentAnswer{std::move(typed->pin)};
        });
      });
}

base::Result<bool> PinentryDialog::confirmed(const std::string& text, const Screen& screen, Question& question) {
  const auto answer = with_pinentry(screen, question, [&](Pinentry& pinentry) -> base::Result<Pinentry::Answer> {
    if (auto set = set_up(pinentry, text, tr("Go on"), tr("Cancel"), options_.timeout); !set) return base::failure_of(set);
    return pinentry.confirm();
  });
  if (!answer) return std::unexpected(answer.error());
  return *answer == Pinentry::Answer::ok;
}

base::Result<base::Secret> PinentryDialog::old_secret(const PinEntryRequest& request, const Screen& screen, Question& question) {
  std::string problem;
  for (int round = 0; round < most_rounds_of_a_pin; ++round) {
    auto typed = with_pinentry(screen, question, [&](Pinentry& pinentry) -> base::Result<Pinentry::Typed> {
      if (auto set = set_up(pinentry, old_secret_text(request), tr("Go on"), tr("Cancel"), options_.timeout); !set)
        return base::failure_of(set);
      if (auto set = pinentry.set("SETPROMPT", old_secret_name(request.task) + ":"); !set) return base::failure_of(set);
      if (!problem.empty()) {
        if (auto set = pinentry.set("SETERROR", problem); !set) return base::failure_of(set);
      }
      return pinentry.get_pin();
    });
    if (!typed) return base::failure_of(typed);
    if (typed->pin.empty()) return failure(ErrorCode::user_cancelled, "an empty PIN is a cancel");
    if (request.task != Task::change || has_length(request, typed->pin)) return std::move(typed->pin);
    problem = length_text(request) + " " + tr("Nothing was tried.");
  }
  return failure(ErrorCode::user_cancelled, "too many rounds");
}

base::Result<base::Secret> PinentryDialog::new_pin(const PinEntryRequest& request, const Screen& screen, Question& question) {
  const std::string differ = tr("The two were not the same. Type them again.");
  std::string problem;
  for (int round = 0; round < most_rounds_of_a_pin; ++round) {
    const auto ask = [&](const std::string& text, const std::string& error, bool repeat) {
      return with_pinentry(screen, question, [&](Pinentry& pinentry) -> base::Result<Pinentry::Typed> {
        if (auto set = set_up(pinentry, text, tr("Set the PIN"), tr("Cancel"), options_.timeout); !set)
          return base::failure_of(set);
        if (auto set = pinentry.set("SETPROMPT", tr("New PIN:")); !set) return base::failure_of(set);
        if (!error.empty()) {
          if (auto set = pinentry.set("SETERROR", error); !set) return base::failure_of(set);
        }
        // One that does not know this asks once: it says so by not telling that the PIN was repeated.
        if (repeat && pinentry.set("SETREPEAT", tr("Again:"))) (void)pinentry.set("SETREPEATERROR", differ);
        return pinentry.get_pin();
      });
    };
    auto typed = ask(new_pin_text(request), problem, true);
    if (!typed) return base::failure_of(typed);
    if (typed->pin.empty()) return failure(ErrorCode::user_cancelled, "an empty PIN is a cancel");
    if (!has_length(request, typed->pin)) {
      problem = length_text(request) + " " + tr("Nothing was tried.");
      continue;
    }
    if (!typed->repeated) {
      const auto again = ask(task_text(request) + "\n\n" + tr("Type the new PIN again."), {}, false);
      if (!again) return std::unexpected(again.error());
      if (again->pin.empty()) return failure(ErrorCode::user_cancelled, "an empty PIN is a cancel");
      if (!same(typed->pin, again->pin)) {
        problem = differ;
        continue;
      }
    }
    return std::move(typed->pin);
  }
  return failure(ErrorCode::user_cancelled, "too many rounds");
}

base::Result<PinEntry> PinentryDialog::talk_about_pins(const PinEntryRequest& request, const Screen& screen, Question& question) {
  if (request.last_try != PinEntryRequest::LastTry::no) {
    const auto sure = confirmed(last_try_text(request), screen, question);
    if (!sure) return std::unexpected(sure.error());
    if (!*sure) return failure(ErrorCode::user_cancelled, "not confirmed");
  }
  if (request.where == PinEntryRequest::Where::reader) {
    const auto ready = confirmed(task_text(request) + "\n\n" +
                                     filled(tr("The card reader will ask for the %1 and for the new PIN. Type them there."),
                                            {old_secret_name(request.task)}),
                                 screen, question);
    if (!ready) return std::unexpected(ready.error());
    if (!*ready) return failure(ErrorCode::user_cancelled, "not confirmed");
    return PinEntry{};
  }
  auto old = old_secret(request, screen, question);
  if (!old) return base::failure_of(old);
  auto fresh = new_pin(request, screen, question);
  if (!fresh) return base::failure_of(fresh);
  return PinEntry{std::move(*old), std::move(*fresh)};
}

awaitable<base::Result<PinEntry>> PinentryDialog::enter_pins(PinEntryRequest request, WaitingCallback waiting) {
  using enum signing::Waiting::For;
  const auto what = request.where == PinEntryRequest::Where::reader ? reader : pin;
  const signing::Asker asker = request.asker;
  return ask<PinEntry>(asker, signing::Origin::command_line(), what, std::move(waiting),
                       [this, request = std::move(request)](const Screen& screen, Question& question) {
                         return talk_about_pins(request, screen, question);
                       });
}

awaitable<base::Result<std::size_t>> PinentryDialog::choose(signing::Asker asker, signing::Origin origin,
                                                            std::vector<signing::SigningCertificate> certificates,
                                                            WaitingCallback waiting) {
  return ask<std::size_t>(
      std::move(asker), origin, signing::Waiting::For::certificate, std::move(waiting),
      [this, origin, certificates = std::move(certificates)](const Screen& screen,
                                                             Question& question) -> base::Result<std::size_t> {
        // One after another, round and round, until one is taken: pinentry has three buttons.
        constexpr std::size_t most_rounds = 20;
        for (std::size_t i = 0; i < certificates.size() * most_rounds; ++i) {
          const std::size_t index = i % certificates.size();
          const auto answer = with_pinentry(screen, question, [&](Pinentry& pinentry) -> base::Result<Pinentry::Answer> {
            if (auto set = set_up(pinentry, choice_text(origin, certificates[index], index + 1, certificates.size()),
                                  tr("Use this one"), tr("Cancel"), options_.timeout);
                !set)
              return base::failure_of(set);
            if (certificates.size() > 1) {
              if (auto set = pinentry.set("SETNOTOK", tr("Show the next")); !set) return base::failure_of(set);
            }
            return pinentry.confirm();
          });
          if (!answer) return std::unexpected(answer.error());
          if (*answer == Pinentry::Answer::ok) return index;
          if (*answer == Pinentry::Answer::cancelled) break;
        }
        return failure(ErrorCode::user_cancelled, "no certificate was chosen");
      });
}

void PinentryDialog::close(const signing::Asker& asker) {
  for (const auto& weak : questions_) {
    if (const auto question = weak.lock(); question && question->is_of(asker)) question->close();
  }
}

}  // namespace signet::agent
