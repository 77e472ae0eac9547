#include "xades/compatible.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "demo/pki.hpp"
#include "demo/tsa.hpp"
#include "pki/time_stamp.hpp"

// Signatures in the shape of the national middleware, for others' tools to judge: compatible FOLDER. Writes ca.pem, ca.crl.pem,
// the content "content file.bin", and SHAPE-KEY.xml: enveloping over its SHA-1, enveloping over itself, detached.

using namespace signet;

namespace {

base::Bytes signed_value(const demo::Identity& signer, const xades::SignatureAlgorithm& algorithm,
                         const xades::CompatibleWriter& writer) {
  const bool ecdsa = algorithm.scheme == xades::KeyScheme::ecdsa;
  return demo::sign_digest(signer.key, ecdsa ? demo::SoftScheme::ecdsa : demo::SoftScheme::rsa_pkcs1, writer.to_be_signed());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path folder = argv[1];
  const base::Time now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  demo::Authority authority("Autoritatea „Ș”, de probă", now);
  const demo::TimeStampResponder responder(authority.issue({.common_name = "TSA", .usage = demo::Subject::Usage::time_stamping}),
                                           {authority.root().certificate});
  const auto write = [&](const std::string& name, std::string_view text) {
    std::ofstream(folder / name, std::ios::binary) << text;
  };
  write("ca.pem", demo::pem(authority.root().certificate));
  write("ca.crl.pem", demo::pem(authority.crl()));
  const std::string content("content\0 of a file\n", 19);
  write("content file.bin", content);

  struct Kind {
    const char* name;
    pki::KeyType key;
    xades::SignatureAlgorithm algorithm;
  };
  using base::DigestAlgorithm;
  for (const Kind& kind : {Kind{"rsa-sha1", pki::KeyType::rsa, {xades::KeyScheme::rsa_pkcs1, DigestAlgorithm::sha1}},
                           Kind{"rsa-sha256", pki::KeyType::rsa, {xades::KeyScheme::rsa_pkcs1, DigestAlgorithm::sha256}},
                           Kind{"ecdsa-sha384", pki::KeyType::ec_p384, {xades::KeyScheme::ecdsa, DigestAlgorithm::sha384}}}) {
    const demo::Identity signer =
        authority.issue({.common_name = "Ion Țurcanu", .serial_number = "2000000000001", .key_type = kind.key});
    const xades::CompatibleParameters parameters{.signing_certificate = signer.certificate,
                                                 .algorithm = kind.algorithm,
                                                 .uuid = "0f3c2a52-6d0e-4b7e-9d55-8f2b1f3a7c11",
                                                 .name = "content file.bin",
                                                 .signing_time = now,
                                                 .offset = std::chrono::hours{2}};
    const base::Digest digest = base::digest(kind.algorithm.digest, base::as_bytes(content));
    for (const auto& [shape, writer] :
         {std::pair{"hash", xades::CompatibleWriter::enveloping(parameters, digest.bytes())},
          std::pair{"content", xades::CompatibleWriter::enveloping(parameters, base::as_bytes(content))},
          std::pair{"detached", xades::CompatibleWriter::detached(parameters, digest)}}) {
      const base::Bytes value = signed_value(signer, kind.algorithm, writer);
      const auto request = pki::make_time_stamp_request(writer.time_stamp_imprint(value, DigestAlgorithm::sha256));
      const auto token = pki::read_time_stamp_response(responder.answer(request.der, demo::TsaFault::none, now), request);
      if (!token) {
        std::cerr << token.error().detail << '\n';
        return 1;
      }
      write(std::string(shape) + "-" + kind.name + ".xml", writer.document(value, token->der));
    }
  }
  return 0;
}
