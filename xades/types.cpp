#include "xades/types.hpp"

#include <array>

namespace signet::xades {
namespace {

using base::DigestAlgorithm;

struct SchemeRow {
  SignatureAlgorithm algorithm;
  std::string_view uri;
};
// RFC 9231 (which took over RFC 6931), and XML Encryption for SHA-256 and SHA-512.
constexpr std::array signature_algorithms{
    SchemeRow{{KeyScheme::rsa_pkcs1, DigestAlgorithm::sha256}, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"},
    SchemeRow{{KeyScheme::rsa_pkcs1, DigestAlgorithm::sha384}, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"},
    SchemeRow{{KeyScheme::rsa_pkcs1, DigestAlgorithm::sha512}, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"},
    SchemeRow{{KeyScheme::rsa_pss, DigestAlgorithm::sha256}, "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"},
    SchemeRow{{KeyScheme::rsa_pss, DigestAlgorithm::sha384}, "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1"},
    SchemeRow{{KeyScheme::rsa_pss, DigestAlgorithm::sha512}, "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1"},
    SchemeRow{{KeyScheme::ecdsa, DigestAlgorithm::sha256}, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"},
    SchemeRow{{KeyScheme::ecdsa, DigestAlgorithm::sha384}, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"},
    SchemeRow{{KeyScheme::ecdsa, DigestAlgorithm::sha512}, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"},
    // Only ever read.
    SchemeRow{{KeyScheme::rsa_pkcs1, DigestAlgorithm::sha1}, "http://www.w3.org/2000/09/xmldsig#rsa-sha1"},
    SchemeRow{{KeyScheme::rsa_pkcs1, DigestAlgorithm::sha224}, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha224"},
    SchemeRow{{KeyScheme::rsa_pss, DigestAlgorithm::sha1}, "http://www.w3.org/2007/05/xmldsig-more#sha1-rsa-MGF1"},
    SchemeRow{{KeyScheme::rsa_pss, DigestAlgorithm::sha224}, "http://www.w3.org/2007/05/xmldsig-more#sha224-rsa-MGF1"},
    SchemeRow{{KeyScheme::ecdsa, DigestAlgorithm::sha1}, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1"},
    SchemeRow{{KeyScheme::ecdsa, DigestAlgorithm::sha224}, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha224"},
};

struct DigestRow {
  DigestAlgorithm algorithm;
  std::string_view uri;
};
constexpr std::array digest_algorithms{
    DigestRow{DigestAlgorithm::sha1, "http://www.w3.org/2000/09/xmldsig#sha1"},
    DigestRow{DigestAlgorithm::sha224, "http://www.w3.org/2001/04/xmldsig-more#sha224"},
    DigestRow{DigestAlgorithm::sha256, "http://www.w3.org/2001/04/xmlenc#sha256"},
    DigestRow{DigestAlgorithm::sha384, "http://www.w3.org/2001/04/xmldsig-more#sha384"},
    DigestRow{DigestAlgorithm::sha512, "http://www.w3.org/2001/04/xmlenc#sha512"},
};

struct LevelRow {
  Level level;
  std::string_view name, profile;
};
constexpr std::array levels{LevelRow{Level::b_b, "b", "XAdES-B-B"}, LevelRow{Level::b_t, "t", "XAdES-B-T"},
                            LevelRow{Level::b_lt, "lt", "XAdES-B-LT"}, LevelRow{Level::b_lta, "lta", "XAdES-B-LTA"}};
const LevelRow& row_of(Level level) { return levels.at(static_cast<std::size_t>(level)); }

constexpr std::array<std::string_view, 5> packagings{"detached", "enveloping", "enveloping-file", "enveloping-xml", "enveloped"};

struct CommitmentRow {
  std::string_view name, uri;
};
constexpr std::array commitment_types{CommitmentRow{"origin", "http://uri.etsi.org/01903/v1.2.2#ProofOfOrigin"},
                                      CommitmentRow{"receipt", "http://uri.etsi.org/01903/v1.2.2#ProofOfReceipt"},
                                      CommitmentRow{"delivery", "http://uri.etsi.org/01903/v1.2.2#ProofOfDelivery"},
                                      CommitmentRow{"sender", "http://uri.etsi.org/01903/v1.2.2#ProofOfSender"},
                                      CommitmentRow{"approval", "http://uri.etsi.org/01903/v1.2.2#ProofOfApproval"},
                                      CommitmentRow{"creation", "http://uri.etsi.org/01903/v1.2.2#ProofOfCreation"}};

}  // namespace

std::string_view name(Level level) { return row_of(level).name; }
std::string_view profile_name(Level level) { return row_of(level).profile; }

std::optional<Level> level(std::string_view name) {
  for (const LevelRow& row : levels) {
    if (row.name == name) return row.level;
  }
  return std::nullopt;
}

std::string_view name(Packaging packaging) { return packagings.at(static_cast<std::size_t>(packaging)); }

std::optional<Packaging> packaging(std::string_view name) {
  for (std::size_t i = 0; i < packagings.size(); ++i) {
    if (packagings[i] == name) return static_cast<Packaging>(i);
  }
  return std::nullopt;
}

std::string_view commitment_type_uri(std::string_view name) {
  for (const CommitmentRow& row : commitment_types) {
    if (row.name == name) return row.uri;
  }
  return {};
}

std::string_view commitment_type_name(std::string_view uri) {
  for (const CommitmentRow& row : commitment_types) {
    if (row.uri == uri) return row.name;
  }
  return {};
}

std::string_view uri(const SignatureAlgorithm& algorithm) {
  for (const SchemeRow& row : signature_algorithms) {
    if (row.algorithm == algorithm) return row.uri;
  }
  return {};
}

std::optional<SignatureAlgorithm> signature_algorithm(std::string_view uri) {
  for (const SchemeRow& row : signature_algorithms) {
    if (row.uri == uri) return row.algorithm;
  }
  return std::nullopt;
}

std::optional<SignatureAlgorithm> preferred_algorithm(pki::KeyType key) {
  switch (key) {
    case pki::KeyType::rsa:
      return SignatureAlgorithm{KeyScheme::rsa_pkcs1, DigestAlgorithm::sha256};
    case pki::KeyType::ec_p256:
      return SignatureAlgorithm{KeyScheme::ecdsa, DigestAlgorithm::sha256};
    case pki::KeyType::ec_p384:
      return SignatureAlgorithm{KeyScheme::ecdsa, DigestAlgorithm::sha384};
    case pki::KeyType::ec_p521:
      return SignatureAlgorithm{KeyScheme::ecdsa, DigestAlgorithm::sha512};
    case pki::KeyType::other:
      break;
  }
  return std::nullopt;
}

std::string_view uri(base::DigestAlgorithm algorithm) { return digest_algorithms.at(static_cast<std::size_t>(algorithm)).uri; }

std::optional<base::DigestAlgorithm> digest_algorithm_of_uri(std::string_view uri) {
  for (const DigestRow& row : digest_algorithms) {
    if (row.uri == uri) return row.algorithm;
  }
  return std::nullopt;
}

}  // namespace signet::xades
