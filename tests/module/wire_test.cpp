#include "wire.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace signet;
using namespace signet::pkcs11;

TEST_CASE("a header is read back as it was written") {
  const wire::Header header{
      .payload_size = 70000, .request = 0xFFFFFFFF, .kind = wire::Kind::sign, .host_ends = true, .pin_size = 256};
  const auto read = wire::decode(wire::encode(header));
  REQUIRE(read);
  CHECK(read->payload_size == 70000);
  CHECK(read->request == 0xFFFFFFFF);
  CHECK(read->kind == wire::Kind::sign);
  CHECK(read->host_ends);
  CHECK(read->pin_size == 256);
}

TEST_CASE("a header that asks for too much, or is of no kind, is refused") {
  CHECK_FALSE(wire::decode(wire::encode({.payload_size = wire::max_payload + 1})));
  CHECK_FALSE(wire::decode(wire::encode({.pin_size = base::Secret::capacity + 1})));
  CHECK_FALSE(wire::decode(wire::encode({.kind = static_cast<wire::Kind>(static_cast<int>(wire::last_kind) + 1)})));
  auto bytes = wire::encode({});
  bytes[9] = 2;
  CHECK_FALSE(wire::decode(bytes));
}

TEST_CASE("a request to sign is read back as it was written, and cut anywhere it is refused") {
  wire::SignRequest request{77, Mechanism::rsa_pkcs_pss, {}};
  request.digests.push_back(base::digest(base::DigestAlgorithm::sha256, {}));
  request.digests.push_back(base::digest(base::DigestAlgorithm::sha512, {}));
  base::Bytes payload;
  wire::Writer writer(payload);
  write(writer, request);
  {
    wire::Reader reader(payload);
    const auto read = wire::read_sign_request(reader);
    REQUIRE(reader.complete());
    CHECK(read.key == 77);
    CHECK(read.mechanism == Mechanism::rsa_pkcs_pss);
    CHECK(read.digests == request.digests);
  }
  for (std::size_t size = 0; size < payload.size(); ++size) {
    wire::Reader reader(base::BytesView(payload).first(size));
    wire::read_sign_request(reader);
    CHECK_FALSE(reader.complete());
  }
  payload.push_back(0);
  wire::Reader longer(payload);
  wire::read_sign_request(longer);
  CHECK_FALSE(longer.complete());
}

TEST_CASE("a request to set a PIN has two secrets or none, and says where the second begins") {
  const auto read = [](const wire::PinRequest& request, std::size_t pin_size) -> std::optional<wire::PinRequest> {
    base::Bytes payload;
    wire::Writer writer(payload);
    write(writer, request);
    wire::Reader reader(payload);
    const auto again = wire::read_pin_request(reader, pin_size);
    return reader.complete() ? std::optional(again) : std::nullopt;
  };
  const wire::PinTarget target{7, "label", "maker", "0001", {}};
  const auto good = read({.target = target, .way = UnblockWay::puk, .first_size = 6}, 14);
  REQUIRE(good);
  CHECK(good->target == target);
  CHECK(good->way == UnblockWay::puk);
  CHECK(good->first_size == 6);
  CHECK(read({}, 0));
  CHECK_FALSE(read({.first_size = 6}, 6));  // no second one
  CHECK_FALSE(read({.first_size = 7}, 6));
  CHECK_FALSE(read({.first_size = 6}, 0));
  CHECK_FALSE(read({.first_size = 0}, 6));  // no first one
  CHECK_FALSE(read({.way = static_cast<UnblockWay>(3)}, 0));
  const TokenQuirks quirks{
      .mechanisms = {Mechanism::rsa_pkcs, Mechanism::ecdsa}, .always_authenticate = false, .pin_min = 4, .pin_max = 300};
  const auto with_quirks = read({.target = {7, "label", "maker", "0001", quirks}}, 0);
  REQUIRE(with_quirks);
  CHECK(with_quirks->target.quirks == quirks);
}

TEST_CASE("quirks that name no mechanism, or more than there are, are refused or read as what they are") {
  const auto read = [](base::Bytes payload) -> std::optional<TokenQuirks> {
    wire::Reader reader(payload);
    const auto quirks = wire::read_quirks(reader);
    return reader.complete() ? std::optional(quirks) : std::nullopt;
  };
  CHECK(read({0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) == TokenQuirks{});
  CHECK(read({0, 2, 0, 0, 0, 0, 0, 0, 0, 0}) == TokenQuirks{.always_authenticate = true});
  CHECK_FALSE(read({8, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  CHECK_FALSE(read({0, 3, 0, 0, 0, 0, 0, 0, 0, 0}));
  CHECK_FALSE(read({0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_CASE("the token that a PIN is for is read back as it was written, and cut anywhere it is refused") {
  const wire::PinTarget target{7, "label", std::string(wire::max_text, 'm'), ""};
  base::Bytes payload;
  wire::Writer writer(payload);
  write(writer, target);
  wire::Reader whole(payload);
  CHECK(wire::read_pin_target(whole) == target);
  CHECK(whole.complete());
  for (std::size_t size = 0; size < payload.size(); ++size) {
    wire::Reader reader(base::BytesView(payload).first(size));
    wire::read_pin_target(reader);
    CHECK_FALSE(reader.complete());
  }
}

TEST_CASE("a list that claims more than there is, or more than is allowed, allocates nothing for it") {
  base::Bytes payload;
  wire::Writer writer(payload);
  writer.integer(std::uint16_t{0xFFFF});
  writer.integer(std::uint32_t{0xFFFFFFFF});
  wire::Reader reader(payload);
  CHECK(wire::read_signatures(reader).size() <= 1);
  CHECK_FALSE(reader.complete());
}

TEST_CASE("random bytes are read as something or refused, never past their end") {
  std::mt19937 random(4711);
  for (int i = 0; i < 20000; ++i) {
    base::Bytes bytes(random() % 96);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % (i % 2 == 0 ? 256 : 4));
    const base::Bytes exact(bytes);  // a buffer of its own, so that AddressSanitizer sees each end
    wire::Reader a(exact), b(exact), c(exact), d(exact), e(exact);
    wire::read_sign_request(a);
    wire::read_signatures(b);
    wire::read_token(c);
    wire::read_error(d);
    wire::read_pin_request(e, i % 20);
  }
}
