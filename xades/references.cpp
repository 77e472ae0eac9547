#include "references.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <map>

#include "base/text.hpp"

namespace signet::xades {
namespace {

using base::Bytes;
using base::BytesView;
using base::Digest;
using base::DigestAlgorithm;
using base::ErrorCode;
using base::failure;
using base::Result;
using Status = ReferenceReport::Status;
using DataFor = VerifyOptions::DataFor;

constexpr std::size_t shown_uri = 256;
constexpr std::array all_algorithms{DigestAlgorithm::sha1, DigestAlgorithm::sha224, DigestAlgorithm::sha256,
                                    DigestAlgorithm::sha384, DigestAlgorithm::sha512};

void set(ReferenceReport& report, Status status, std::string detail = {}) {
  report.status = status;
  report.detail = std::move(detail);
}

// --- within the document

struct Target {
  NodeSet nodes;
  Status status = Status::valid;
  std::string detail;
  bool ambiguous = false;
};

Target target_of_id(const XmlDocument& document, std::string_view id) {
  const XmlDocument::Found found = document.element_with_id(id);
  if (found.ambiguous) return {{}, Status::refused, "several elements have this Id", true};
  if (found.element == nullptr) return {{}, Status::not_found, "no element has this Id"};
  return {{.top = found.element}, Status::valid, {}};
}

// The forms of XML Signature 4.4.3.3: "", #id, and the two XPointers, which keep comments.
Target target_of_uri(const XmlDocument& document, std::string_view uri) {
  if (uri.empty()) return {};
  if (uri == "#xpointer(/)") return {{.comments = true}, Status::valid, {}};
  constexpr std::string_view open = "#xpointer(id(";
  if (uri.starts_with(open) && uri.ends_with("))") && uri.size() >= open.size() + 4) {
    const std::string_view quoted = uri.substr(open.size(), uri.size() - open.size() - 2);
    const bool quotes = (quoted.front() == '\'' || quoted.front() == '"') && quoted.back() == quoted.front();
    if (!quotes) return {{}, Status::refused, "an XPointer that is not read here"};
    Target target = target_of_id(document, quoted.substr(1, quoted.size() - 2));
    target.nodes.comments = true;
    return target;
  }
  if (uri.find('(') != uri.npos) return {{}, Status::refused, "an XPointer that is not read here"};
  return target_of_id(document, uri.substr(1));
}

// Signature wrapping: what was signed is moved, and something else put in its place. So Objects and Manifests count only
// where XML Signature has them, also where the reference does not say by its Type that it means one; SignedProperties are looked
// at in properties.cpp.
bool is_in_its_place(const Reference& reference, const xmlNode* target, const xmlNode* signature) {
  const bool typed_object = reference.type == "http://www.w3.org/2000/09/xmldsig#Object";
  const bool typed_manifest = reference.type == "http://www.w3.org/2000/09/xmldsig#Manifest";
  const bool within = is_within(target, signature);
  if (is(target, ds_namespace, "Object")) return target->parent == signature;
  if (is(target, ds_namespace, "Manifest"))
    return is(target->parent, ds_namespace, "Object") && target->parent->parent == signature;
  if (!within) return !typed_object && !typed_manifest;
  return !typed_manifest;  // some type as Object what is another part of the signature
}

// A digest of what is left of the properties is no digest of the properties.
bool only_canonicalized(const Reference& reference) {
  return std::ranges::all_of(reference.transforms,
                             [](const xmlNode* transform) { return canonicalization(transform).has_value(); });
}

void check_same_document(const Reference& reference, const TransformContext& context, CheckedReference& out) {
  Target target = target_of_uri(context.document, *reference.uri);
  out.ambiguous = target.ambiguous;
  if (target.status != Status::valid) return set(out.report, target.status, target.detail);
  if (reference.is_signed_properties() && !only_canonicalized(reference))
    return set(out.report, Status::refused, "SignedProperties are transformed");
  out.led_to = target.nodes.top;
  const auto octets = transformed(reference, target.nodes, context);
  if (!octets) return set(out.report, Status::refused, octets.error().detail);
  if (base::digest(*reference.digest_algorithm, *octets) != *reference.digest) return set(out.report, Status::digest_differs);
  if (!is_in_its_place(reference, target.nodes.top, context.signature.node))
    return set(out.report, Status::not_found, "the element with this Id is not where a signature has its objects");
  set(out.report, Status::valid);
  out.target = target.nodes.top;
}

// --- data from outside

// A digest of each datum is computed once for each algorithm, however many references ask.
class GivenDigests {
 public:
  GivenDigests(const TransformContext& context, const std::vector<GivenData>& data) : context_(context), data_(data) {}

