#include "demo/files.hpp"

#include <fcntl.h>
#include <openssl/pem.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "base/owned.hpp"

namespace signet::demo {
namespace {

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

void write_pki(const std::filesystem::path& folder, base::Time now) {
  std::filesystem::create_directories(folder);
  Authority authority("Signet Demo CA", now);
  const std::string name = "demo-ca";
  write(folder, name, authority.root());
  write(folder, "signer-rsa2048", authority.issue({.common_name = "Ana Demo (RSA)", .serial_number = "2000000000001"}));
  write(folder, "signer-p256", authority.issue({.common_name = "Ion Demo (P-256)", .serial_number = "2000000000002", .key_type = pki::KeyType::ec_p256}));
  write(folder, "tsa", authority.issue({.common_name = "Signet Demo TSA", .serial_number = {}, .usage = Subject::Usage::time_stamping}));
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
