#include "base/text.hpp"

#include <catch2/catch.hpp>

using namespace signet::base;

TEST_CASE("UTF-8 is told from what only looks like it") {
  CHECK(is_utf8("Ștefan, договор, 契約, \xF0\x9F\x96\x8B"));
  const auto bad =
      GENERATE("\x80", "\xC3", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "a\xFF");
  CHECK_FALSE(is_utf8(bad));
}

TEST_CASE("only letters of ASCII become lower case") {
  CHECK(lower("X-Client-Cert, ȘTIUCĂ \xC0") == "x-client-cert, ȘtiucĂ \xC0");
}

TEST_CASE("text that is shown has no control and no bidirectional characters") {
  CHECK(shown("invoice\xE2\x80\xAE"
              "fdp.exe",
              100) ==
        "invoice\xEF\xBF\xBD"
        "fdp.exe");
  CHECK(shown("a\nb\x1B[2Jc", 100) ==
        "a\xEF\xBF\xBD"
        "b\xEF\xBF\xBD[2Jc");
  CHECK(shown("\xE2\x80\x8B\xEF\xBB\xBF", 100) == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(shown("bad\xFF", 100) == "bad\xEF\xBF\xBD");
}

TEST_CASE("long text is cut at a character") {
  CHECK(shown("1234567890", 10) == "1234567890");
  CHECK(shown("12345678901", 10) == "1234567\xE2\x80\xA6");
  CHECK(shown("șșșșșș", 8) == "șș\xE2\x80\xA6");
}

TEST_CASE("XML text is escaped as Canonical XML writes it") {
  std::string out;
  append_xml_text(out, "a<b>&\"c\"\r\n");
  CHECK(out == "a&lt;b&gt;&amp;\"c\"&#xD;\n");
  out.clear();
  append_xml_attribute(out, "a<b>&\"c\"\r\n");
  CHECK(out == "a&lt;b>&amp;&quot;c&quot;&#xD;&#xA;");
}

TEST_CASE("names become URIs and come back") {
  CHECK(percent_encoded("a b/ș.pdf") == "a%20b%2F%C8%99.pdf");
  CHECK(percent_decoded("a%20b%2F%C8%99.pdf") == "a b/ș.pdf");
  CHECK(percent_decoded("100%") == "100%");
  CHECK(percent_decoded("%zz%4") == "%zz%4");
}
