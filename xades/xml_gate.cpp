#include "xades/xml_gate.hpp"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/owned.hpp"
#include "base/text.hpp"

namespace signet::xades {
namespace {

using base::ErrorCode;
using base::failure;
using base::Result;

// Per start tag; libxml2 compares every attribute with those before it. XBRL, the worst honest case, has some hundred.
constexpr std::size_t max_attributes_per_element = 512;
// At one element; canonicalization compares each with each.
constexpr std::size_t max_namespaces_in_scope = 512;
// Exclusive canonicalization writes a namespace name again at each element that uses it, and libxml2 keeps all of that until it
// has done: this times the nodes is what it may swell to.
constexpr std::size_t max_namespace_name = 512;
constexpr std::size_t max_instruction = 4096;

bool starts_name(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == ':' || static_cast<unsigned char>(c) >= 0x80;
}

bool white(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool has_forbidden_character(std::string_view text) {
  const bool control = std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r'; });
  return control || text.find("\xEF\xBF\xBE") != text.npos || text.find("\xEF\xBF\xBF") != text.npos;
}

class Measurer {
 public:
  // `extents`: where the elements are told, if anybody asks; outlives this.
  Measurer(std::string_view text, const VerifyLimits& limits, std::vector<XmlExtent>* extents = nullptr)
      : text_(text), limits_(limits), extents_(extents) {}

  Result<XmlMeasure> run() {
    for (;;) {
      const std::size_t markup = text_.find('<', at_);
      if (markup == text_.npos) break;
      at_ = markup;
      if (auto ok = one_markup(); !ok) return base::failure_of(ok);
      if (measure_.nodes > limits_.max_nodes) return failure(ErrorCode::message_too_large, "more XML nodes than the limit");
    }
    if (!namespaces_.empty()) return failure(ErrorCode::message_invalid, "an XML element is not closed");
    return measure_;
  }

 private:
  Result<void> one_markup() {
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with("<!--")) return skip("<!--", "-->", text_.size());
    if (rest.starts_with("<![CDATA[")) return skip("<![CDATA[", "]]>", text_.size());
    if (rest.starts_with("<!")) return failure(ErrorCode::message_invalid, "a document type declaration is refused");
    if (rest.starts_with("<?")) {
      if (rest.size() < 3 || !starts_name(rest[2]))
        return failure(ErrorCode::message_invalid, "an XML instruction without a name");
      return skip("<?", "?>", max_instruction);
    }
    if (rest.starts_with("</")) return end_tag();
    if (rest.size() < 2 || !starts_name(rest[1])) return failure(ErrorCode::message_invalid, "a '<' that begins no XML markup");
    return start_tag();
  }

  Result<void> skip(std::string_view open, std::string_view close, std::size_t most) {
    const std::size_t end = text_.find(close, at_ + open.size());
    if (end == text_.npos) return failure(ErrorCode::message_invalid, "XML markup is not closed");
    if (end - at_ > most) return failure(ErrorCode::message_too_large, "an XML instruction over the limit");
    at_ = end + close.size();
    ++measure_.nodes;
    return {};
  }

  Result<void> end_tag() {
    const std::size_t end = text_.find_first_of("<>", at_ + 1);
    if (end == text_.npos || text_[end] == '<' || namespaces_.empty())
      return failure(ErrorCode::message_invalid, "an XML end tag that closes nothing");
    if (extents_ != nullptr) {
      XmlExtent& closed = (*extents_)[open_.back()];
      closed.after = at_;
      closed.end = end + 1;
      open_.pop_back();
    }
    at_ = end + 1;
    namespaces_.pop_back();
    return {};
  }

  Result<void> start_tag() {
    ++measure_.nodes;
    std::size_t attributes = 0;
    std::size_t namespaces = namespaces_.empty() ? 0 : namespaces_.back();
    const std::size_t begin = at_;
    std::size_t name = ++at_;  // where the name of the next attribute may begin
    for (;;) {
      at_ = text_.find_first_of("<>=\"'", at_);
      if (at_ == text_.npos || text_[at_] == '<') return failure(ErrorCode::message_invalid, "an XML start tag is not closed");
      const char c = text_[at_];
      if (c == '>') break;
      if (c == '=') {
        ++attributes;
        ++at_;
        continue;
      }
      const std::size_t close = text_.find(c, at_ + 1);
      if (close == text_.npos) return failure(ErrorCode::message_invalid, "an XML attribute is not closed");
      if (text_.substr(at_, close - at_).find('<') != text_.npos)
        return failure(ErrorCode::message_invalid, "a '<' in an XML attribute");
      if (declares_namespace(text_.substr(name, at_ - name))) {
        ++namespaces;
        if (close - at_ > max_namespace_name)
          return failure(ErrorCode::message_too_large, "an XML namespace name over the limit");
        measure_.longest_namespace = std::max(measure_.longest_namespace, close - at_);
      }
      at_ = name = close + 1;
    }
    const bool closed = text_[at_ - 1] == '/';
    ++at_;
    if (extents_ != nullptr) {
      if (!closed) open_.push_back(extents_->size());
      extents_->push_back({.begin = begin, .inside = at_, .after = at_, .end = at_});
    }
    return count_element(attributes, namespaces, closed);
  }

  // `text`: from the end of the attribute before (or of the '<') to the value's quote.
  static bool declares_namespace(std::string_view text) {
    for (std::size_t i = text.find("xmlns"); i != text.npos; i = text.find("xmlns", i + 1)) {
      if (i > 0 && white(text[i - 1])) return true;
    }
    return text.starts_with("xmlns");  // no space after the attribute before: libxml2 refuses it later
  }

  Result<void> count_element(std::size_t attributes, std::size_t namespaces, bool closed) {
    if (attributes > max_attributes_per_element)
      return failure(ErrorCode::message_too_large, "too many attributes at one XML element");
    if (namespaces > max_namespaces_in_scope) return failure(ErrorCode::message_too_large, "too many XML namespaces in scope");
    if (namespaces_.size() + 1 > limits_.max_depth) return failure(ErrorCode::message_too_large, "XML deeper than the limit");
    measure_.nodes += attributes;
    measure_.namespaces_in_scope = std::max(measure_.namespaces_in_scope, namespaces);
    if (!closed) namespaces_.push_back(namespaces);
    return {};
  }

  std::string_view text_;
  const VerifyLimits& limits_;
  std::size_t at_ = 0;
  std::vector<std::size_t> namespaces_;  // in scope, for each open element
  XmlMeasure measure_;
  std::vector<XmlExtent>* extents_;
  std::vector<std::size_t> open_;  // indices in `extents_`
};

// Names in upper case. Only encodings that have ASCII as their lower half: no markup can hide in them.
constexpr std::array one_byte_encodings{
    "ISO-8859-1",   "ISO-8859-2",   "ISO-8859-3",   "ISO-8859-4",   "ISO-8859-5",  "ISO-8859-7",   "ISO-8859-9",
    "ISO-8859-10",  "ISO-8859-13",  "ISO-8859-14",  "ISO-8859-15",  "ISO-8859-16", "WINDOWS-1250", "WINDOWS-1251",
    "WINDOWS-1252", "WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1257", "KOI8-R",
};

// The encoding that an XML declaration names, in upper case; empty without one.
std::string declared_encoding(std::string_view text) {
  if (!text.starts_with("<?xml") || text.size() < 6 || !white(text[5])) return {};
  const std::string_view declaration = text.substr(0, std::min(text.find("?>"), std::size_t{256}));
  const std::size_t name = declaration.find("encoding");
  const std::size_t open = name == declaration.npos ? declaration.npos : declaration.find_first_of("\"'", name);
  if (open == declaration.npos) return {};
  const std::size_t close = declaration.find(declaration[open], open + 1);
  std::string encoding(declaration.substr(open + 1, close == declaration.npos ? close : close - open - 1));
  for (char& c : encoding) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return encoding;
}

Result<std::string> converted(std::string_view text, const char* encoding) {
  const iconv_t opened = iconv_open("UTF-8", encoding);
  if (opened == reinterpret_cast<iconv_t>(-1))
    return failure(ErrorCode::message_invalid, "this machine cannot read the XML's encoding");
  const base::Owned<void, iconv_close> converter{opened};
  std::string out(text.size() * 3, '\0');       // a byte, or half of a UTF-16 unit, never becomes more
  char* from = const_cast<char*>(text.data());  // iconv's signature; it does not write there
  char* to = out.data();
  std::size_t from_left = text.size();
  std::size_t to_left = out.size();
  if (iconv(converter.get(), &from, &from_left, &to, &to_left) == static_cast<std::size_t>(-1))
    return failure(ErrorCode::message_invalid, "the XML is not in the encoding that it names", static_cast<std::uint64_t>(errno));
  out.resize(out.size() - to_left);
  return out;
}

Result<std::string> decoded(std::string_view text) {
  if (text.starts_with("\xFF\xFE")) return converted(text.substr(2), "UTF-16LE");
  if (text.starts_with("\xFE\xFF")) return converted(text.substr(2), "UTF-16BE");
  if (text.starts_with("\xEF\xBB\xBF")) return std::string(text.substr(3));
  const std::string encoding = declared_encoding(text);
  if (encoding.empty() || encoding == "UTF-8" || encoding == "UTF8" || encoding == "US-ASCII" || encoding == "ASCII")
    return std::string(text);
  for (const char* name : one_byte_encodings) {
    if (encoding == name) return converted(text, name);
  }
  return failure(ErrorCode::message_invalid, "an XML encoding that is not read here");
}

}  // namespace

Result<std::string> utf8_text(base::BytesView document, const VerifyLimits& limits) {
  if (document.size() > limits.max_bytes) return failure(ErrorCode::message_too_large, "an XML document over the limit");
  auto text = decoded(base::as_text(document));
  if (text && (!base::is_utf8(*text) || has_forbidden_character(*text)))
    return failure(ErrorCode::message_invalid, "characters that XML does not have");
  return text;
}

Result<XmlMeasure> measure(std::string_view text, const VerifyLimits& limits) { return Measurer(text, limits).run(); }

Result<std::vector<XmlExtent>> element_extents(std::string_view text, const VerifyLimits& limits) {
  std::vector<XmlExtent> extents;
  if (auto measured = Measurer(text, limits, &extents).run(); !measured) return base::failure_of(measured);
  return extents;
}

}  // namespace signet::xades
