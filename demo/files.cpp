#include "demo/files.hpp"

#include <fcntl.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "base/owned.hpp"

namespace signet::demo {
namespace {

struct Kind {
  std::string_view name;
  pki::KeyType type;
  int rsa_bits;
  const char* person;
  const char* idnp;
};
constexpr std::array kinds_of_keys{
    Kind{"rsa2048", pki::KeyType::rsa, 2048, "Ana Demo (RSA)", "2000000000001"},
    Kind{"rsa3072", pki::KeyType::rsa, 3072, "Vera Demo (RSA-3072)", "2000000000003"},
    Kind{"p256", pki::KeyType::ec_p256, 0, "Ion Demo (P-256)", "2000000000002"},
    Kind{"p384", pki::KeyType::ec_p384, 0, "Mihai Demo (P-384)", "2000000000004"},
    Kind{"p521", pki::KeyType::ec_p521, 0, "Elena Demo (P-521)", "2000000000005"},
};

void write(const std::filesystem::path& file, const std::string& text, mode_t mode) {
  std::filesystem::remove(file);
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  const bool written = descriptor >= 0 && ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (descriptor >= 0) ::close(descriptor);
  if (!written) throw std::runtime_error("cannot write " + file.string());
}

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw std::runtime_error("cannot read " + file.string());
  return text.str();
}

void write(const std::filesystem::path& folder, const std::string& name, const Identity& identity) {
  write(folder / (name + ".pem"), pem(identity.certificate), 0644);
  write(folder / (name + ".key"), private_key_pem(identity.key), 0600);
}

}  // namespace

std::vector<std::string> key_kinds() {
  std::vector<std::string> names;
  for (const Kind& kind : kinds_of_keys) names.emplace_back(kind.name);
  return names;
}

std::vector<std::string> signers_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".key" && name.starts_with("signer-")) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

void write_pki(const std::filesystem::path& folder, const std::vector<std::string>& kinds, base::Time now,
               const std::string& crl_url) {
  std::filesystem::create_directories(folder);
  Authority authority("Signet Demo CA", now);
  authority.publish_crl_at(crl_url);
  const std::string name = "demo-ca";
  write(folder, name, authority.root());
  for (const std::string& name_of_kind : kinds) {
    const auto kind = std::ranges::find(kinds_of_keys, name_of_kind, &Kind::name);
    if (kind == kinds_of_keys.end()) throw std::runtime_error("no such kind of key: " + name_of_kind);
    write(folder, "signer-" + name_of_kind,
          authority.issue(
              {.common_name = kind->person, .serial_number = kind->idnp, .key_type = kind->type, .rsa_bits = kind->rsa_bits}));
  }
  write(folder, "tsa",
        authority.issue({.common_name = "Signet Demo TSA", .serial_number = {}, .usage = Subject::Usage::time_stamping}));
  write(folder / (name + ".crl.pem"), pem(authority.crl()), 0644);
}

void revoke_in(const std::filesystem::path& folder, const pki::Certificate& certificate, base::Time since, base::Time now) {
  Authority authority(read_identity(folder / "demo-ca.pem", folder / "demo-ca.key"), now);
  authority.revoke(certificate, since);
  write(folder / "demo-ca.crl.pem", pem(authority.crl()), 0644);
}

Identity read_identity(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  auto certificates = pki::certificates_in(base::as_bytes(read(certificate)));
  if (!certificates || certificates->empty()) throw std::runtime_error("no certificate in " + certificate.string());
  const std::string text = read(key);
  const base::Owned<BIO, BIO_free> in{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
  const PrivateKey private_key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (!private_key) throw std::runtime_error("no private key in " + key.string());
  return {certificates->front(), private_key};
}

}  // namespace signet::demo
