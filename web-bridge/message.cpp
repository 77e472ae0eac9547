#include "web_bridge/message.hpp"

#include <boost/json/basic_parser_impl.hpp>

#include "base/bytes.hpp"

namespace signet::web_bridge {

using base::ErrorCode;
using base::failure;
using boost::system::error_code;
using JsonText = boost::json::string_view;

namespace {

constexpr std::size_t most_texts = 64;  // of a list; who asks for one wants fewer

std::optional<base::DigestAlgorithm> algorithm_of(std::string_view name) {
  if (name == "sha256") return base::DigestAlgorithm::sha256;
  if (name == "sha384") return base::DigestAlgorithm::sha384;
  if (name == "sha512") return base::DigestAlgorithm::sha512;
  return std::nullopt;
}

std::unexpected<base::Error> missing(std::string_view name) {
  return failure(ErrorCode::parameter_invalid, std::string(name) + ": missing");
}
std::unexpected<base::Error> wrong(std::string_view name, std::string_view what) {
  return failure(ErrorCode::parameter_invalid, std::string(name) + ": " + std::string(what));
}

}  // namespace

const Parameters::Value* Parameters::find(std::string_view name) const {
  for (const auto& [known, value] : values_) {
    if (known == name) return &value;
  }
  return nullptr;
}

base::Result<std::string> Parameters::text(std::string_view name, std::size_t max_bytes) const {
  if (find(name) == nullptr) return missing(name);
  auto value = text_or_empty(name, max_bytes);
  if (value && value->empty()) return wrong(name, "empty");
  return value;
}

base::Result<std::string> Parameters::text_or_empty(std::string_view name, std::size_t max_bytes) const {
  const Value* value = find(name);
  if (value == nullptr) return std::string{};
  const auto* text = std::get_if<std::string>(value);
  if (text == nullptr) return wrong(name, "not a string");
  if (text->size() > max_bytes) return wrong(name, "at most " + std::to_string(max_bytes) + " bytes");
  return *text;
}

base::Result<std::size_t> Parameters::number(std::string_view name) const {
  const Value* value = find(name);
  if (value == nullptr) return missing(name);
  const auto* number = std::get_if<std::int64_t>(value);
  if (number == nullptr || *number < 0) return wrong(name, "not a whole number");
  return static_cast<std::size_t>(*number);
}

base::Result<bool> Parameters::flag(std::string_view name) const {
  const Value* value = find(name);
  if (value == nullptr) return false;
  const auto* flag = std::get_if<bool>(value);
  if (flag == nullptr) return wrong(name, "not true or false");
  return *flag;
}

base::Result<Parameters::Texts> Parameters::texts(std::string_view name, std::size_t most, std::size_t max_bytes) const {
  const Value* value = find(name);
  if (value == nullptr) return Texts{};
  const auto* texts = std::get_if<Texts>(value);
  if (texts == nullptr) return wrong(name, "not a list of strings");
  if (texts->size() > most) return wrong(name, "at most " + std::to_string(most));
  for (const std::string& text : *texts) {
    if (text.empty() || text.size() > max_bytes) return wrong(name, "each 1 to " + std::to_string(max_bytes) + " bytes");
  }
  return *texts;
}

base::Result<bool> Parameters::object(std::string_view name) const {
  const Value* value = find(name);
  if (value == nullptr) return false;
  if (!std::holds_alternative<Members>(*value)) return wrong(name, "not an object");
  return true;
}

base::Result<std::vector<signing::Manifest::Item>> ReceivedItems::items() const {
  if (error_) return std::unexpected(*error_);
  if (!present_) return missing("items");
  std::vector<signing::Manifest::Item> views;
  views.reserve(rows_.size());
  const std::string_view all = texts_;
  for (const Row& row : rows_)
    views.push_back({all.substr(row.id_at, row.id_size), all.substr(row.name_at, row.name_size), row.digest});
  return views;
}

// Takes what the parser sees and keeps only what a request has: a message of 5 000 items becomes no tree.
class MessageReader {
 public:
  static constexpr std::size_t max_object_size = max_object_members;
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  explicit MessageReader(const NativeLimits& limits) : limits_(limits) {}

  base::Result<RequestMessage> result() {
    if (!has_id_ || message_.method.empty()) return failure(ErrorCode::message_invalid, "id and method are wanted");
    return std::move(message_);
  }
  const char* reason() const { return reason_; }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }

