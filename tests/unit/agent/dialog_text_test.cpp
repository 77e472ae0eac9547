#include <algorithm>
#include <catch2/catch.hpp>

#include "agent/assuan_client.hpp"
#include "agent/pinentry_dialog.hpp"
#include "base/text.hpp"
#include "demo/pki.hpp"
#include "service/text.hpp"

using namespace signet;
using namespace signet::agent;
using namespace signet::service;
using signing::ConsentRequest;
using Validity = signing::SigningCertificate::Validity;

namespace {

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

const std::string longest_host = [] {
  std::string host;
  while (host.size() < 251) host += "a-very-long-label.";
  return host.substr(0, 251) + ".com";
}();
const signing::Origin longest = signing::Origin::parse("https://" + longest_host + ":65535").value();
const signing::Origin page = signing::Origin::parse("https://sign.example").value();

// What a page or a card may call itself: right-to-left overrides, controls, line ends, markup, Assuan's escapes, no UTF-8.
const std::vector<std::string> hostile_names{
    "\u202Efdp.eciovni\u202C",
    "a\nOK\nD 1234\r\n\x1B[2J\x07" + std::string(1, '\0') + "z",
    "<b>trusted</b><a href=\"x\">y</a>",
    "%0ASETDESC%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25%25",
    std::string(64, '%'),
    "\xFF\xFE\xC0\x80",
    "\u2066\u2067\u200B\uFEFF\u2028",
    std::string(60, 'W') + "\u0416",
};

signing::SigningCertificate certificate_named(const std::string& name, Validity validity = Validity::valid, int days = 300) {
  static demo::Authority authority("Authority", now());
  static const auto key = demo::make_key(pki::KeyType::ec_p256);
  signing::SigningCertificate certificate{
      .certificate =
          authority.issue({.common_name = name, .ends_after_now = std::chrono::seconds(std::chrono::days(days)), .key = key})
              .certificate,
      .chain = {},
      .place = {},
      .cka_id = {},
      .validity = validity,
      .left = std::chrono::days(days)};
  certificate.place.token.label = std::string(32, '%');
  return certificate;
}

// All that a page may have a person state, with nothing but what is long and escaped.
xades::Statements stated(const std::string& text) {
  std::string part, identifier = "urn:";
  while (part.size() < 64) part += text;
  part.resize(64);
  if (!base::is_utf8(part)) part = std::string(64, 'r');
  while (identifier.size() + part.size() <= 128) identifier += part;
  return {.commitment_types = {std::string(xades::commitment_type_uri("approval")), identifier},
          .claimed_roles = {part, "Director"},
          .place = {part, part, part, part, "MD"},
          .policy = xades::SignaturePolicy{identifier, {}, identifier},
          .content_time_stamp = {}};
}

ConsentRequest request_of(const signing::Origin& origin, signing::SigningCertificate certificate) {
  ConsentRequest request{.asker = "batch",
                         .origin = origin,
                         .purpose = {},
                         .count = 10'000'000,
                         .first_names = {},
                         .certificate = std::move(certificate),
                         .level = xades::Level::b_t,
                         .consent_given = false,
                         .pin = ConsentRequest::Pin::ask,
                         .last_refusal = {},
                         .final_try = false};
  return request;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void choose_once() {
  static const bool chosen = (choose_language("en"), true);
  (void)chosen;
}

void check_fit(const std::string& text) {
  CAPTURE(text);
  CHECK(assuan_escaped(text).size() <= most_escaped_bytes);
  CHECK(base::is_utf8(text));
  CHECK(text.find_first_of("<>\r\x1B\x07") == std::string::npos);
  CHECK_FALSE(contains(text, std::string(1, '\0')));
  for (const char* invisible : {"\u202E", "\u202C", "\u2066", "\u2067", "\u200B", "\uFEFF", "\u2028"})
    CHECK_FALSE(contains(text, invisible));
}

}  // namespace

TEST_CASE("whatever a page and a card call things, consent names the origin and the count whole in what pinentry takes") {
  choose_once();
  const InLanguage spoken(GENERATE(as<std::string>{}, "en", "ro", "ru"));
  const int asking = GENERATE(0, 1, 2);
  const signing::Origin origin = asking == 0 ? page : asking == 1 ? longest : signing::Origin::command_line();
  for (const std::string& name : hostile_names) {
    std::string card_name = base::shown(name, 60);  // OpenSSL's part of the test takes no more than 64 characters
    if (name == std::string(64, '%') || name.starts_with('<') || name.starts_with("\u202E")) card_name = name;
    for (const auto pin : {ConsentRequest::Pin::ask, ConsentRequest::Pin::reader, ConsentRequest::Pin::none}) {
      for (const bool given : {false, true}) {
        ConsentRequest request = request_of(origin, certificate_named(card_name, Validity::expires_soon, 30));
        request.pin = pin;
        request.consent_given = given;
        request.final_try = true;
        request.last_refusal = base::ErrorCode::pin_length;
        std::string purpose = name;
        while (purpose.size() < 256) purpose += name;
        request.purpose = purpose;
        for (int i = 0; i < 5; ++i) request.first_names.push_back(purpose);
        const std::string text = consent_text(request);
        check_fit(text);
        if (!origin.is_command_line()) CHECK(contains(text, origin.text()));
        CHECK(contains(text, "10000000"));
        CHECK(contains(text, "30"));
        if (pin == ConsentRequest::Pin::reader)
          CHECK(contains(text, filled(tr("Press “%1”, then enter the PIN on the card reader."), {tr("Sign")})));
        if (pin == ConsentRequest::Pin::reader)
          CHECK(contains(text, tr("This is the last try: another wrong PIN locks the token.")));
      }
    }
  }
}

TEST_CASE("whatever a card calls itself, a choice names the origin whole in what pinentry takes") {
  choose_once();
  const InLanguage spoken(GENERATE(as<std::string>{}, "en", "ro", "ru"));
  for (const std::string& label : hostile_names) {
    for (const std::size_t of : {1, 999}) {
      auto certificate = certificate_named(std::string(64, '%'), Validity::expires_soon, 12);
      certificate.place.token.label = label;
      const std::string text = choice_text(longest, certificate, of, of);
      check_fit(text);
      CHECK(contains(text, longest.text()));
      if (of > 1) CHECK(contains(text, "999"));
    }
  }
}

TEST_CASE("the purpose and the first names are told where there is room, and how many more there are") {
  choose_once();
  const InLanguage english("en");
  ConsentRequest request = request_of(page, certificate_named("Ana"));
  request.count = 7;
  request.purpose = "Invoices of March";
  request.first_names = {"a.pdf", "b.pdf", "c.pdf", "d.pdf", "e.pdf"};
  request.level = xades::Level::b_b;
  const std::string text = consent_text(request);
  CAPTURE(text);
  for (const char* part : {"https://sign.example asks you to sign 7 documents.", "Invoices of March", "• a.pdf", "• e.pdf",
                           "and 2 more", "Certificate: Ana", "Valid until ", "Without time stamps (XAdES-B-B)."})
    CHECK(contains(text, part));
}

TEST_CASE("a certificate that expires within 30 days is told so, with the days in the language's own plural") {
  choose_once();
  const auto told = [](const char* language, int days) {
    const InLanguage spoken(language);
    return consent_text(request_of(page, certificate_named("Ana", Validity::expires_soon, days)));
  };
  CHECK(contains(told("en", 1), "Expires in 1 day, on "));
  CHECK(contains(told("en", 30), "Expires in 30 days, on "));
  const auto line = [](const std::string& text) {
    const std::size_t begin = text.find('\n', text.find("Ana")) + 1;
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  for (const char* language : {"ro", "ru"}) {
    CAPTURE(language);
    CHECK(contains(line(told(language, 30)), "30"));
    CHECK_FALSE(contains(told(language, 30), "Expires"));
    // One, few, many: three words.
    const auto word = [&](int days) {
      const std::string text = line(told(language, days));
      const std::string number = std::to_string(days);
      return text.substr(text.find(number) + number.size(), text.find(',') - text.find(number) - number.size());
    };
    CHECK(word(1) != word(2));
    CHECK(word(2) != word(30));
    CHECK(word(1) != word(30));
  }
}

TEST_CASE("a final try is told where the PIN is asked elsewhere; an expired certificate is told") {
  choose_once();
  const InLanguage english("en");
  ConsentRequest request = request_of(page, certificate_named("Ana", Validity::expired, 300));
  request.pin = ConsentRequest::Pin::reader;
  request.final_try = true;
  const std::string text = consent_text(request);
  CHECK(contains(text, "This is the last try: another wrong PIN locks the token."));
  CHECK(contains(text, "Expired on "));
}

TEST_CASE("the dialog for signing says what is kept of the PIN, and until when") {
  choose_once();
  const InLanguage english("en");
  using signing::PinScope;
  const base::Time noon = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto told = [&](PinScope scope, ConsentRequest::Pin pin, std::optional<base::Time> until) {
    ConsentRequest request = request_of(page, certificate_named("Ana"));
    request.pin = pin;
    request.pin_scope = scope;
    request.pin_until = until;
    return consent_text(request);
  };
  using enum ConsentRequest::Pin;
  CHECK(contains(told(PinScope::off, ask, noon), "The PIN is not kept: each signature asks for it."));
  CHECK(contains(told(PinScope::batch, ask, noon), "The PIN is kept until these are signed."));
  const std::string session = told(PinScope::session, ask, noon);
  CHECK(contains(session, "The PIN is kept for what this asker wants signed next, until "));
  // Hours and minutes, as the clock on the wall.
  const std::size_t at = session.find("until ", session.find("signed next")) + 6;
  CHECK(session[at + 2] == ':');
  CHECK(session.substr(at + 5, 14) == " at the latest");
  CHECK(contains(told(PinScope::session, none, noon), "The PIN that you typed before is used; it is kept until "));
  CHECK(contains(told(PinScope::batch, none, noon), "is used, and kept until these are signed, or until "));
  for (const auto scope : {PinScope::off, PinScope::batch, PinScope::session}) {
    CHECK_FALSE(contains(told(scope, reader, noon), "kept"));  // its PIN never comes here
    CHECK_FALSE(contains(told(scope, none, {}), "kept"));      // no login is wanted
  }
}

TEST_CASE("whatever a card calls itself, the dialogs for its PIN fit into what pinentry takes") {
  choose_once();
  const InLanguage spoken(GENERATE(as<std::string>{}, "en", "ro", "ru"));
  using signing::PinEntryRequest;
  using enum PinEntryRequest::Task;
  for (const std::string& name : hostile_names) {
    for (const auto task : {change, unblock_by_puk, unblock_by_so_pin}) {
      PinEntryRequest request{
          .asker = "one", .task = task, .token_label = name, .token_serial = name, .pin_min = 6, .pin_max = 255};
      for (const auto last : {PinEntryRequest::LastTry::yes, PinEntryRequest::LastTry::perhaps}) {
        request.last_try = last;
        check_fit(last_try_text(request));
      }
      check_fit(old_secret_text(request));
      const std::string text = new_pin_text(request);
      check_fit(text);
      CHECK(contains(text, "6"));
      CHECK(contains(text, "255"));
      CHECK(contains(old_secret_text(request), task == change ? "PIN" : task == unblock_by_puk ? "PUK" : "SO PIN"));
    }
  }
}

TEST_CASE("the dialogs for a PIN name the token, and what is at stake") {
  choose_once();
  const InLanguage english("en");
  using signing::PinEntryRequest;
  PinEntryRequest request{
      .asker = "one", .task = PinEntryRequest::Task::change, .token_label = "Ana's card", .token_serial = "4711"};
  CHECK(contains(old_secret_text(request), "The PIN of the token “Ana's card” (serial number 4711) is to be changed."));
  CHECK(contains(new_pin_text(request), "The PIN has at least 0 characters."));
  CHECK(contains(last_try_text(request), "Another wrong PIN locks the token."));
  request.task = PinEntryRequest::Task::unblock_by_puk;
  request.last_try = PinEntryRequest::LastTry::perhaps;
  CHECK(contains(old_secret_text(request), "only the issuer of the token can help"));
  CHECK(contains(last_try_text(request), "the token does not say how many tries are left"));
  request.last_try = PinEntryRequest::LastTry::yes;
  CHECK(contains(last_try_text(request), "Only one try is left for the PUK"));
}

TEST_CASE("what a page has a person state is shown whole in the dialog, or in one before it where there is no room") {
  choose_once();
  const InLanguage spoken("en");
  ConsentRequest request = request_of(page, certificate_named("Ana Munteanu"));
  request.first_names = {"invoice-1.pdf"};
  CHECK(statements_text(request).empty());
  CHECK_FALSE(contains(consent_text(request), "states"));

  request.statements = {.commitment_types = {std::string(xades::commitment_type_uri("approval"))},
                        .claimed_roles = {"Director <b>"},
                        .place = {.city = "Chișinău", .street = {}, .state = {}, .postal_code = {}, .country = "MD"},
                        .policy = {},
                        .content_time_stamp = {}};
  const std::string together = consent_text(request);
  CHECK(contains(together, "Your signature also states, in its words:"));
  CHECK(contains(together, "Commitment: I approve of the content (proof of approval)"));
  CHECK(contains(together, "Role: Director (b)"));
  CHECK(contains(together, "Place: Chișinău, MD"));
  CHECK(contains(together, "invoice-1.pdf"));
  CHECK(statements_text(request).empty());

  request.statements.policy = xades::SignaturePolicy{"urn:oid:1.2.3", {}, "https://example.org/" + std::string(100, 'p')};
  request.statements.claimed_roles.push_back(std::string(64, '%'));
  request.origin = longest;
  const std::string before = statements_text(request);
  CHECK_FALSE(contains(consent_text(request), "Director"));
  for (const char* part : {"Director (b)", "proof of approval", "Chișinău, MD", "urn:oid:1.2.3 https://example.org/ppp"})
    CHECK(contains(before, part));
  CHECK(contains(before, longest.text()));
  // Who has consented is asked for the PIN alone.
  request.consent_given = true;
  CHECK(statements_text(request).empty());
}

TEST_CASE("whatever is to be stated, a line of each thing is shown in what pinentry takes") {
  choose_once();
  const InLanguage spoken(GENERATE(as<std::string>{}, "en", "ro", "ru"));
  for (const std::string& name : hostile_names) {
    ConsentRequest request = request_of(GENERATE(page, longest), certificate_named("Ana Munteanu"));
    request.statements = stated(name);
    request.first_names = {name};
    const std::string before = statements_text(request);
    REQUIRE_FALSE(before.empty());
    check_fit(before);
    check_fit(consent_text(request));
    CHECK(contains(before, request.origin.text()));
    CHECK(std::ranges::count(before, '\n') == 2 + 6);
  }
}
