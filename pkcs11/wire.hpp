#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/secret.hpp"
#include "pkcs11/token_host.hpp"

// What travels between the agent and signet-token-host: frames over a stream socket pair, integers little-endian. Each end
// takes the other for hostile (the host runs vendor code): every length is checked, and a bad frame ends the conversation.
//
//   header (12 bytes) | PINs (pin_size bytes, only in requests) | payload (payload_size bytes)
//
// PINs stand apart so that they are sent from, and received into, locked memory. Where a request has two (change_pin: the old and
// the new one; unblock_pin: the PUK and the new PIN) they follow each other and the payload says where the second begins.
// Requests are answered in their order, each by one frame of its kind and number. The reply to `load` comes unasked, first.
// Frames between replies: `signatures_so_far` (of the request being served), `slot_event` and `events_ended`.
namespace signet::pkcs11::wire {

enum class Kind : std::uint8_t {
  load,
  tokens,
  certificates,
  login,
  logout,
  key,
  sign,
  change_pin,
  unblock_pin,
  signatures_so_far,
  slot_event,
  events_ended,
};
constexpr Kind last_kind = Kind::events_ended;

constexpr std::size_t max_payload = std::size_t{1} << 20;
constexpr std::size_t max_slots = 64;
constexpr std::size_t max_certificates = 256;
constexpr std::size_t max_certificate_size = 32 * 1024;
constexpr std::size_t max_text = 512;
constexpr std::size_t max_shown_text = 128;  // what the agent keeps of a token's texts (base::shown)
constexpr std::size_t max_cka_id = 255;
constexpr std::size_t max_signature = 1024;  // RSA-8192

struct Header {
  std::uint32_t payload_size = 0;
  std::uint32_t request = 0;
  Kind kind = Kind::load;
  bool host_ends = false;  // the host serves nothing after this reply: its module cannot be trusted to go on
  std::uint16_t pin_size = 0;
};
constexpr std::size_t header_size = 12;
using HeaderBytes = std::array<std::uint8_t, header_size>;

// Appends to a payload.
class Writer {
 public:
  explicit Writer(base::Bytes& out) : out_(out) {}

  template <class T>
  void integer(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      out_.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xFF));
  }
  void raw(base::BytesView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void bytes(base::BytesView bytes) {
    integer(static_cast<std::uint32_t>(bytes.size()));
    raw(bytes);
  }
  void text(std::string_view text) { bytes(base::as_bytes(text.substr(0, max_text))); }

 private:
  base::Bytes& out_;
};

// Reads a payload; after the first thing that does not fit all that follows is empty and `complete` is false.
class Reader {
 public:
  explicit Reader(base::BytesView in) : rest_(in) {}

  template <class T>
  T integer() {
    const base::BytesView in = raw(sizeof(T));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < in.size(); ++i) value |= static_cast<std::uint64_t>(in[i]) << (8 * i);
    return static_cast<T>(value);
  }
  bool boolean() {
    const auto value = integer<std::uint8_t>();
    if (value > 1) good_ = false;
    return value == 1;
  }
  base::BytesView raw(std::size_t size) {
    if (!good_ || size > rest_.size()) {
      good_ = false;
      return {};
    }
    const base::BytesView out = rest_.first(size);
    rest_ = rest_.subspan(size);
    return out;
  }
  base::BytesView bytes(std::size_t max) {
    const auto size = integer<std::uint32_t>();
    if (size > max) good_ = false;
    return raw(size);
  }
  std::string text() { return std::string(base::as_text(bytes(max_text))); }
  void refuse() { good_ = false; }
  bool good() const { return good_; }
  bool complete() const { return good_ && rest_.empty(); }

 private:
  base::BytesView rest_;
  bool good_ = true;
};

inline HeaderBytes encode(const Header& header) {
  base::Bytes out;
  out.reserve(header_size);
  Writer writer(out);
  writer.integer(header.payload_size);
  writer.integer(header.request);
  writer.integer(static_cast<std::uint8_t>(header.kind));
  writer.integer(static_cast<std::uint8_t>(header.host_ends ? 1 : 0));
  writer.integer(header.pin_size);
  HeaderBytes bytes{};
  std::copy(out.begin(), out.end(), bytes.begin());
  return bytes;
}