  // None: of this datum the digest that the reference wants cannot be known.
  std::optional<Digest> of(const Reference& reference, std::size_t index) {
    const auto& content = data_[index].content;
    if (const auto* digest = std::get_if<Digest>(&content)) {
      const bool same = digest->algorithm() == *reference.digest_algorithm && reference.transforms.empty();
      return same ? std::optional(*digest) : std::nullopt;
    }
    const Bytes& octets = std::get<Bytes>(content);
    if (!reference.transforms.empty()) {
      const auto result = transformed(reference, octets, context_);
      return result ? std::optional(base::digest(*reference.digest_algorithm, *result)) : std::nullopt;
    }
    const auto [found, added] = known_.try_emplace({index, *reference.digest_algorithm});
    if (added) found->second = base::digest(*reference.digest_algorithm, octets);
    return found->second;
  }

 private:
  const TransformContext& context_;
  const std::vector<GivenData>& data_;
  std::map<std::pair<std::size_t, DigestAlgorithm>, Digest> known_;
};

class DetachedMatching {
 public:
  DetachedMatching(const TransformContext& context, const std::vector<GivenData>& data, DataFor data_for, std::vector<bool>& used)
      : references_(context.signature.references), data_(data), data_for_(data_for), used_(used), digests_(context, data) {}

  void run(const std::vector<std::size_t>& external, CheckedReferences& out) {
    if (external.size() == 1 && data_.size() == 1 && data_for_ == DataFor::each_signature)
      return only_one(external[0], out.all[external[0]]);
    for (std::size_t index : external) by_digest(index, out.all[index]);
    for (std::size_t index : external) {
      if (out.all[index].report.status != Status::valid) by_name(index, out.all[index].report);
    }
  }

 private:
  // One reference and one datum belong together whatever their names.
  void only_one(std::size_t index, CheckedReference& checked) {
    const auto digest = digests_.of(references_[index], 0);
    if (!digest) return set(checked.report, Status::refused, "of what was given the digest that is wanted cannot be known");
    used_[0] = true;
    checked.report.datum = 0;
    const bool same = *digest == *references_[index].digest;
    set(checked.report, same ? Status::valid : Status::digest_differs);
    if (same) checked.datum = 0;
  }

  // The best of those with the right digest: of the same name, and not yet another reference's.
  void by_digest(std::size_t index, CheckedReference& checked) {
    std::optional<std::size_t> best;
    int best_rank = -1;
    for (std::size_t i = 0; i < data_.size(); ++i) {
      if (digests_.of(references_[index], i) != references_[index].digest) continue;
      const int rank = (is_named(index, i) ? 2 : 0) + (used_[i] ? 0 : 1);
      if (rank > best_rank) best_rank = rank, best = i;
    }
    if (!best) return;
    used_[*best] = true;
    checked.datum = checked.report.datum = best;
    set(checked.report, Status::valid);
  }

  void by_name(std::size_t index, ReferenceReport& report) {
    set(report, Status::not_found, "the object was not given");
    for (std::size_t i = 0; i < data_.size(); ++i) {
      const bool fits = data_[i].name.empty() || is_named(index, i);
      if (used_[i] || !fits) continue;
      if (!digests_.of(references_[index], i)) {
        set(report, Status::refused, "of what was given the digest that is wanted cannot be known");
        continue;
      }
      used_[i] = true;
      report.datum = i;
      return set(report, Status::digest_differs);
    }
  }

  bool is_named(std::size_t index, std::size_t datum) const {
    const auto& uri = references_[index].uri;
    return uri && !data_[datum].name.empty() && (data_[datum].name == *uri || data_[datum].name == base::percent_decoded(*uri));
  }

