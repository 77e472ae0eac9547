#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <thread>

#include "../net/running.hpp"
#include "agent/page_languages.hpp"
#include "agent/pinentry_dialog.hpp"
#include "demo/pki.hpp"
#include "service/text.hpp"
#include "temporary_folder.hpp"

using namespace signet;
using namespace signet::agent;
using namespace signet::service;

namespace {

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

signing::Origin origin(const std::string& host) { return signing::Origin::parse("https://" + host).value(); }

constexpr const char* title = "Cancel";

}  // namespace

TEST_CASE("the texts of a thread are in its language, whatever those of another are in") {
  choose_language("en");
  CHECK(tr(title) == std::string("Cancel"));
  std::set<std::string> said;
  for (const char* language : {"en", "ro", "ru"}) {
    const InLanguage spoken(language);
    said.insert(tr(title));
    std::string elsewhere;
    std::thread([&] { elsewhere = tr(title); }).join();
    CHECK(elsewhere == "Cancel");
    const InLanguage same("");
    CHECK(said.contains(tr(title)));
  }
  CHECK(said.size() == 3);
  CHECK(tr(title) == std::string("Cancel"));
  choose_language("ro");
  const std::string romanian = tr(title);
  CHECK(romanian != "Cancel");
  {
    const InLanguage english("en");
    CHECK(tr(title) == std::string("Cancel"));
  }
  {
    const InLanguage russian("ru");
    CHECK(tr(title) != romanian);
  }
  CHECK(tr(title) == romanian);
  choose_language("en");
}

TEST_CASE("the languages of pages are bounded, and the last one that a page said is it") {
  PageLanguages languages;
  CHECK(languages.of(origin("sign.example")).empty());
  languages.told(origin("sign.example"), "ro");
  languages.told(origin("sign.example"), "ru");
  languages.told(origin("other.example"), "en");
  CHECK(languages.of(origin("sign.example")) == "ru");
  CHECK(languages.of(origin("other.example")) == "en");
  for (int i = 0; i < 1'000; ++i) languages.told(origin(std::to_string(i) + ".example"), "ro");
  CHECK(languages.size() == PageLanguages::most_origins);
  CHECK(languages.of(origin("999.example")) == "ro");
}

TEST_CASE("a dialog speaks the language of the page that asks, and the agent's for one that named none") {
  choose_language("en");
  const test::TemporaryFolder folder;
  const auto log = folder / "log", program = folder / "pinentry";
  std::ofstream(program) << "#!/bin/bash\necho OK\nwhile IFS= read -r line; do\n  printf '%s\\n' \"$line\" >>" << log
                         << "\n  echo OK\ndone\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  test::RunningContext context;
  context.start();
  PageLanguages languages;
  languages.told(origin("ro.example"), "ro");
  languages.told(origin("ru.example"), "ru");
  std::map<std::string, std::string> said;
  {
    PinentryDialog dialog(
        context.io().get_executor(), {.pinentry = program.string(), .timeout = std::chrono::seconds(30)}, [] { return Screen{}; },
        [&](const signing::Origin& asking) { return languages.of(asking); });
    demo::Authority authority("Authority", now());
    signing::SigningCertificate certificate{
        .certificate = authority.issue({.common_name = "Ana", .key_type = pki::KeyType::ec_p256}).certificate,
        .chain = {},
        .place = {},
        .cka_id = {}};
    for (const std::string host : {"ro.example", "none.example", "ru.example"}) {
      std::filesystem::remove(log);
      signing::ConsentRequest request{.asker = host,
                                      .origin = origin(host),
                                      .purpose = {},
                                      .count = 2,
                                      .first_names = {"a.pdf", "b.pdf"},
                                      .certificate = certificate,
                                      .level = xades::Level::b_b,
                                      .consent_given = false,
                                      .pin = signing::ConsentRequest::Pin::none,
                                      .last_refusal = {},
                                      .final_try = false};
      CHECK(context.await(dialog.consent(request, {})));
      CHECK(context.await(dialog.choose(host, origin(host), {certificate, certificate}, {})).value() == 0);
      std::ostringstream text;
      text << std::ifstream(log).rdbuf();
      said[host] = text.str();
    }
  }
  context.join();
  CHECK(said["none.example"].find("https://none.example asks you to sign 2 documents.") != std::string::npos);
  CHECK(said["none.example"].find("Which certificate shall https://none.example get? (1 of 2)") != std::string::npos);
  for (const std::string language : {"ro", "ru"}) {
    const InLanguage spoken(language);
    const std::string host = "https://" + language + ".example";
    const std::string& text = said[language + ".example"];
    CAPTURE(text);
    CHECK(text.find(filled(tr("%1 asks you to sign %2 document.", "%1 asks you to sign %2 documents.", 2), {host, "2"})) !=
          std::string::npos);
    CHECK(text.find(filled(tr("Which certificate shall %1 get? (%2 of %3)"), {host, "1", "2"})) != std::string::npos);
    CHECK(text.find("SETOK " + std::string(tr("Sign"))) != std::string::npos);
    CHECK(text.find("asks you") == std::string::npos);
  }
}
