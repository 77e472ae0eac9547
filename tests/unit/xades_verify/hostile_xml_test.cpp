#include <random>
#include <thread>

#include "fixture.hpp"
#include "xades/xml_gate.hpp"

using namespace signet;
using namespace signet::xades;

namespace {

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

base::ErrorCode refused(std::string_view document, const VerifyOptions& given = options()) {
  const auto reports = verify(base::as_bytes(document), given);
  REQUIRE_FALSE(reports);
  return reports.error().code;
}

constexpr auto invalid = base::ErrorCode::message_invalid;
constexpr auto too_large = base::ErrorCode::message_too_large;

}  // namespace

TEST_CASE("what is no XML, or has no signature, is an error") {
  for (const char* text : {"",
                           " ",
                           "x",
                           "<",
                           "<a",
                           "<a>",
                           "<a></b>",
                           "<a/><b/>",
                           "</a>",
                           "<a b></a>",
                           "<a b=c></a>",
                           "<a b='c></a>",
                           "<!---->",
                           "<a/>",
                           "<a>&undefined;</a>",
                           "<a b='1' b='2'/>",
                           "<p:a/>",
                           "<a xmlns:p=''/>",
                           "<a><![CDATA[</a>",
                           "<a><!-- </a>",
                           "<?xml version='1.0'?>",
                           "<a>\x01</a>",
                           "<a>\xFF</a>",
                           "<? <a/> ?>",
                           "<a>&#0;</a>"}) {
    INFO(text);
    CHECK(refused(text) == invalid);
  }
  CHECK(refused(std::string_view("<a>\0</a>", 8)) == invalid);
}

TEST_CASE("a document type declaration is refused, whatever it declares") {
  const std::string document = signed_document(signer());
  for (const char* type :
       {"<!DOCTYPE a>", "<!DOCTYPE a []>", "<!DOCTYPE a SYSTEM \"file:///etc/passwd\">",
        "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>", "<!DOCTYPE a PUBLIC \"x\" \"http://localhost/x.dtd\">",
        "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;\">]>",
        "<!DOCTYPE a [<!ATTLIST ds:Signature Id ID #IMPLIED>]>", "<!doctype a>"}) {
    CHECK(refused(type + document) == invalid);
    CHECK(refused("<?xml version=\"1.0\"?>\n<!-- -->" + std::string(type) + document) == invalid);
  }
  CHECK(refused("<a>&e;" + document + "</a>") == invalid);
}

TEST_CASE("a document type is refused before libxml2 sees it") {
  for (const char* text : {"<!DOCTYPE a><a/>", "<a/><!DOCTYPE a>", "<a><!ENTITY e \"x\"></a>", "<!doctype a><a/>"}) {
    const auto measured = measure(text, {});
    REQUIRE_FALSE(measured);
    CHECK(measured.error().detail == "a document type declaration is refused");
  }
}