  const std::vector<Reference>& references_;
  const std::vector<GivenData>& data_;
  DataFor data_for_;
  std::vector<bool>& used_;
  GivenDigests digests_;
};

// --- data within: the object encloses the given content, or its hash

// What an object may hold to enclose a datum: the hash that was given, or the content or a hash of it.
struct Enclosable {
  Bytes bytes;
  std::optional<DigestAlgorithm> hash;
};

std::vector<Enclosable> enclosable(const GivenData& datum) {
  const auto hash = [](const Digest& digest) {
    return Enclosable{Bytes(digest.bytes().begin(), digest.bytes().end()), digest.algorithm()};
  };
  if (const auto* digest = std::get_if<Digest>(&datum.content)) return {hash(*digest)};
  const Bytes& octets = std::get<Bytes>(datum.content);
  std::vector<Enclosable> out{{octets, {}}};
  for (auto algorithm : all_algorithms) out.push_back(hash(base::digest(algorithm, octets)));
  return out;
}

// An Object whose text is short enough to be a hash, read without a look at a document that it may hold.
void note_enclosed_hash(const TransformContext& context, CheckedReference& checked) {
  constexpr std::size_t most_text = 200;
  const xmlNode* const target = checked.target;
  if (!is(target, ds_namespace, "Object") || target->parent != context.signature.node) return;
  const xmlNode* const only = target->children;
  if (only == nullptr || only->next != nullptr || only->type != XML_TEXT_NODE || only->content == nullptr) return;
  if (::strnlen(reinterpret_cast<const char*>(only->content), most_text) == most_text) return;
  const auto content = decoded(target);
  const auto algorithm = content ? base::digest_algorithm_of_size(content->size()) : std::nullopt;
  if (!algorithm) return;
  if (auto hash = Digest::of_value(*algorithm, *content)) checked.report.enclosed_hash = *hash;
}

struct Enclosed {
  std::size_t index;  // of the reference
  Bytes content;
  bool matched = false;
};

// Of the signature's own objects only: another signature's may be signed, and say nothing of what this one signs.
std::vector<Enclosed> enclosed_contents(const TransformContext& context, const CheckedReferences& references) {
  std::vector<Enclosed> out;
  for (std::size_t i = 0; i < references.all.size(); ++i) {
    const xmlNode* const target = references.all[i].target;
    if (!is(target, ds_namespace, "Object") || target->parent != context.signature.node) continue;
    auto content = decoded(target);
    if (!content || !context.budget.take(3 * content->size() + 100)) continue;
    const auto is_base64 = [](const xmlNode* transform) {
      return attribute(transform, "Algorithm") == "http://www.w3.org/2000/09/xmldsig#base64";
    };
    if (base::digest_algorithm_of_size(content->size()) ||
        std::ranges::any_of(context.signature.references[i].transforms, is_base64))
      out.push_back({i, std::move(*content)});
  }
  return out;
}

// XML is enclosed as its root element alone, so it is compared by that: exclusive canonical, which neither what stands around it
// nor how it was written changes.
std::optional<std::string> canonical_element(const XmlDocument& document, const xmlNode* element, WorkBudget& budget) {
  const Canonicalization exclusive{Canonicalization::Kind::exclusive, false, {}};
  return canonical(document, {.top = element}, exclusive, budget);
}

void check_enclosed_xml(const TransformContext& context, const std::vector<GivenData>& data, std::vector<bool>& used,
                        CheckedReferences& out) {
  if (std::ranges::find(used, false) == used.end()) return;
  std::vector<std::pair<CheckedReference*, std::string>> enclosed;
  for (CheckedReference& checked : out.all) {
    const xmlNode* const object = checked.target;
    if (!is(object, ds_namespace, "Object") || object->parent != context.signature.node) continue;
    // Many references may lead to one object.
    if (std::ranges::any_of(enclosed, [&](const auto& one) { return one.first->target == object; })) continue;
    const auto within = children(object);
    if (within.size() != 1 || is(within[0], xades_namespace, "QualifyingProperties")) continue;
    if (auto text = canonical_element(context.document, within[0], context.budget))
      enclosed.emplace_back(&checked, std::move(*text));
  }
  for (std::size_t i = 0; i < data.size() && !enclosed.empty(); ++i) {
    const auto* const octets = std::get_if<Bytes>(&data[i].content);
    if (used[i] || octets == nullptr || !context.budget.take(octets->size())) continue;
    const auto document = XmlDocument::parse(*octets, context.limits);
    const auto text = document ? canonical_element(*document, document->root(), context.budget) : std::nullopt;
    const auto found =
        text ? std::ranges::find_if(enclosed, [&](const auto& one) { return one.second == *text; }) : enclosed.end();
    if (found == enclosed.end()) continue;
    found->first->report.datum = i;
    used[i] = true;
  }
}

void check_enclosed(const TransformContext& context, const std::vector<GivenData>& data, DataFor data_for,
                    std::vector<bool>& used, CheckedReferences& out) {
  auto enclosed = enclosed_contents(context, out);
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (used[i] || enclosed.empty()) continue;
    const auto forms = enclosable(data[i]);
    const auto form_of = [&](const Enclosed& object) { return std::ranges::find(forms, object.content, &Enclosable::bytes); };
    const auto found = std::ranges::find_if(enclosed, [&](const Enclosed& object) { return form_of(object) != forms.end(); });
    if (found == enclosed.end()) continue;
    found->matched = true;
    CheckedReference& checked = out.all[found->index];
    checked.enclosed_hash = form_of(*found)->hash;
    checked.report.datum = i;
    if (!checked.enclosed_hash) checked.report.enclosed_hash.reset();  // a document of a hash's size
    used[i] = true;
  }
  check_enclosed_xml(context, data, used, out);
  if (data_for == DataFor::any_signature) return;
  // What was given is not what is enclosed: as if its digest differed.
  const auto left = std::ranges::find(enclosed, false, &Enclosed::matched);
  const auto unused = std::ranges::find(used, false);
  if (unused == used.end() || left == enclosed.end()) return;
  set(out.all[left->index].report, Status::digest_differs, "the enclosed content is not the given one");
  out.all[left->index].report.datum = static_cast<std::size_t>(unused - used.begin());
  out.all[left->index].target = nullptr;
}

}  // namespace

