#include "forms.hpp"

using namespace signet;
using namespace signet::xades;

namespace {

const SigningPlan enveloping{.packaging = Packaging::enveloping};

std::string properties_of(const std::string& document) {
  return part(document, "<xades:SignedProperties ", "</xades:SignedProperties>");
}

std::string object_of(const std::string& document) { return part(document, "<ds:Object Encoding", "</ds:Object>"); }

void check_not_passed(const SignatureReport& report) {
  INFO(said(report) << " " << report.detail);
  CHECK(report.indication != Indication::total_passed);
  CHECK(report.integrity != Integrity::valid);
}

}  // namespace

TEST_CASE("SignedProperties that were moved, with others in their place, are not believed") {
  const std::string document = signed_document(signer());
  const std::string properties = properties_of(document);
  const std::string forged = replaced(replaced(properties, "Id=\"S-properties\"", "Id=\"forged\""), "2026-11-22", "2020-01-01");
  const std::string target = part(document, "<xades:QualifyingProperties", ">");
  const std::string wrapped = target + properties + "</xades:QualifyingProperties>";

  SECTION("in a foreign element of another Object") {
    const auto report = verified_one(replaced(replaced(document, properties, forged), "</ds:Signature>",
                                              "<ds:Object><w>" + properties + "</w></ds:Object></ds:Signature>"));
    check_not_passed(report);
    CHECK(said(report) == "TOTAL-FAILED/HASH_FAILURE, invalid");
    CHECK_FALSE(report.claimed_time);
    CHECK_FALSE(report.level);
  }
  SECTION("in QualifyingProperties of their own") {
    check_not_passed(verified_one(replaced(replaced(document, properties, forged), "</ds:Signature>",
                                           "<ds:Object>" + wrapped + "</ds:Object></ds:Signature>")));
  }
  SECTION("in a second QualifyingProperties of the same Object") {
    check_not_passed(verified_one(replaced(replaced(document, properties, forged), "</xades:QualifyingProperties>",
                                           "</xades:QualifyingProperties>" + wrapped)));
  }
  SECTION("beside the forged ones") {
    check_not_passed(verified_one(replaced(document, properties, forged + properties)));
    check_not_passed(verified_one(replaced(document, properties, properties + forged)));
  }
  SECTION("outside the signature") {
    check_not_passed(verified_one("<all>" + replaced(document, properties, forged) + wrapped + "</all>"));
    check_not_passed(verified_one("<all>" + replaced(document, properties, forged) +
                                  "<ds:Object xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">" + wrapped +
                                  "</ds:Object></all>"));
  }
  SECTION("in another signature") {
    const std::string other = signed_document(signer(), {}, pki_of_tests(), "Other");
    const std::string host = replaced(other, properties_of(other), properties_of(other) + properties);
    const auto reports = verified("<all>" + replaced(document, properties, forged) + host + "</all>");
    REQUIRE(reports.size() == 2);
    check_not_passed(reports[0]);
    check_not_passed(reports[1]);
  }
}

TEST_CASE("an Id that several elements have is no one's") {
  const std::string document = signed_document(signer());
  for (const char* name : {"Id", "ID", "id", "xml:id"}) {
    for (const std::string& where : {std::string("<all>"), std::string("</all>")}) {
      const std::string extra = "<x " + std::string(name) + "=\"S-properties\"></x>";
      const auto report =
          verified_one(where == "<all>" ? "<all>" + extra + document + "</all>" : "<all>" + document + extra + "</all>");
      check_not_passed(report);
      CHECK(said(report) == "TOTAL-FAILED/FORMAT_FAILURE, unknown");
      CHECK(report.references.front().status == ReferenceReport::Status::refused);
    }
  }
}

TEST_CASE("a second reference to SignedProperties is refused") {
  // Its digest would be right: only the signature's own value can tell, and the count.
  const std::string document = signed_document(signer());
  const std::string reference = part(document, "<ds:Reference Type=", "</ds:Reference>");
  check_not_passed(verified_one(replaced(document, reference, reference + reference)));
}

