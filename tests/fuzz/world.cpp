#include "world.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "property.hpp"

namespace signet::fuzz {
namespace {

const std::filesystem::path made = SIGNET_FUZZ_SEEDS;

pki::Certificate certificate(const char* name) { return pki::Certificate::from_der(read(made / "world" / name)).value(); }

World read_world() {
  const auto folder = made / "world";
  const auto imprint = base::Digest::of_value(base::DigestAlgorithm::sha256, read(folder / "request.imprint")).value();
  return {{{certificate("root.der")}, {certificate("issuer.der")}, pki::crls_in(read(folder / "lists.pem")).value()},
          certificate("signer.der"),
          certificate("revoked.der"),
          certificate("tsa.der"),
          {read(folder / "request.der"), imprint, read(folder / "request.nonce")},
          certificate("list_signer.der")};
}

}  // namespace

base::Bytes read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  hold(static_cast<bool>(in));
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<base::Bytes> seeds(const std::string& target) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(made / target)) files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<base::Bytes> out;
  for (const auto& file : files) out.push_back(read(file));
  return out;
}

const World& world() {
  static const World read = read_world();
  return read;
}

const std::vector<Content>& contents() {
  static const std::vector<Content> all{
      {"contract.pdf", "the contract"}, {"annex 1.txt", "the first annex"}, {"\xC8\x99ofer.txt", "the driver"}};
  return all;
}

}  // namespace signet::fuzz
