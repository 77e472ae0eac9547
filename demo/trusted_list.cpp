#include "demo/trusted_list.hpp"

#include "base/text.hpp"

namespace signet::demo {
namespace {

using base::as_bytes;

constexpr const char* ds = " xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"";
constexpr const char* xades = " xmlns:xades=\"http://uri.etsi.org/01903/v1.3.2#\"";
constexpr const char* exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#";
constexpr const char* prefix = "http://uri.etsi.org/TrstSvc/";

std::string element(const std::string& name, const std::string& attributes, const std::string& content = {}) {
  return "<" + name + attributes + ">" + content + "</" + name + ">";
}
std::string element(const std::string& name, std::uint64_t number) { return element(name, "", std::to_string(number)); }

std::string named(const std::string& name, const std::string& value) {
  return element(name, "", element("Name", " xml:lang=\"en\"", value));
}

std::string identity(const std::vector<pki::Certificate>& certificates) {
  std::string ids;
  for (const pki::Certificate& one : certificates)
    ids += element("DigitalId", "", element("X509Certificate", "", base::base64(one.der())));
  return element("ServiceDigitalIdentity", "", ids);
}

std::string status(const std::string& value, base::Time from) {
  return element("ServiceStatus", "", std::string(prefix) + "TrustedList/Svcstatus/" + value) +
         element("StatusStartingTime", "", base::rfc3339(from));
}

std::string service(const ListedService& one) {
  const auto period = [](const std::string& type, const auto& certificates, const auto& at) {
    return element("ServiceTypeIdentifier", "", std::string(prefix) + "Svctype/" + type) + named("ServiceName", "A service") +
           identity(certificates) + status(at.status, at.from) +
           (at.extensions.empty() ? std::string{} : element("ServiceInformationExtensions", "", at.extensions));
  };
  std::string history;
  for (const auto& past : one.history)
    history += element("ServiceHistoryInstance", "",
                       period(past.type.empty() ? one.type : past.type, std::vector<pki::Certificate>{}, past));
  return element("TSPService", "",
                 element("ServiceInformation", "", period(one.type, one.certificates, one)) +
                     (history.empty() ? std::string{} : element("ServiceHistory", "", history)));
}

std::string algorithm(const std::string& name, const std::string& uri, const std::string& declaration = {}) {
  return element(name, declaration + " Algorithm=\"" + uri + "\"");
}

std::string digest_of(base::BytesView data, const std::string& declaration = {}) {
  return algorithm("ds:DigestMethod", "http://www.w3.org/2001/04/xmlenc#sha256", declaration) +
         element("ds:DigestValue", declaration, base::base64(base::digest(base::DigestAlgorithm::sha256, data).bytes()));
}

std::string properties_of(const Identity& signer, base::Time signing_time) {
  const std::string certificate =
      element("xades:Cert", "", element("xades:CertDigest", "", digest_of(signer.certificate.der(), ds)));
  return element("xades:SignedProperties", std::string(xades) + " Id=\"properties\"",
                 element("xades:SignedSignatureProperties", "",
                         element("xades:SigningTime", "", base::rfc3339(signing_time)) +
                             element("xades:SigningCertificateV2", "", certificate)) +
                     element("xades:SignedDataObjectProperties", "",
                             element("xades:DataObjectFormat", " ObjectReference=\"#reference\"",
                                     element("xades:MimeType", "", "text/xml"))));
}

}  // namespace

std::string unsigned_trusted_list(const ListedScheme& scheme) {
  std::string services;
  for (const ListedService& one : scheme.services) services += service(one);
  std::string pointers;
  if (!scheme.other_signers.empty()) {
    pointers = element("PointersToOtherTSL", "",
                       element("OtherTSLPointer", "",
                               element("ServiceDigitalIdentities", "", identity(scheme.other_signers)) +
                                   element("TSLLocation", "", "https://lists.example.org/other.xml")));
  }
  const std::string next = scheme.next_update ? element("dateTime", "", base::rfc3339(*scheme.next_update)) : std::string{};
  const std::string information =
      element("TSLVersionIdentifier", scheme.version) + element("TSLSequenceNumber", scheme.sequence_number) +
      element("TSLType", "", std::string(prefix) + "TrustedList/TSLType/EUgeneric") + named("SchemeOperatorName", "An operator") +
      element("SchemeTerritory", "", "MD") + pointers + element("ListIssueDateTime", "", base::rfc3339(scheme.issued)) +
      element("NextUpdate", "", next);
  const std::string provider =
      element("TSPInformation", "", named("TSPName", "A provider")) + element("TSPServices", "", services);
  return element("TrustServiceStatusList", " xmlns=\"http://uri.etsi.org/02231/v2#\"",
                 element("SchemeInformation", "", information) +
                     element("TrustServiceProviderList", "", element("TrustServiceProvider", "", provider)));
}

std::string with_enveloped_signature(const std::string& document, const Identity& signer, base::Time signing_time,
                                     const std::string& reference, const std::string& referenced) {
  const std::string properties = properties_of(signer, signing_time);
  const std::string transforms = element(
      "ds:Transforms", "",
      algorithm("ds:Transform", "http://www.w3.org/2000/09/xmldsig#enveloped-signature") + algorithm("ds:Transform", exclusive));
  const std::string info = element(
      "ds:SignedInfo", ds,
      algorithm("ds:CanonicalizationMethod", exclusive) +
          algorithm("ds:SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256") +
          element("ds:Reference", " Id=\"reference\" URI=\"" + reference + "\"", transforms + digest_of(as_bytes(referenced))) +
          element("ds:Reference", " Type=\"http://uri.etsi.org/01903#SignedProperties\" URI=\"#properties\"",
                  element("ds:Transforms", "", algorithm("ds:Transform", exclusive)) + digest_of(as_bytes(properties))));
  const auto value = sign_digest(signer.key, SoftScheme::ecdsa, base::digest(base::DigestAlgorithm::sha256, as_bytes(info)));
  const std::string certificate = element("ds:X509Certificate", "", base::base64(signer.certificate.der()));
  const std::string signature =
      element("ds:Signature", std::string(ds) + " Id=\"signature\"",
              info + element("ds:SignatureValue", "", base::base64(value)) +
                  element("ds:KeyInfo", "", element("ds:X509Data", "", certificate)) +
                  element("ds:Object", "",
                          element("xades:QualifyingProperties", std::string(xades) + " Target=\"#signature\"", properties)));
  const std::size_t end = document.rfind("</");
  return document.substr(0, end) + signature + document.substr(end);
}

std::string trusted_list(const ListedScheme& scheme, const Identity& signer) {
  const std::string list = unsigned_trusted_list(scheme);
  return with_enveloped_signature(list, signer, scheme.issued, "", list);
}

}  // namespace signet::demo