Result<Bytes> referenced_octets(const Reference& reference, const CheckedReference& checked, const Canonicalization& method,
                                const TransformContext& context, const std::vector<GivenData>& data) {
  if (checked.report.status != Status::valid) return failure(ErrorCode::parameter_invalid, "a reference that does not hold");
  if (reference.is_same_document()) {
    const Target target = target_of_uri(context.document, *reference.uri);
    if (target.status != Status::valid) return failure(ErrorCode::parameter_invalid, target.detail);
    return octets_of(processed(reference, target.nodes, context), method, context);
  }
  const auto* const content = checked.datum ? std::get_if<Bytes>(&data[*checked.datum].content) : nullptr;
  if (content == nullptr) return failure(ErrorCode::parameter_invalid, "of what is signed only the hash is known");
  return octets_of(processed(reference, *content, context), method, context);
}

namespace {

// Each for itself; `external` are those to something outside of the document, which is matched with what is given.
std::vector<std::size_t> check_each(const TransformContext& context, CheckedReferences& out) {
  std::vector<std::size_t> external;
  for (const Reference& reference : context.signature.references) {
    CheckedReference& checked = out.all.emplace_back();
    checked.report.uri = base::shown(reference.uri.value_or(""), shown_uri);
    checked.report.signed_properties = reference.is_signed_properties();
    checked.report.within = reference.is_same_document();
    checked.report.digest = reference.digest;
    checked.digest_algorithm = reference.digest_algorithm;
    checked.of_content = !reference.is_same_document();
    if (!reference.digest_algorithm) {
      set(checked.report, Status::refused, "a digest algorithm that is not known here");
    } else if (!reference.digest) {
      set(checked.report, Status::digest_differs, "DigestValue is no digest of this algorithm");
    } else if (reference.is_same_document()) {
      check_same_document(reference, context, checked);
      note_enclosed_hash(context, checked);
    } else {
      external.push_back(out.all.size() - 1);
    }
  }
  return external;
}

// XML Signature 5.1: a manifest's own digest is checked as a reference; what it lists is for the application, which is us. What
// is listed and not given says nothing, what is given and differs says all. Manifests in manifests are not followed.
void check_manifests(const TransformContext& context, const std::vector<GivenData>& data, DataFor data_for,
                     std::vector<bool>& used, CheckedReferences& out) {
  SignatureElement listed = context.signature;
  for (const CheckedReference& checked : out.all) {
    if (!is(checked.target, ds_namespace, "Manifest")) continue;
    auto references = read_manifest(checked.target, context.limits);
    if (!references || out.in_manifests.size() + references->size() > context.limits.max_references) continue;
    listed.references = std::move(*references);
    const TransformContext within{context.document, listed, context.limits, context.budget};
    CheckedReferences found;
    const auto external = check_each(within, found);
    DetachedMatching(within, data, data_for, used).run(external, found);
    std::ranges::move(found.all, std::back_inserter(out.in_manifests));
  }
}

}  // namespace

CheckedReferences check_references(const TransformContext& context, const std::vector<GivenData>& data, DataFor data_for) {
  CheckedReferences out;
  const std::vector<std::size_t> external = check_each(context, out);
  std::vector<bool> used(data.size());
  DetachedMatching(context, data, data_for, used).run(external, out);
  check_manifests(context, data, data_for, used, out);
  if (!data.empty()) check_enclosed(context, data, data_for, used, out);
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i]) out.matched_data.push_back(i);
  }
  out.given_data_unsigned = data_for == DataFor::each_signature && out.matched_data.size() < data.size();
  return out;
}

}  // namespace signet::xades