  bool on_object_begin(error_code& error) {
    Place place = Place::ignored;
    if (levels_.empty()) {
      place = Place::root;
    } else if (here() == Place::root && key() == "params") {
      place = Place::params;
    } else if (here() == Place::items) {
      place = Place::item;
      item_ = {};
    } else if (here() == Place::params && !is_items()) {
      place = Place::members;
      if (!take(Parameters::Members{}, error)) return false;
    } else if (!take(Parameters::Other{}, error)) {
      return false;
    }
    enter(place, true);
    return true;
  }

  bool on_object_end(std::size_t, error_code&) {
    if (here() == Place::item) end_item();
    leave();
    return true;
  }

  bool on_array_begin(error_code& error) {
    Place place = Place::ignored;
    if (levels_.empty()) return stop("not an object", error);
    if (here() == Place::params && is_items()) {
      place = Place::items;
      message_.items.present_ = true;
    } else if (here() == Place::params) {
      place = Place::texts;
      texts_ = Parameters::Texts{};
    } else if (!take(Parameters::Other{}, error)) {
      return false;
    }
    enter(place, false);
    return true;
  }

  bool on_array_end(std::size_t, error_code& error) {
    const bool texts = here() == Place::texts;
    leave();
    if (!texts) return true;
    return take(texts_ ? Parameters::Value(std::move(*texts_)) : Parameters::Other{}, error);
  }

  bool on_key_part(JsonText part, std::size_t, error_code&) {
    keys_.append(part.data(), part.size());
    return true;
  }

  bool on_key(JsonText part, std::size_t size, error_code& error) {
    keys_.append(part.data(), part.size());
    Level& level = levels_.back();
    const std::string_view name = std::string_view(keys_).substr(keys_.size() - size);
    for (std::size_t i = level.first_name; i < names_.size(); ++i) {
      if (name_at(i) == name) return stop("a member stands twice", error);
    }
    names_.push_back({keys_.size() - size, size});
    return true;
  }

  bool on_string_part(JsonText part, std::size_t, error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }

  bool on_string(JsonText part, std::size_t, error_code& error) {
    text_.append(part.data(), part.size());
    const bool go_on = on_text(text_, error);
    text_.clear();
    return go_on;
  }

  bool on_number_part(JsonText, error_code&) { return true; }
  bool on_int64(std::int64_t value, JsonText, error_code& error) { return on_number(value, error); }
  bool on_uint64(std::uint64_t value, JsonText, error_code& error) {
    // Over 2^63: no number that is asked for is as large.
    return value > static_cast<std::uint64_t>(INT64_MAX) ? take(Parameters::Other{}, error)
                                                         : on_number(static_cast<std::int64_t>(value), error);
  }
  bool on_double(double, JsonText, error_code& error) { return take(Parameters::Other{}, error); }
  bool on_bool(bool value, error_code& error) { return take(value, error); }
  bool on_null(error_code& error) { return take(Parameters::Other{}, error); }
  bool on_comment_part(JsonText, error_code&) { return true; }
  bool on_comment(JsonText, error_code&) { return true; }

 private:
  enum class Place : std::uint8_t { root, params, members, texts, items, item, ignored };
  struct Level {
    Place place;
    bool object;
    std::size_t first_name;
    std::size_t keys_size;
  };
  struct Name {
    std::size_t at, size;
  };
  struct Item {
    std::optional<std::string> id, name, digest, algorithm;
  };

  Place here() const { return levels_.empty() ? Place::ignored : levels_.back().place; }
  std::string_view name_at(std::size_t index) const {
    return std::string_view(keys_).substr(names_[index].at, names_[index].size);
  }
  std::string_view key() const {
    return levels_.back().object && names_.size() > levels_.back().first_name ? name_at(names_.size() - 1) : std::string_view{};
  }

  bool is_items() const { return key() == "items"; }
  // Of the object in `params` whose members are being read.
  std::string_view object_name() const { return name_at(levels_.back().first_name - 1); }

  void enter(Place place, bool object) { levels_.push_back({place, object, names_.size(), keys_.size()}); }
  void leave() {
    keys_.resize(levels_.back().keys_size);
    names_.resize(levels_.back().first_name);
    levels_.pop_back();
  }

  bool stop(const char* reason, error_code& error) {
    reason_ = reason;
    error = make_error_code(boost::system::errc::invalid_argument);
    return false;
  }

  bool on_number(std::int64_t value, error_code& error) {
    if (here() == Place::root && key() == "id") {
      if (value < 1 || static_cast<std::uint64_t>(value) > max_request_id) return stop("id: not from 1 to 2^53-1", error);
      message_.id = static_cast<std::uint64_t>(value);
      has_id_ = true;
      return true;
    }
    return take(value, error);
  }

