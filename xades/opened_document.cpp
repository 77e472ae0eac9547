#include "opened_document.hpp"

namespace signet::xades {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

}  // namespace

base::Result<OpenedDocument> opened(std::string_view document, const VerifyLimits& limits) {
  // Offsets in the tree's text are offsets in the document, but for a byte order mark.
  const std::size_t mark = document.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  auto text = utf8_text(base::as_bytes(document), limits);
  if (!text) return std::unexpected(text.error());
  if (*text != document.substr(mark)) return base::failure(base::ErrorCode::message_invalid, "not in UTF-8");
  auto tree = XmlDocument::parse(base::as_bytes(*text), limits);
  if (!tree) return std::unexpected(tree.error());
  return OpenedDocument{std::move(*text), mark, std::move(*tree)};
}

std::string qualified_name(const xmlNode* element) {
  const std::string_view prefix = element->ns == nullptr ? std::string_view{} : as_text(element->ns->prefix);
  return std::string(prefix) + (prefix.empty() ? "" : ":") + std::string(as_text(element->name));
}

}  // namespace signet::xades
