#include "portal/program/sandbox.hpp"

#include <algorithm>
#include <fstream>

#include "base/text.hpp"
#include "demo/files.hpp"
#include "pki/time_stamp.hpp"
#include "xades/build.hpp"

namespace signet::portal {
namespace {

constexpr std::string_view ca_name = "Signet Sandbox TEST CA";
constexpr std::size_t signers_kept = 1'000;
// A list is good for thirty days, a certificate for a year.
constexpr std::chrono::hours renewed_after{24 * 7};

void write_secret(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  out << text;
  if (!out.flush()) throw std::runtime_error(file.string() + " cannot be written");
}

demo::Identity kept_root(const std::filesystem::path& folder, base::Time now) {
  std::filesystem::create_directories(folder);
  const auto certificate = folder / "sandbox-ca.pem", key = folder / "sandbox-ca.key";
  if (std::filesystem::exists(certificate) && std::filesystem::exists(key)) return demo::read_identity(certificate, key);
  const demo::Authority made(std::string(ca_name), now);
  write_secret(key, demo::private_key_pem(made.root().key));
  std::ofstream(certificate) << demo::pem(made.root().certificate);
  return made.root();
}

// As a whole, or as it was: others read it at any time.
void write_list(const std::filesystem::path& folder, const pki::Crl& list) {
  const auto file = folder / "lists" / "sandbox-ca.crl.pem", draft = folder / "lists" / "sandbox-ca.crl.pem.new";
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(draft, std::ios::binary | std::ios::trunc);
  out << demo::pem(list);
  out.close();
  if (!out) throw std::runtime_error(draft.string() + " cannot be written");
  std::filesystem::rename(draft, file);
}

}  // namespace

bool is_test_anchor(const pki::Certificate& certificate) {
  // Whole words: an "Attestation Authority" is none of tests.
  std::string word;
  for (const char c : base::lower(certificate.subject()) + " ") {
    if (c >= 'a' && c <= 'z') {
      word += c;
    } else {
      if (word == "test" || word == "demo" || word == "demonstration" || word == "sandbox") return true;
      word.clear();
    }
  }
  return false;
}

bool is_sandbox_anchor(const pki::Certificate& certificate) { return certificate.common_name() == ca_name; }

Sandbox::Made Sandbox::make(const demo::Identity& root, base::Time now, const std::filesystem::path& folder) {
  demo::Authority authority(root, now);
  demo::Identity tsa = authority.issue({.common_name = "Signet Sandbox TEST TSA",
                                        .key_type = pki::KeyType::ec_p256,
                                        .usage = demo::Subject::Usage::time_stamping});
  pki::Crl list = authority.crl();
  write_list(folder, list);
  return {.at = now, .authority = std::move(authority), .responder = {std::move(tsa), {}}, .list = std::move(list)};
}

base::Result<std::unique_ptr<Sandbox>> Sandbox::open(const std::filesystem::path& folder, base::Time now) {
  try {
    return std::unique_ptr<Sandbox>(new Sandbox(folder, make(kept_root(folder, now), now, folder)));
  } catch (const std::exception& exception) {
    return base::failure(base::ErrorCode::file_failed, exception.what());
  }
}

base::Result<bool> Sandbox::renew(base::Time now) {
  const std::lock_guard lock(mutex_);
  // A clock that was put back makes what was made later not valid yet.
  if (now >= made_.at && now < made_.at + renewed_after) return false;
  try {
    made_ = make(made_.authority.root(), now, folder_);
    return true;
  } catch (const std::exception& exception) {
    return base::failure(base::ErrorCode::file_failed, exception.what());
  }
}

pki::TrustMaterial Sandbox::trust() const {
  const std::lock_guard lock(mutex_);
  pki::TrustMaterial trust;
  trust.anchors.push_back(made_.authority.root().certificate);
  trust.crls.push_back(made_.list);
  return trust;
}

base::Result<std::vector<std::string>> Sandbox::sign(const std::vector<SandboxWish>& wishes, base::Time now) {
  const std::lock_guard lock(mutex_);
  try {
    std::vector<std::string> signatures;
    for (const SandboxWish& wish : wishes) {
      auto signer = made_.signers.find(wish.idnp);
      if (signer == made_.signers.end()) {
        if (made_.signers.size() >= signers_kept) made_.signers.clear();
        signer = made_.signers
                     .emplace(wish.idnp, made_.authority.issue({.common_name = "TEST " + wish.idnp,
                                                                .serial_number = wish.idnp,
                                                                .key_type = pki::KeyType::ec_p256}))
                     .first;
      }
      const auto& [certificate, key] = signer->second;
      const std::string id =
          "signet-" + base::hex(base::digest(base::DigestAlgorithm::sha256, wish.digest.bytes()).bytes()).substr(0, 24);
      const xades::SignatureWriter writer({.signing_certificate = certificate,
                                           .chain = {},
                                           .algorithm = {xades::KeyScheme::ecdsa, base::DigestAlgorithm::sha256},
                                           .packaging = xades::Packaging::detached,
                                           .shared_id = id,
                                           .signing_time = now,
                                           .objects = 1});
      const xades::DataObject object{wish.name, wish.digest};
      const std::string own_id = id + "-0";
      const xades::SignatureContent content{own_id, {&object, 1}};
      const base::Bytes value = demo::sign_digest(key, demo::SoftScheme::ecdsa, writer.to_be_signed(content));
      const auto imprint = writer.time_stamp_imprint(content, value, base::DigestAlgorithm::sha256);
      const auto request = pki::make_time_stamp_request(imprint);
      const auto response = made_.responder.answer(request.der, demo::TsaFault::none, now);
      const auto token = pki::read_time_stamp_response(response, request);
      if (!token) return std::unexpected(token.error());
      signatures.push_back(writer.document(content, value, token->der));
    }
    return signatures;
  } catch (const std::exception& exception) {
    return base::failure(base::ErrorCode::internal, exception.what());
  }
}

}  // namespace signet::portal