inline std::optional<Header> decode(const HeaderBytes& bytes) {
  Reader reader(bytes);
  Header header;
  header.payload_size = reader.integer<std::uint32_t>();
  header.request = reader.integer<std::uint32_t>();
  const auto kind = reader.integer<std::uint8_t>();
  header.host_ends = reader.boolean();
  header.pin_size = reader.integer<std::uint16_t>();
  if (!reader.complete() || header.payload_size > max_payload || header.pin_size > base::Secret::capacity ||
      kind > static_cast<std::uint8_t>(last_kind))
    return std::nullopt;
  header.kind = static_cast<Kind>(kind);
  return header;
}

inline void write(Writer& writer, const std::optional<base::Error>& error) {
  writer.integer(static_cast<std::uint8_t>(error ? 1 : 0));
  if (!error) return;
  writer.integer(static_cast<std::uint8_t>(error->code));
  writer.integer(error->origin);
  writer.text(error->detail);
}

inline std::optional<base::Error> read_error(Reader& reader) {
  if (!reader.boolean()) return std::nullopt;
  base::Error error;
  const auto code = reader.integer<std::uint8_t>();
  if (code > static_cast<std::uint8_t>(base::ErrorCode::internal)) reader.refuse();
  error.code = static_cast<base::ErrorCode>(code);
  error.origin = reader.integer<std::uint64_t>();
  error.detail = reader.text();
  return error;
}

inline void write(Writer& writer, const Token& token) {
  writer.integer(token.slot_id);
  for (const std::string* text : {&token.label, &token.manufacturer, &token.model, &token.serial, &token.slot})
    writer.text(*text);
  for (const bool flag :
       {token.login_required, token.protected_authentication_path, token.pin_count_low, token.pin_final_try, token.pin_locked})
    writer.integer(static_cast<std::uint8_t>(flag ? 1 : 0));
  writer.integer(token.pin_min);
  writer.integer(token.pin_max);
  for (const bool flag : {token.puk_final_try, token.puk_locked}) writer.integer(static_cast<std::uint8_t>(flag ? 1 : 0));
}

inline Token read_token(Reader& reader) {
  Token token;
  token.slot_id = reader.integer<std::uint64_t>();
  for (std::string* text : {&token.label, &token.manufacturer, &token.model, &token.serial, &token.slot}) *text = reader.text();
  for (bool* flag : {&token.login_required, &token.protected_authentication_path, &token.pin_count_low, &token.pin_final_try,
                     &token.pin_locked})
    *flag = reader.boolean();
  token.pin_min = reader.integer<std::uint32_t>();
  token.pin_max = reader.integer<std::uint32_t>();
  token.puk_final_try = reader.boolean();
  token.puk_locked = reader.boolean();
  return token;
}

inline void write(Writer& writer, const std::vector<base::Bytes>& signatures) {
  writer.integer(static_cast<std::uint16_t>(signatures.size()));
  for (const base::Bytes& signature : signatures) writer.bytes(signature);
}

inline std::vector<base::Bytes> read_signatures(Reader& reader) {
  const auto count = reader.integer<std::uint16_t>();
  std::vector<base::Bytes> signatures;
  for (std::size_t i = 0; i < count && reader.good(); ++i) {
    const base::BytesView bytes = reader.bytes(max_signature);
    signatures.emplace_back(bytes.begin(), bytes.end());
  }
  return signatures;
}

// The mechanisms as bits, each by its number; then whether keys want a PIN for each signature: 0 as they say, 1 no, 2 yes.
inline void write(Writer& writer, const TokenQuirks& quirks) {
  std::uint8_t mechanisms = 0;
  for (const Mechanism mechanism : quirks.mechanisms)
    mechanisms = static_cast<std::uint8_t>(mechanisms | 1U << static_cast<unsigned>(mechanism));
  writer.integer(mechanisms);
  writer.integer(static_cast<std::uint8_t>(!quirks.always_authenticate ? 0 : *quirks.always_authenticate ? 2 : 1));
  writer.integer(quirks.pin_min);
  writer.integer(quirks.pin_max);
}

inline TokenQuirks read_quirks(Reader& reader) {
  TokenQuirks quirks;
  const auto mechanisms = reader.integer<std::uint8_t>();
  constexpr unsigned last = static_cast<unsigned>(Mechanism::ecdsa);
  if (mechanisms >> (last + 1) != 0) reader.refuse();
  for (unsigned number = 0; number <= last; ++number)
    if ((mechanisms >> number & 1) != 0) quirks.mechanisms.push_back(static_cast<Mechanism>(number));
  const auto always = reader.integer<std::uint8_t>();
  if (always > 2) reader.refuse();
  if (always != 0) quirks.always_authenticate = always == 2;
  quirks.pin_min = reader.integer<std::uint32_t>();
  quirks.pin_max = reader.integer<std::uint32_t>();
  return quirks;
}

