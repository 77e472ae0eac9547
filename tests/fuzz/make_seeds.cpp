#include <filesystem>
#include <fstream>
#include <iostream>

#include "property.hpp"
#include "signed_seeds.hpp"
#include "signing/journal.hpp"
#include "wire.hpp"
#include "world.hpp"

// Makes what the targets start from: a folder for each target, and the world that signed seeds belong to.

namespace {

using namespace signet;
using namespace signet::pkcs11;
using base::as_bytes;

// The first byte says which reader a seed is for (wire.cpp).
template <class Value>
base::Bytes payload(std::uint8_t reader, const Value& value) {
  base::Bytes out{reader};
  wire::Writer writer(out);
  write(writer, value);
  return out;
}

void make_wire(const fuzz::Write& write) {
  const base::Digest digest = base::digest(base::DigestAlgorithm::sha256, {});
  const wire::SignRequest request{3, Mechanism::rsa_pkcs_pss, {digest, base::digest(base::DigestAlgorithm::sha512, {})}};
  base::Bytes sign = payload(4, request);
  base::Bytes channel{7};
  for (int i = 0; i < 3; ++i) {
    const auto header = wire::encode({.payload_size = static_cast<std::uint32_t>(sign.size() - 1),
                                      .request = static_cast<std::uint32_t>(i),
                                      .kind = wire::Kind::sign,
                                      .pin_size = 4});
    channel.insert(channel.end(), header.begin(), header.end());
    channel.insert(channel.end(), 4, '1');
    channel.insert(channel.end(), sign.begin() + 1, sign.end());
  }
  const auto header = wire::encode({.payload_size = 5, .request = 2, .kind = wire::Kind::login, .host_ends = true});
  base::Bytes head{0};
  head.insert(head.end(), header.begin(), header.end());
  write("wire/header", head);
  write("wire/error", payload(1, std::optional(base::Error{base::ErrorCode::pin_locked, "CKR_PIN_LOCKED", 0xA4, {}})));
  Token token;
  token.slot_id = 7;
  token.label = "token";
  token.serial = "0001";
  token.pin_max = 8;
  write("wire/token", payload(2, token));
  write("wire/signatures", payload(3, std::vector<base::Bytes>{base::Bytes(64, 1), base::Bytes(256, 2)}));
  write("wire/sign", sign);
  const wire::PinTarget target = wire::target_of(token);
  write("wire/pin_target", payload(6, target));
  base::Bytes set_pin = payload(5, wire::PinRequest{.target = target, .way = UnblockWay::puk, .first_size = 8});
  set_pin.insert(set_pin.begin() + 1, 12);  // bytes of PINs
  write("wire/set_pin", set_pin);
  write("wire/channel", channel);
}

void make_journals(const std::filesystem::path& folder) {
  const auto file = folder / "journal" / "three";
  std::filesystem::create_directories(file.parent_path());
  std::filesystem::remove(file);
  {
    auto journal = signing::Journal::open(file).value();
    for (const char* event : {"batch-begin", "item", "batch-end"})
      fuzz::hold(journal.append(fuzz::now, event, {{"origin", "https://sign.example"}, {"items", "2 of 3"}}).has_value());
  }
  std::filesystem::copy_file(file, folder / "journal" / "torn", std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(folder / "journal" / "torn", std::filesystem::file_size(file) - 9);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fuzz-seeds FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  const fuzz::Write write = [&folder](const std::string& path, base::BytesView content) {
    std::filesystem::create_directories((folder / path).parent_path());
    std::ofstream out(folder / path, std::ios::binary | std::ios::trunc);
    out << base::as_text(content);
    fuzz::hold(static_cast<bool>(out.flush()));
  };
  fuzz::make_signed_seeds(write);
  make_wire(write);
  make_journals(folder);
}
