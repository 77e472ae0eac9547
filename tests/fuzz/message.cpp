#include "web_bridge/message.hpp"

#include <boost/json.hpp>

#include "base/bytes.hpp"
#include "base/text.hpp"
#include "property.hpp"
#include "web_bridge/json.hpp"

// What a page sends. What is accepted is compared with what another reader of JSON, which builds a tree, sees in it.

namespace json = boost::json;
using namespace signet;
using namespace signet::web_bridge;
using fuzz::hold;

namespace {

json::object tree_of(std::string_view text) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = max_json_depth;
  json::value tree = json::parse({text.data(), text.size()}, error, {}, options);
  hold(!error);
  hold(tree.is_object());
  return std::move(tree).as_object();
}

std::string_view view(const json::value& text) { return {text.as_string().data(), text.as_string().size()}; }

void check_written_back(const std::string& text) {
  std::string written;
  JsonObject(written).text("t", text);
  hold(view(tree_of(written).at("t")) == text);
}

bool has_point(std::string_view name) { return name.find('.') != name.npos; }

void check_parameter(const std::string& name, const Parameters::Value& value, const json::value& seen) {
  hold(base::is_utf8(name));
  if (const auto* text = std::get_if<std::string>(&value)) {
    hold(view(seen) == *text);
    hold(base::is_utf8(*text));
    check_written_back(*text);
  } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
    boost::system::error_code error;
    hold(seen.to_number<std::int64_t>(error) == *number && !error);
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    hold(seen.as_bool() == *flag);
  } else if (const auto* texts = std::get_if<Parameters::Texts>(&value)) {
    hold(seen.as_array().size() == texts->size());
    for (std::size_t i = 0; i < texts->size(); ++i) hold(view(seen.at(i)) == (*texts)[i]);
  } else if (std::holds_alternative<Parameters::Members>(value)) {
    hold(seen.is_object());
  } else {
    hold(!seen.is_string() && !seen.is_bool() && !seen.is_int64() && (!seen.is_object() || name == "items" || has_point(name)));
  }
}

// As many parameters as members are told: a list of items is told by itself, and a name with a point is an object's member's.
std::size_t told_members(const json::object& params) {
  std::size_t count = 0;
  for (const auto& [key, value] : params) {
    if (has_point(key) || (key == "items" && value.is_array())) continue;
    count += 1 + (value.is_object() && key != "items" ? value.as_object().size() : 0);
  }
  return count;
}

const json::value& value_of(const json::object& params, const std::string& name) {
  const std::size_t point = name.find('.');
  return point == name.npos ? params.at(name) : params.at(name.substr(0, point)).at(name.substr(point + 1));
}

void check_accessors(const Parameters& parameters, const std::string& name) {
  constexpr std::size_t most = 8;
  if (const auto text = parameters.text(name, most)) hold(!text->empty() && text->size() <= most);
  if (const auto text = parameters.text_or_empty(name, most)) hold(text->size() <= most);
  static_cast<void>(parameters.number(name));
  static_cast<void>(parameters.flag(name));
  static_cast<void>(parameters.object(name));
  if (const auto texts = parameters.texts(name, most, most)) hold(texts->size() <= most);
}

void check_items(const RequestMessage& message, const json::object& root, const NativeLimits& limits) {
  const auto items = message.items.items();
  if (!items) return;
  const json::array& seen = root.at("params").at("items").as_array();
  hold(items->size() == seen.size() && items->size() <= limits.part_items);
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto& item = (*items)[i];
    hold(item.id == view(seen[i].at("id")) && item.name == view(seen[i].at("name")));
    hold(item.digest.algorithm() >= base::DigestAlgorithm::sha256);
    const auto bytes = base::from_base64(view(seen[i].at("digest")));
    hold(bytes && std::ranges::equal(*bytes, item.digest.bytes()));
  }
  signing::Manifest manifest;
  if (!manifest.add_all(*items)) {
    hold(manifest.size() == 0);
    return;
  }
  hold(manifest.size() == items->size());
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    const auto item = manifest[i];
    hold(!item.id.empty() && item.id.size() <= limits.id_bytes && base::is_utf8(item.id));
    hold(!item.name.empty() && item.name.size() <= limits.name_bytes && base::is_utf8(item.name));
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  NativeLimits limits;
  limits.part_items = 4;  // so that it is met
  const std::string_view text = base::as_text({data, size});
  const auto message = read_message(text, limits);
  if (!message) {
    hold(message.error().code == base::ErrorCode::message_invalid);
    return 0;
  }
  const json::object root = tree_of(text);
  boost::system::error_code error;
  hold(message->id >= 1 && message->id <= max_request_id);
  hold(root.at("id").to_number<std::uint64_t>(error) == message->id && !error);
  hold(!message->method.empty() && view(root.at("method")) == message->method);

  const auto& parameters = message->parameters.all();
  const json::value* params = root.if_contains("params");
  hold(parameters.size() == (params != nullptr ? told_members(params->as_object()) : 0));
  for (const auto& [name, value] : parameters) {
    check_parameter(name, value, value_of(params->as_object(), name));
    check_accessors(message->parameters, name);
  }
  check_items(*message, root, limits);
  return 0;
}
