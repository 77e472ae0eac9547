#include "forms.hpp"

using namespace signet;
using namespace signet::xades;

TEST_CASE("every allowed canonicalization is understood, in a scope with foreign namespaces too") {
  const auto method = GENERATE(c14n, c14n_comments, c14n11, exclusive);
  INFO(method);
  const auto report = verified_one(made(in_foreign_scope(method)));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == "b");
}

TEST_CASE("an inclusive form is bound to its scope") {
  const std::string document = made(in_foreign_scope(c14n));
  CHECK(verified_one(replaced(document, "xml:lang=\"ro\"", "xml:lang=\"en\"")).integrity == Integrity::invalid);
  CHECK(verified_one(replaced(document, "xmlns:z=\"urn:z\"", "xmlns:z=\"urn:y\"")).integrity == Integrity::invalid);
}

TEST_CASE("an enveloped signature signs what is around it") {
  const std::string document = made(enveloped());
  CHECK(said(verified_one(document, options({}))) == "TOTAL-PASSED, valid");
  CHECK(said(verified_one(replaced(document, "<text", "<added/><text"), options({}))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  CHECK(said(verified_one(replaced(document, "unseen", "changed"), options({}))) == "TOTAL-PASSED, valid");
}

TEST_CASE("the XPaths that take out all signatures are understood, and no other") {
  Form form = enveloped();
  const auto xpath = [](std::string_view prefix) {
    return "<ds:Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><ds:XPath>not(ancestor-or-self::" +
           std::string(prefix) + ":Signature)</ds:XPath></ds:Transform>" + algorithm_element("ds:Transform", exclusive);
  };
  form.transforms = xpath("ds");
  CHECK(said(verified_one(made(form), options({}))) == "TOTAL-PASSED, valid");
  form.after = "<ds:Signature" + ds_declaration + "></ds:Signature>" + form.after;
  CHECK(said(verified(made(form), options({})).front()) == "TOTAL-PASSED, valid");
  form.transforms = xpath("other");
  CHECK(said(verified(made(form), options({})).front()) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
  form.transforms =
      "<ds:Transform Algorithm=\"http://www.w3.org/2002/06/xmldsig-filter2\"><f:XPath "
      "xmlns:f=\"http://www.w3.org/2002/06/xmldsig-filter2\""
      " Filter=\"subtract\">/descendant::ds:Signature</f:XPath></ds:Transform>";
  CHECK(said(verified(made(form), options({})).front()) == "TOTAL-PASSED, valid");
}

TEST_CASE("a reference has eight transforms at most") {
  Form form = enveloped();
  for (int i = 2; i < 8; ++i) form.transforms += algorithm_element("ds:Transform", c14n);
  CHECK(said(verified_one(made(form), options({}))) == "TOTAL-PASSED, valid");
  form.transforms += algorithm_element("ds:Transform", c14n);
  CHECK(said(verified_one(made(form), options({}))) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
}

TEST_CASE("comments are signed only where the reference keeps them") {
  Form form = enveloped();
  form.transforms = algorithm_element("ds:Transform", "http://www.w3.org/2000/09/xmldsig#enveloped-signature") +
                    algorithm_element("ds:Transform", c14n_comments);
  CHECK(said(verified_one(made(form), options({}))) == "TOTAL-PASSED, valid");
  form.uri = "#xpointer(/)";
  CHECK(verified_one(made(form), options({})).integrity == Integrity::invalid);
  form.data = "<doc><!-- unseen --><text a=\"1\" b=\"2\"></text></doc>\n<!-- after -->";
  CHECK(said(verified_one(made(form), options({}))) == "TOTAL-PASSED, valid");
}

TEST_CASE("an Object without a transform is signed as an element") {
  Form form{.uri = "#o"};
  form.objects = "<ds:Object Id=\"o\">" + base::base64(sha256("the contract").bytes()) + "<!-- c --></ds:Object>";
  form.data = "<ds:Object" + ds_declaration + " Id=\"o\">" + base::base64(sha256("the contract").bytes()) + "</ds:Object>";
  CHECK(said(verified_one(made(form))) == "TOTAL-PASSED, valid");
  CHECK(said(verified_one(made(form), options({"another"}))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  form.uri = "#xpointer(id('o'))";
  CHECK(said(verified_one(made(form))) == "TOTAL-PASSED, valid");
  form.uri = "#xpointer(//o)";
  CHECK(said(verified_one(made(form))) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
}

TEST_CASE("a detached XML document may be canonicalized before it is digested") {
  Form form{.uri = "contract.xml", .transforms = algorithm_element("ds:Transform", c14n)};
  form.data = "<a b=\"1\" c=\"2\"></a>";
  CHECK(said(verified_one(made(form), options({"<?xml version='1.0'?><a c='2'  b='1'/>"}))) == "TOTAL-PASSED, valid");
  CHECK(said(verified_one(made(form), options({"<a/>"}))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  CHECK(said(verified_one(made(form), options({"<!DOCTYPE a><a c='2' b='1'/>"}))) ==
        "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
}

TEST_CASE("the older SigningCertificate is understood, with a warning") {
  Form form{.uri = "contract.txt"};
  form.certificate_property = "SigningCertificate";
  const auto report = verified_one(made(form));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(warned(report) == std::vector<std::string>{"older_signing_certificate"});
}

TEST_CASE("SHA-1 is understood but not accepted") {
  Form form{.uri = "contract.txt"};
  SECTION("under the signature") { form.algorithm.digest = base::DigestAlgorithm::sha1; }
  SECTION("of the references") { form.digest = base::DigestAlgorithm::sha1; }
  SECTION("of the signing certificate") { form.certificate_digest = base::DigestAlgorithm::sha1; }
  CHECK(said(verified_one(made(form))) == "INDETERMINATE/CRYPTO_CONSTRAINTS_FAILURE_NO_POE, valid");
}

TEST_CASE("signed properties that a constraint demands are missed") {
  Form form{.uri = "contract.txt"};
  SECTION("the signing certificate") { form.certificate_property = ""; }
  SECTION("the signing time") { form.signing_time = ""; }
  SECTION("a signing time without a zone") { form.signing_time = "2026-11-22T10:00:00"; }
  SECTION("all of them: XML Signature alone") { form.with_properties = false; }
  const auto report = verified_one(made(form));
  CHECK(said(report) == "INDETERMINATE/SIG_CONSTRAINTS_FAILURE, valid");
  CHECK(level_said(report) == "none");
}

TEST_CASE("without a format for each object the form is not of the baseline") {
  Form form{.uri = "contract.txt"};
  form.format =
      "<xades:DataObjectFormat ObjectReference=\"#other\"><xades:MimeType>text/plain</xades:MimeType></xades:DataObjectFormat>";
  const auto report = verified_one(made(form));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(level_said(report) == "none");
}

TEST_CASE("a signature with two references to its properties is refused even when both are signed") {
  Form form{.uri = "contract.txt"};
  form.more_references = "<ds:Reference Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"#p\">" +
                         digest_elements(form.digest, base::as_bytes(canonical_properties(form))) + "</ds:Reference>";
  CHECK(said(verified_one(made(form))) == "TOTAL-FAILED/FORMAT_FAILURE, invalid");
}

TEST_CASE("a signature over nothing but its own properties is not passed") {
  Form form{.uri = "#p"};
  form.data = canonical_properties(form);
  form.type = "http://uri.etsi.org/01903#SignedProperties";
  form.more_references = "";
  const std::string document = made(form);
  CHECK(said(verified_one(document)) == "TOTAL-FAILED/FORMAT_FAILURE, invalid");  // two of them
  form.with_data = false;
  CHECK(said(verified_one(made(form), options({}))) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, valid");
}

TEST_CASE("properties that a transform empties are refused") {
  // enveloped-signature takes the signature out, and the properties with it: any properties would have this digest.
  Form form{.uri = "#p",
            .transforms = algorithm_element("ds:Transform", "http://www.w3.org/2000/09/xmldsig#enveloped-signature")};
  form.data = "";
  CHECK(said(verified_one(made(form))) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
}

TEST_CASE("properties that a transform reads otherwise than they stand are refused") {
  // All their text is base64, so that its octets have a digest: any markup around the same text would have it too.
  Form form{.uri = "contract.txt", .certificate_digest = base::DigestAlgorithm::sha384, .signing_time = ""};
  form.format =
      "<xades:DataObjectFormat ObjectReference=\"#r\"><xades:MimeType>text/plain/a</xades:MimeType></xades:DataObjectFormat>";
  form.with_properties = false;
  const std::string text =
      base::base64(base::digest(form.certificate_digest, signer().certificate.der()).bytes()) + "text/plain/a";
  form.more_references = "<ds:Reference Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"#p\"><ds:Transforms>" +
                         algorithm_element("ds:Transform", "http://www.w3.org/2000/09/xmldsig#base64") + "</ds:Transforms>" +
                         digest_elements(form.digest, base::from_base64(text).value()) + "</ds:Reference>";
  form.objects = "<ds:Object><xades:QualifyingProperties" + xades_declaration +
                 " Target=\"#S\"><xades:SignedProperties Id=\"p\">" + properties_content(form) +
                 "</xades:SignedProperties></xades:QualifyingProperties></ds:Object>";
  const auto report = verified_one(made(form));
  CHECK(said(report) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND, unknown");
  CHECK(report.references.at(1).status == ReferenceReport::Status::refused);
}

TEST_CASE("an issuer and serial number of another certificate are told of") {
  Form form{.uri = "contract.txt"};
  form.issuer_serial = base::base64(signer().certificate.issuer_serial_der());
  CHECK(warned(verified_one(made(form))).empty());
  form.issuer_serial = base::base64(pki_of_tests().tsa.certificate.issuer_serial_der());
  const auto report = verified_one(made(form));
  CHECK(said(report) == "TOTAL-PASSED, valid");
  CHECK(warned(report) == std::vector<std::string>{"issuer_serial_differs"});
}

TEST_CASE("what a manifest lists and is given is compared, what is not given is not missed") {
  const auto with = [](const std::string& listed) {
    const std::string content = "<ds:Reference URI=\"contract%200.pdf\">" +
                                digest_elements(base::DigestAlgorithm::sha256, base::as_bytes(listed)) + "</ds:Reference>";
    Form form{.uri = "#m", .type = std::string(ds) + "Manifest"};
    form.data = "<ds:Manifest" + ds_declaration + " Id=\"m\">" + content + "</ds:Manifest>";
    form.objects = "<ds:Object><ds:Manifest Id=\"m\">" + content + "</ds:Manifest></ds:Object>";
    return made(form);
  };
  CHECK(said(verified_one(with("the contract"))) == "TOTAL-PASSED, valid");
  CHECK(said(verified_one(with("another"))) == "TOTAL-FAILED/HASH_FAILURE, invalid");
  const auto alone = verified_one(with("another"), options({}));
  CHECK(said(alone) == "TOTAL-PASSED, valid");
  CHECK(warned(alone) == std::vector<std::string>{"manifest_incomplete"});
}
