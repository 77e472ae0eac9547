#include "canonical.hpp"

#include <libxml/c14n.h>

#include <array>

namespace signet::xades {
namespace {

struct Row {
  std::string_view uri;
  Canonicalization::Kind kind;
  bool with_comments;
};
constexpr std::string_view exclusive_namespace = "http://www.w3.org/2001/10/xml-exc-c14n#";
constexpr std::array rows{
    Row{"http://www.w3.org/TR/2001/REC-xml-c14n-20010315", Canonicalization::Kind::inclusive, false},
    Row{"http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments", Canonicalization::Kind::inclusive, true},
    Row{"http://www.w3.org/2006/12/xml-c14n11", Canonicalization::Kind::inclusive_1_1, false},
    Row{"http://www.w3.org/2006/12/xml-c14n11#WithComments", Canonicalization::Kind::inclusive_1_1, true},
    Row{exclusive_namespace, Canonicalization::Kind::exclusive, false},
    Row{"http://www.w3.org/2001/10/xml-exc-c14n#WithComments", Canonicalization::Kind::exclusive, true},
};
constexpr std::size_t max_prefixes = 64;

std::vector<std::string> words(std::string_view text) {
  constexpr std::string_view white = " \t\r\n";
  std::vector<std::string> out;
  for (std::size_t at = text.find_first_not_of(white); at != text.npos; at = text.find_first_not_of(white, at)) {
    const std::size_t end = std::min(text.find_first_of(white, at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

int libxml_mode(Canonicalization::Kind kind) {
  switch (kind) {
    case Canonicalization::Kind::inclusive:
      return XML_C14N_1_0;
    case Canonicalization::Kind::inclusive_1_1:
      return XML_C14N_1_1;
    case Canonicalization::Kind::exclusive:
      break;
  }
  return XML_C14N_EXCLUSIVE_1_0;
}

bool taken_out(const xmlNode* node, const NodeSet& nodes) {
  return node == nodes.without || (nodes.without_signatures && is(node, ds_namespace, "Signature"));
}

// libxml2 asks about each node of the document. A namespace node has no parent of its own, so the one it is given counts.
int visible(void* user, xmlNode* node, xmlNode* parent) {
  const NodeSet& nodes = *static_cast<const NodeSet*>(user);
  const bool all = nodes.top == nullptr;
  if (all && nodes.without == nullptr && !nodes.without_signatures) return 1;
  const bool of_element = node->type == XML_NAMESPACE_DECL || node->type == XML_ATTRIBUTE_NODE;
  for (const xmlNode* at = of_element ? parent : node; at != nullptr && at->type != XML_DOCUMENT_NODE; at = at->parent) {
    if (taken_out(at, nodes)) return 0;
    if (at == nodes.top) return 1;  // nothing above it is taken out
  }
  return all ? 1 : 0;
}

// Exclusive canonicalization repeats namespace declarations, so a document can grow without end.
struct Output {
  std::string text;
  std::size_t most;
};

int append(void* user, const char* data, int size) noexcept {
  Output& out = *static_cast<Output*>(user);
  if (out.text.size() + static_cast<std::size_t>(size) > out.most) return -1;
  out.text.append(data, static_cast<std::size_t>(size));
  return size;
}

// libxml2 walks through all of a document to canonicalize a part. While this lives the way from the root to `top` has no
// branches, so that it does not: a hundred signatures in a large document would be four hundred walks. (`top` sees its own
// ancestors with their namespaces and attributes, which is all that canonical forms take from outside.)
class WithoutBranches {
 public:
  explicit WithoutBranches(xmlNode* top) {
    for (xmlNode* at = top; at != nullptr && at->type == XML_ELEMENT_NODE; at = at->parent) {
      saved_.push_back({at, at->prev, at->next, at->parent->children, at->parent->last});
      at->prev = at->next = nullptr;
      at->parent->children = at->parent->last = at;
    }
  }
  ~WithoutBranches() {
    for (const Saved& one : saved_) {
      one.node->prev = one.previous;
      one.node->next = one.next;
      one.node->parent->children = one.first;
      one.node->parent->last = one.last;
    }
  }
  WithoutBranches(const WithoutBranches&) = delete;  // what was saved is put back once
  WithoutBranches& operator=(const WithoutBranches&) = delete;

 private:
  struct Saved {
    xmlNode *node, *previous, *next, *first, *last;
  };
  std::vector<Saved> saved_;
};

std::size_t nodes_in(const xmlNode* top) {
  std::size_t count = 0;
  for (const xmlNode* node = top; node != nullptr; node = next_in(top, node)) {
    ++count;
    if (node->type != XML_ELEMENT_NODE) continue;
    for (const xmlAttr* attribute = node->properties; attribute != nullptr; attribute = attribute->next) ++count;
    for (const xmlNs* declared = node->nsDef; declared != nullptr; declared = declared->next) ++count;
  }
  return count;
}

// For each element libxml2 looks up each namespace in scope among all of them, and may write its name, also where nobody takes
// what it writes any more.
std::size_t cost(const XmlDocument& document, const NodeSet& nodes, const Canonicalization& method) {
  const std::size_t namespaces = document.measure().namespaces_in_scope;
  const std::size_t of_node =
      256 + namespaces * (namespaces + method.inclusive_prefixes.size()) + document.measure().longest_namespace;
  return (nodes_in(nodes.top != nullptr ? nodes.top : document.root()) + 64) * of_node;
}

}  // namespace

std::optional<Canonicalization> canonicalization(const xmlNode* method) {
  const std::string uri = attribute(method, "Algorithm").value_or("");
  for (const Row& row : rows) {
    if (row.uri != uri) continue;
    Canonicalization out{row.kind, row.with_comments, {}};
    const auto parameters = children(method);
    if (parameters.empty()) return out;
    const bool prefixes = parameters.size() == 1 && row.kind == Canonicalization::Kind::exclusive &&
                          is(parameters[0], exclusive_namespace, "InclusiveNamespaces");
    if (!prefixes) return std::nullopt;
    out.inclusive_prefixes = words(attribute(parameters[0], "PrefixList").value_or(""));
    return out.inclusive_prefixes.size() > max_prefixes ? std::nullopt : std::optional(out);
  }
  return std::nullopt;
}

std::optional<std::string> canonical(const XmlDocument& document, const NodeSet& nodes, const Canonicalization& method,
                                     WorkBudget& budget) {
  if (!budget.take(cost(document, nodes, method))) return std::nullopt;
  std::vector<xmlChar*> prefixes;
  for (const std::string& prefix : method.inclusive_prefixes)
    prefixes.push_back(reinterpret_cast<xmlChar*>(const_cast<char*>(prefix.c_str())));  // libxml2's signature; it only reads
  prefixes.push_back(nullptr);

  const SilentXmlErrors silent;
  const WithoutBranches alone(const_cast<xmlNode*>(nodes.top));  // put back before anyone else looks
  Output out{{}, 4 * document.size() + (1u << 20)};
  xmlOutputBuffer* const buffer = xmlOutputBufferCreateIO(append, nullptr, &out, nullptr);
  if (buffer == nullptr) throw std::bad_alloc();
  NodeSet asked = nodes;
  const int written = xmlC14NExecute(document.native(), visible, &asked, libxml_mode(method.kind), prefixes.data(),
                                     method.with_comments && nodes.comments ? 1 : 0, buffer);
  const int closed = xmlOutputBufferClose(buffer);  // flushes: a failed write shows here
  if (written < 0 || closed < 0 || !budget.take(5 * out.text.size())) return std::nullopt;
  return std::move(out.text);
}

}  // namespace signet::xades