// The token that a PIN is for: what is in this slot must call itself so, as the agent shows it, or no PIN is presented. A slot
// number is good for one host, and another token may be in the slot by now.
struct PinTarget {
  std::uint64_t slot_id = 0;
  std::string label, manufacturer, serial;
  TokenQuirks quirks = {};
  bool operator==(const PinTarget&) const = default;
};

inline PinTarget target_of(const Token& token) {
  return {token.slot_id, token.label, token.manufacturer, token.serial, token.quirks};
}

inline void write(Writer& writer, const PinTarget& target) {
  writer.integer(target.slot_id);
  for (const std::string* text : {&target.label, &target.manufacturer, &target.serial}) writer.text(*text);
  write(writer, target.quirks);
}

inline PinTarget read_pin_target(Reader& reader) {
  PinTarget target;
  target.slot_id = reader.integer<std::uint64_t>();
  for (std::string* text : {&target.label, &target.manufacturer, &target.serial}) *text = reader.text();
  target.quirks = read_quirks(reader);
  return target;
}

// A request to change a PIN (which has no way) or to unblock it; the first of its secrets has `first_size` bytes, the second
// one the rest of the PIN area. Both are empty where the reader asks for them.
struct PinRequest {
  PinTarget target = {};
  UnblockWay way = UnblockWay::so_pin;
  std::uint16_t first_size = 0;
};

inline void write(Writer& writer, const PinRequest& request) {
  write(writer, request.target);
  writer.integer(static_cast<std::uint8_t>(request.way));
  writer.integer(request.first_size);
}

inline UnblockWay read_unblock_way(Reader& reader) {
  const auto way = reader.integer<std::uint8_t>();
  if (way > static_cast<std::uint8_t>(last_unblock_way)) reader.refuse();
  return static_cast<UnblockWay>(way);
}

inline PinRequest read_pin_request(Reader& reader, std::size_t pin_size) {
  PinRequest request;
  request.target = read_pin_target(reader);
  request.way = read_unblock_way(reader);
  request.first_size = reader.integer<std::uint16_t>();
  // Both or neither: a secret that is missing would be taken for a PIN pad's.
  const bool both = request.first_size > 0 && request.first_size < pin_size;
  const bool neither = request.first_size == 0 && pin_size == 0;
  if (!both && !neither) reader.refuse();
  return request;
}

// A request to sign; the key is named by the number that the host gave it.
struct SignRequest {
  std::uint32_t key = 0;
  Mechanism mechanism = Mechanism::rsa_pkcs;
  std::vector<base::Digest> digests;
};

inline void write(Writer& writer, const SignRequest& request) {
  writer.integer(request.key);
  writer.integer(static_cast<std::uint8_t>(request.mechanism));
  writer.integer(static_cast<std::uint16_t>(request.digests.size()));
  for (const base::Digest& digest : request.digests) {
    writer.integer(static_cast<std::uint8_t>(digest.algorithm()));
    writer.raw(digest.bytes());
  }
}

inline SignRequest read_sign_request(Reader& reader) {
  SignRequest request;
  request.key = reader.integer<std::uint32_t>();
  const auto mechanism = reader.integer<std::uint8_t>();
  if (mechanism > static_cast<std::uint8_t>(Mechanism::ecdsa)) reader.refuse();
  request.mechanism = static_cast<Mechanism>(mechanism);
  const auto count = reader.integer<std::uint16_t>();
  if (count > TokenHost::max_chunk) reader.refuse();
  for (std::size_t i = 0; i < count && reader.good(); ++i) {
    const auto code = reader.integer<std::uint8_t>();
    if (code > static_cast<std::uint8_t>(base::DigestAlgorithm::sha512)) {
      reader.refuse();
      break;
    }
    const auto algorithm = static_cast<base::DigestAlgorithm>(code);
    const auto digest = base::Digest::of_value(algorithm, reader.raw(base::size(algorithm)));
    if (!digest) {
      reader.refuse();
      break;
    }
    request.digests.push_back(*digest);
  }
  return request;
}

}  // namespace signet::pkcs11::wire