TEST_CASE("nothing is included from elsewhere") {
  const auto report =
      verified_one("<a xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"file:///etc/passwd\" parse=\"text\"/>" +
                   signed_document(signer()) + "</a>");
  CHECK(said(report) == "TOTAL-PASSED, valid");
  const auto external =
      verified_one(replaced(signed_document(signer()), "URI=\"contract%200.pdf\"", "URI=\"file:///etc/passwd\""), options({}));
  CHECK(said(external) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, invalid");
}

TEST_CASE("bombs are refused before a tree is built") {
  CHECK(refused(std::string((16u << 20) + 1, ' ')) == too_large);
  CHECK(refused("<r>" + repeated("<a/>", 4'000'000) + "</r>") == too_large);
  CHECK(refused("<r>" + repeated("<!---->", 250'000) + "</r>") == too_large);
  CHECK(refused("<r>" + repeated("<?a?>", 250'000) + "</r>") == too_large);
  CHECK(refused("<r>" + repeated("<![CDATA[]]>", 250'000) + "</r>") == too_large);
  CHECK(refused(repeated("<a>", 1'000'000)) == too_large);
  CHECK(refused(repeated("<a>", 65) + repeated("</a>", 65)) == too_large);
}

TEST_CASE("floods of attributes and namespaces are refused before libxml2 compares them with each other") {
  std::string attributes, namespaces, nested, long_name(4'000, 'u');
  for (int i = 0; i < 100'000; ++i) attributes += " a" + std::to_string(i) + "=\"\"";
  for (int i = 0; i < 100'000; ++i) namespaces += " xmlns:a" + std::to_string(i) + "=\"u\"";
  for (int i = 0; i < 60; ++i) {
    nested += "<a";
    for (int j = 0; j < 100; ++j) nested += " xmlns:n" + std::to_string(i * 100 + j) + "=\"u\"";
    nested += ">";
  }
  CHECK(refused("<a" + attributes + "/>") == too_large);
  CHECK(refused("<a" + namespaces + "/>") == too_large);
  CHECK(refused(nested + repeated("</a>", 60)) == too_large);
  CHECK(refused("<a xmlns:p=\"" + long_name + "\"/>") == too_large);
  // An instruction that libxml2 would end before this reader does may hide only a few.
  CHECK(refused("<?xml version=\"1.0\" > <a" + attributes + "> ?><a/>") == too_large);
}

TEST_CASE("limits can be lifted, and hold at their edge") {
  const std::string document = signed_document(signer());
  auto given = options();
  given.limits.max_bytes = document.size();
  CHECK(said(verified_one(document, given)) == "TOTAL-PASSED, valid");
  given.limits.max_bytes = document.size() - 1;
  CHECK(refused(document, given) == too_large);
  given = options();
  given.limits.max_nodes = 10;
  CHECK(refused(document, given) == too_large);
  given = options();
  given.limits.max_depth = 100;
  CHECK(said(verified_one(repeated("<a>", 90) + document + repeated("</a>", 90), given)) == "TOTAL-PASSED, valid");
}

TEST_CASE("a hundred thousand references or signatures are refused") {
  const std::string document = signed_document(signer());
  const std::string reference = part(document, "<ds:Reference Id", "</ds:Reference>");
  auto given = options();
  CHECK(refused(replaced(document, reference, repeated(reference, 100'000))) == too_large);
  given.limits.max_nodes = 10'000'000;
  CHECK(refused(replaced(document, reference, repeated(reference, 1'001)), given) == too_large);
  CHECK(refused("<all>" + repeated("<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/>", 101) + "</all>", given) ==
        too_large);
  given.limits.max_bytes = 100u << 20;
  CHECK(refused(replaced(document, reference, repeated(reference, 100'000)), given) == too_large);
}

TEST_CASE("many references to a large document do not take for ever") {
  const std::string document = signed_document(signer());
  const std::string reference = part(document, "<ds:Reference Id", "</ds:Reference>");
  const std::string whole = replaced(reference, "URI=\"contract%200.pdf\"", "URI=\"\"");
  const auto report =
      verified_one("<all>" + repeated("<a b=\"c\"/>", 80'000) + replaced(document, reference, repeated(whole, 900)) + "</all>");
  // What was not looked at any more is not known; that it is no good is.
  CHECK(report.integrity != Integrity::valid);
  CHECK(report.indication != Indication::total_passed);
}

TEST_CASE("transforms that are not allowed, or too many, are refused") {
  const std::string document = signed_document(signer(), {.packaging = Packaging::enveloping});
  const std::string base64 =
      part(document, "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#base64\">", "</ds:Transform>");
  const auto with = [&](const std::string& transforms) {
    return verified_one(replaced(document, base64, transforms)).references.at(1).status;
  };
  CHECK(with(base64) == ReferenceReport::Status::valid);
  CHECK(with("<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"/>") == ReferenceReport::Status::refused);
  CHECK(with("<ds:Transform "
             "Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>true()</ds:XPath></ds:Transform>") ==
        ReferenceReport::Status::refused);
  CHECK(with("<ds:Transform Algorithm=\"http://www.w3.org/2002/06/xmldsig-filter2\"/>") == ReferenceReport::Status::refused);
  CHECK(with("<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>") ==
        ReferenceReport::Status::refused);
  CHECK(with(repeated(base64, 9)) == ReferenceReport::Status::refused);
}

TEST_CASE("no prefix of a signature passes") {
  const std::string document = signed_document(signer(), {.packaging = Packaging::enveloping, .level = Level::b_t});
  const auto given = options();
  for (std::size_t size = 0; size < document.size(); ++size) {
    if (verify(base::as_bytes(std::string_view(document).substr(0, size)), given))
      FAIL("a prefix of " << size << " bytes was read");
  }
}

namespace {

// Whether a change at `at` of `region` leaves the canonical form as it was: white space or quotes of a tag, a declaration of a
// namespace that is in scope anyway, or of base64 what its octets do not show: its tag, its spare bits.
bool means_the_same(const std::string& region, const std::string& changed, std::size_t at) {
  if (region.starts_with("<ds:SignatureValue") || region.starts_with("<ds:Object")) {
    const auto decoded = [](const std::string& element) {
      const std::size_t end = element.rfind("</");
      const std::size_t from = element.rfind('>', end) + 1;
      return base::from_base64(element.substr(from, end - from));
    };
    const auto before = decoded(region), after = decoded(changed);
    return after && *before == *after;
  }
  if (std::string_view(" \t\r\n\"'").find(changed[at]) != std::string_view::npos) return true;
  const std::size_t space = region.rfind(' ', at);
  return space != region.npos && region.find('>', space) > at && std::string_view(region).substr(space).starts_with(" xmlns:");
}

}  // namespace

TEST_CASE("no change to what is signed is valid") {
  const std::string document = signed_document(signer(), {.packaging = Packaging::enveloping});
  const auto given = options();
  std::mt19937 random(20261122);
  for (const std::string& region :
       {part(document, "<ds:SignedInfo ", "</ds:SignedInfo>"),
        part(document, "<xades:SignedProperties ", "</xades:SignedProperties>"),
        part(document, "<ds:SignatureValue ", "</ds:SignatureValue>"), part(document, "<ds:Object Encoding", "</ds:Object>")}) {
    for (int i = 0; i < 500; ++i) {
      std::string changed = region;
      const std::size_t at = random() % region.size();
      changed[at] = static_cast<char>(random() % 3 == 0 ? random() % 256 : changed[at] ^ (1 << random() % 7));
      if (changed == region) continue;
      const auto reports = verify(base::as_bytes(replaced(document, region, changed)), given);
      if (!reports || reports->front().integrity != Integrity::valid) continue;
      INFO(changed);
      CHECK(means_the_same(region, changed, at));
    }
  }
}

TEST_CASE("random changes anywhere never crash, and pass only where nothing is signed") {
  const std::string document = signed_document(signer(), {.packaging = Packaging::enveloping, .level = Level::b_t});
  const auto given = options();
  std::mt19937 random(42);
  for (int i = 0; i < 2'000; ++i) {
    std::string changed = document;
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
      const std::size_t at = random() % changed.size();
      switch (random() % 3) {
        case 0:
          changed[at] = static_cast<char>(random());
          break;
        case 1:
          changed.erase(at, 1 + random() % 40);
          break;
        default:
          changed.insert(at, changed.substr(random() % changed.size(), random() % 60));
          break;
      }
    }
    const auto reports = verify(base::as_bytes(changed), given);
    if (!reports) continue;
    for (const SignatureReport& report : *reports) {
      if (report.indication == Indication::total_passed) CHECK(report.claimed_time == now);
    }
  }
}

TEST_CASE("several threads may verify at once") {
  const std::string document = signed_document(signer(), {.level = Level::b_t});
  const auto given = options();
  std::vector<std::thread> threads;
  std::array<int, 4> passed{};
  for (int& count : passed) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const auto good = verify(base::as_bytes(document), given);
        const auto bad = verify(base::as_bytes("<a xmlns=\"relative\"><b"), given);
        if (good && good->front().indication == Indication::total_passed && !bad) ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(passed == std::array{20, 20, 20, 20});
}