  bool on_text(const std::string& text, error_code& error) {
    if (here() == Place::root && key() == "method") {
      message_.method = text;
      return true;
    }
    if (here() == Place::item) {
      auto& wanted = key() == "id" ? item_.id : key() == "name" ? item_.name : key() == "digest" ? item_.digest : item_.algorithm;
      if (&wanted != &item_.algorithm || key() == "alg") wanted = text;
      return true;
    }
    if (here() == Place::texts) {
      if (texts_ && texts_->size() < most_texts) {
        texts_->push_back(text);
      } else {
        texts_.reset();
      }
      return true;
    }
    return take(text, error);
  }

  // A value that has no place of its own.
  bool take(Parameters::Value value, error_code& error) {
    switch (here()) {
      case Place::root:
        if (key() == "id" || key() == "method" || key() == "params")
          return stop("id, method or params is of a wrong type", error);
        return true;
      case Place::params:
        // A list to batch.items, a number to batch.commit: each method looks for its own.
        if (is_items()) bad_items(ErrorCode::parameter_invalid, "items: not an array");
        // A name with a point is that of an object's member, and of nothing else.
        if (key().find('.') == std::string_view::npos) message_.parameters.add(std::string(key()), std::move(value));
        return true;
      case Place::members:
        if (object_name().find('.') == std::string_view::npos)
          message_.parameters.add(std::string(object_name()) + "." + std::string(key()), std::move(value));
        return true;
      case Place::texts:
        texts_.reset();
        return true;
      case Place::items:
        bad_items(ErrorCode::parameter_invalid, where() + ": not an object");
        return true;
      case Place::item:
        if (key() == "id" || key() == "name" || key() == "digest" || key() == "alg")
          bad_items(ErrorCode::parameter_invalid, where() + "." + std::string(key()) + ": not a string");
        return true;
      case Place::ignored:
        break;
    }
    return levels_.empty() ? stop("not an object", error) : true;
  }

  std::string where() const { return "items[" + std::to_string(message_.items.rows_.size()) + "]"; }
  void bad_items(ErrorCode code, std::string detail) {
    if (!message_.items.error_) message_.items.error_ = base::Error{code, std::move(detail), 0, {}};
  }

  void end_item() {
    auto& items = message_.items;
    if (items.error_) return;
    if (items.rows_.size() == limits_.part_items)
      return bad_items(ErrorCode::batch_too_large, "at most " + std::to_string(limits_.part_items) + " items in a part");
    const char* const absent = !item_.id ? "id" : !item_.digest ? "digest" : !item_.name ? "name" : nullptr;
    if (absent != nullptr) return bad_items(ErrorCode::parameter_invalid, where() + "." + absent + ": missing");
    const auto algorithm = algorithm_of(item_.algorithm.value_or("sha256"));
    if (!algorithm) return bad_items(ErrorCode::algorithm_unknown, where() + ".alg");
    const auto bytes = base::from_base64(*item_.digest);
    if (!bytes) return bad_items(ErrorCode::parameter_invalid, where() + ".digest: not base64");
    const auto digest = base::Digest::of_value(*algorithm, *bytes);
    if (!digest) return bad_items(digest.error().code, where() + ".digest");
    const std::size_t at = items.texts_.size();
    items.texts_ += *item_.id;
    items.texts_ += *item_.name;
    items.rows_.push_back({at, item_.id->size(), at + item_.id->size(), item_.name->size(), *digest});
  }

  const NativeLimits& limits_;
  RequestMessage message_;
  bool has_id_ = false;
  const char* reason_ = nullptr;
  std::vector<Level> levels_;
  std::string keys_;  // names of the members of all open objects
  std::vector<Name> names_;
  std::string text_;
  Item item_;
  std::optional<Parameters::Texts> texts_;  // none: something else stands in the list, or too many do
};

base::Result<RequestMessage> read_message(std::string_view text, const NativeLimits& limits) {
  boost::json::parse_options options;  // the strict defaults: no comments, no trailing commas, valid UTF-8
  options.max_depth = max_json_depth;
  boost::json::basic_parser<MessageReader> parser(options, limits);
  error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (error) {
    const char* const reason = parser.handler().reason();
    return failure(ErrorCode::message_invalid, reason != nullptr ? std::string(reason) : error.message());
  }
  if (read != text.size()) return failure(ErrorCode::message_invalid, "bytes after the object");
  return parser.handler().result();
}

}  // namespace signet::web_bridge