TEST_CASE("an enveloped object that was moved, with another in its place, is not found") {
  const std::string document = signed_document(signer(), enveloping);
  const std::string object = object_of(document);
  const std::string forged = "<ds:Object Id=\"forged\">" + base::base64(sha256("another").bytes()) + "</ds:Object>";
  const std::string moved = replaced(document, object, forged);
  for (const std::string& wrapped :
       {replaced(moved, "</ds:Signature>", "<ds:Object><w>" + object + "</w></ds:Object></ds:Signature>"),
        replaced(moved, "</ds:Signature>", "<ds:Object>" + object + "</ds:Object></ds:Signature>")}) {
    const auto report = verified_one(wrapped, options({}));
    check_not_passed(report);
    CHECK(said(report) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
  }
}

TEST_CASE("an Object that is signed is the signature's own, whatever its reference calls it") {
  const std::string object = "<ds:Object" + ds_declaration + " Id=\"o\">pay 1</ds:Object>";
  Form form{.uri = "#o", .data = object};
  form.objects = "<ds:Object Id=\"o\">pay 1</ds:Object>";
  CHECK(said(verified_one(made(form), options({}))) == "TOTAL-PASSED, valid");
  form.objects = "<ds:Object Id=\"other\">pay 1000</ds:Object>";
  form.before = "<r>" + object;
  form.after = "</r>";
  CHECK(said(verified_one(made(form), options({}))) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
  // A Manifest that nobody's Object holds lists nothing.
  form.data = "<ds:Manifest" + ds_declaration + " Id=\"o\"></ds:Manifest>";
  form.before = "<r>" + form.data;
  CHECK(said(verified_one(made(form), options({}))) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
}

TEST_CASE("a document of which a part is signed is told of, and which part") {
  Form form{.uri = "#d", .transforms = algorithm_element("ds:Transform", exclusive), .data = "<p Id=\"d\">pay 1</p>"};
  form.after = "</r>";
  const std::vector<std::string> told{"part_of_document: only <p Id=\"d\"> is signed"};
  for (const char* const beside : {"<q>pay 1000</q>", "<q/>", "pay 1000", "<q><s/></q>"}) {
    INFO(beside);
    form.before = "<r>" + std::string(beside) + form.data;
    const auto report = verified_one(made(form), options({}));
    CHECK(said(report) == "TOTAL-PASSED, valid");
    CHECK(warned(report) == told);
    CHECK(report.references.front().element == NamedElement{"p", "d"});
  }
  SECTION("what its ancestors say counts") {
    form.before = "<r amount=\"1000\">" + form.data;
    CHECK(warned(verified_one(made(form), options({}))) == told);
  }
  SECTION("of an envelope that says nothing itself all is signed") {
    form.namespaces_after_xades = " xmlns:z=\"urn:z\"";
    form.before = "<r xmlns:z=\"urn:z\" Id=\"r\">\n " + form.data;
    CHECK(warned(verified_one(made(form), options({}))).empty());
    // A signature beside has its own report.
    form.after = signed_document(signer(), {}, pki_of_tests(), "T") + "</r>";
    const auto reports = verified(made(form), options());
    REQUIRE(reports.size() == 2);
    CHECK(warned(reports[0]).empty());
  }
  SECTION("beside several parts too") {
    form.more_references =
        "<ds:Reference URI=\"#e\">" + digest_elements(form.digest, base::as_bytes("<s Id=\"e\">to Ana</s>")) + "</ds:Reference>";
    form.before = "<r>" + form.data + "<s Id=\"e\">to Ana</s>";
    CHECK(warned(verified_one(made(form), options({}))) == std::vector<std::string>{"not_baseline"});
    form.before += "<q/>";
    CHECK(warned(verified_one(made(form), options({}))) ==
          std::vector<std::string>{"not_baseline", "part_of_document: only <p Id=\"d\">, <s Id=\"e\"> are signed"});
  }
  SECTION("within an Object too") {
    form.before = form.after = "";
    form.objects = "<ds:Object MimeType=\"text/xml\">" + form.data + "</ds:Object>";
    CHECK(warned(verified_one(made(form), options({}))).empty());
    form.objects = "<ds:Object>" + form.data + "<q>pay 1000</q></ds:Object>";
    CHECK(warned(verified_one(made(form), options({}))) == told);
  }
  SECTION("an Object that is signed says nothing of the document around it") {
    form = {.uri = "#o", .data = "<ds:Object" + ds_declaration + " Id=\"o\">pay 1</ds:Object>"};
    form.objects = "<ds:Object Id=\"o\">pay 1</ds:Object>";
    form.before = "<r><q>pay 1000</q>";
    form.after = "</r>";
    CHECK(warned(verified_one(made(form), options({}))) ==
          std::vector<std::string>{"part_of_document: only <ds:Object Id=\"o\"> is signed"});
  }
}

TEST_CASE("a hash in another place than the signature's own Object is not the signed one") {
  const std::string document = signed_document(signer(), enveloping);
  const std::string outside = "<all xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">" +
                              replaced(document, object_of(document), "") + object_of(document) + "</all>";
  const auto report = verified_one(outside);
  CHECK(report.indication != Indication::total_passed);
  CHECK(report.sub_indication == SubIndication::signed_data_not_found);
}

TEST_CASE("an Object that is not signed is told of") {
  const std::string document = signed_document(signer(), enveloping);
  const auto report =
      verified_one(replaced(document, object_of(document), object_of(document) + "<ds:Object Id=\"more\">more</ds:Object>"));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(warned(report) == std::vector<std::string>{"unsigned_object"});
}

TEST_CASE("the signature's own parts are read where they belong only") {
  const std::string document = signed_document(signer());
  const std::string info = part(document, "<ds:SignedInfo ", "</ds:SignedInfo>");
  const std::string value = part(document, "<ds:SignatureValue ", "</ds:SignatureValue>");
  for (const std::string& changed :
       {replaced(document, info, info + info), replaced(document, value, value + value), replaced(document, value, ""),
        replaced(document, info, ""), replaced(document, info + value, value + info),
        replaced(document, info, "<w>" + info + "</w>"), replaced(document, "</ds:Signature>", "<x></x></ds:Signature>")}) {
    const auto report = verified_one(changed);
    CHECK(said(report) == "TOTAL-FAILED/FORMAT_FAILURE, invalid");
  }
}

TEST_CASE("QualifyingProperties that name another signature do not pass") {
  const auto report = verified_one(replaced(signed_document(signer()), "Target=\"#S\"", "Target=\"#T\""));
  CHECK(said(report) == "INDETERMINATE/SIG_CONSTRAINTS_FAILURE, valid");
  CHECK_FALSE(report.level);
}

TEST_CASE("what is typed as an Object or a Manifest of the signature is one, in its place") {
  const std::string xmldsig(ds);
  Form form;
  SECTION("an Object outside of the signature") {
    form.before = "<r><x Id=\"o\">pay 1000</x>";
    form.after = "</r>";
    form.uri = "#o";
    form.type = xmldsig + "Object";
    form.data = "<x Id=\"o\">pay 1000</x>";
    CHECK(said(verified_one(made(form), options({}))) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
    form.type = "";
    CHECK(said(verified_one(made(form), options({}))) == "TOTAL-PASSED, valid");
  }
  SECTION("a Manifest deeper than in an Object") {
    form.uri = "#m";
    form.type = xmldsig + "Manifest";
    form.data = "<ds:Manifest" + ds_declaration + " Id=\"m\"></ds:Manifest>";
    form.objects = "<ds:Object><w><ds:Manifest Id=\"m\"></ds:Manifest></w></ds:Object>";
    CHECK(said(verified_one(made(form), options({}))) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
    form.objects = "<ds:Object><ds:Manifest Id=\"m\"></ds:Manifest></ds:Object>";
    CHECK(said(verified_one(made(form), options({}))) == "TOTAL-PASSED, valid");
  }
}

TEST_CASE("the reference to SignedProperties leads to them, and to nothing beside them") {
  Form form{.uri = "contract.txt"};
  form.with_properties = false;
  form.more_references =
      "<ds:Reference Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"#u\">" +
      digest_elements(form.digest, base::as_bytes("<xades:UnsignedProperties" + ds_declaration + xades_declaration +
                                                  " Id=\"u\"></xades:UnsignedProperties>")) +
      "</ds:Reference>";
  form.objects =
      "<ds:Object><xades:QualifyingProperties" + xades_declaration + " Target=\"#S\"><xades:SignedProperties Id=\"p\">" +
      properties_content(form) +
      "</xades:SignedProperties><xades:UnsignedProperties Id=\"u\"></xades:UnsignedProperties></xades:QualifyingProperties>"
      "</ds:Object>";
  CHECK(said(verified_one(made(form))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
}
