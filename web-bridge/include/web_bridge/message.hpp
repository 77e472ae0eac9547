#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "signing/manifest.hpp"
#include "web_bridge/limits.hpp"

namespace signet::web_bridge {

// The members of `params`: scalars, lists of texts, and the scalars of an object there, named "object.member". What is missing or
// of another type is parameter_invalid and named.
class Parameters {
 public:
  struct Other {};    // null, a fraction, another list or what stands deeper: nothing asks for one of these
  struct Members {};  // an object, whose members follow
  using Texts = std::vector<std::string>;
  using Value = std::variant<Other, bool, std::int64_t, std::string, Texts, Members>;

  void add(std::string name, Value value) { values_.emplace_back(std::move(name), std::move(value)); }
  const std::vector<std::pair<std::string, Value>>& all() const { return values_; }

  base::Result<std::string> text(std::string_view name, std::size_t max_bytes) const;  // 1 to max_bytes
  base::Result<std::string> text_or_empty(std::string_view name, std::size_t max_bytes) const;
  base::Result<std::size_t> number(std::string_view name) const;  // not negative
  base::Result<bool> flag(std::string_view name) const;           // false if absent
  base::Result<Texts> texts(std::string_view name, std::size_t most, std::size_t max_bytes) const;  // none if absent; each 1 to max_bytes
  base::Result<bool> object(std::string_view name) const;         // whether it is there

 private:
  const Value* find(std::string_view name) const;
  std::vector<std::pair<std::string, Value>> values_;
};

// `params.items`, read without a tree: texts one after another, digests decoded.
class ReceivedItems {
 public:
  // What is wrong with the list, or with its first wrong item: only who wants items asks.
  base::Result<std::vector<signing::Manifest::Item>> items() const;

 private:
  friend class MessageReader;
  struct Row {
    std::size_t id_at, id_size, name_at, name_size;
    base::Digest digest;
  };
  bool present_ = false;
  std::optional<base::Error> error_;
  std::string texts_;
  std::vector<Row> rows_;
};

struct RequestMessage {
  std::uint64_t id = 0;
  std::string method;
  Parameters parameters;
  ReceivedItems items;
};

// Reads `{"id":N,"method":"…","params":{…}}`; message_invalid for all else: no JSON, invalid UTF-8, a member that stands twice,
// too deep, a wrong type of these three. Unknown members are passed over. Any thread.
base::Result<RequestMessage> read_message(std::string_view text, const NativeLimits& limits);

}  // namespace signet::web_bridge
