#include "coverage.hpp"

#include <algorithm>
#include <iterator>

namespace signet::xades {
namespace {

using base::Bytes;
using base::ErrorCode;
using base::failure;
using base::Result;

constexpr std::size_t most_octets = std::size_t{256} << 20;

// Puts octets one behind the other; the first thing that cannot be had ends it.
class Coverage {
 public:
  Coverage(const TimeStampElement& stamp, const TransformContext& context, const CheckedReferences& references,
           const std::vector<GivenData>& data)
      : method_(*stamp.canonicalization), context_(context), references_(references), data_(data) {}

  void element(const xmlNode* node) {
    if (failed_ || node == nullptr) return;
    const auto text = canonical(context_.document, {.top = node, .comments = true}, method_, context_.budget);
    if (!text) return fail("cannot be canonicalized, or not within the limits");
    add(base::as_bytes(*text));
  }

  void reference(std::size_t index) {
    if (failed_) return;
    const auto octets = referenced_octets(context_.signature.references[index], references_.all[index], method_, context_, data_);
    if (!octets) return fail(octets.error().detail);
    add(*octets);
  }

  void fail(std::string detail) {
    if (!failed_) failed_ = base::Error{ErrorCode::parameter_invalid, std::move(detail), 0, {}};
  }

  Result<Bytes> take() {
    if (failed_) return std::unexpected(std::move(*failed_));
    return std::move(octets_);
  }

 private:
  void add(base::BytesView more) {
    if (octets_.size() + more.size() > most_octets) return fail("more than the limit");
    octets_.insert(octets_.end(), more.begin(), more.end());
  }

  const Canonicalization& method_;
  const TransformContext& context_;
  const CheckedReferences& references_;
  const std::vector<GivenData>& data_;
  Bytes octets_;
  std::optional<base::Error> failed_;
};

void add_data_objects(Coverage& out, const TransformContext& context) {
  for (std::size_t i = 0; i < context.signature.references.size(); ++i)
    if (!context.signature.references[i].is_signed_properties()) out.reference(i);
}

// 5.2.8.2: in the order of its Include elements.
void add_included(Coverage& out, const TransformContext& context, const std::vector<std::string>& includes) {
  if (includes.empty()) return out.fail("it names no reference that it covers");
  const auto& references = context.signature.references;
  for (const std::string& id : includes) {
    const auto found = std::ranges::find(references, id, &Reference::id);
    if (id.empty() || found == references.end() || found->is_signed_properties())
      return out.fail("it names a reference that is not there");
    out.reference(static_cast<std::size_t>(found - references.begin()));
  }
}

bool holds_properties(const xmlNode* object) { return !children(object, xades_namespace, "QualifyingProperties").empty(); }

// 5.5.2.2, not distributed.
void add_archive(Coverage& out, const TransformContext& context, const Properties& properties, const xmlNode* stamp) {
  const SignatureElement& signature = context.signature;
  for (std::size_t i = 0; i < signature.references.size(); ++i) out.reference(i);
  out.element(signature.signed_info);
  out.element(signature.value_node);
  out.element(signature.key_info);
  for (const xmlNode* property : properties.unsigned_properties) {
    if (property == stamp) break;
    out.element(property);
  }
  for (const xmlNode* object : children(signature.node, ds_namespace, "Object"))
    if (!holds_properties(object)) out.element(object);
}

}  // namespace

Result<Bytes> covered_octets(const TimeStampElement& stamp, const TransformContext& context, const CheckedReferences& references,
                             const Properties& properties, const std::vector<GivenData>& data) {
  Coverage out(stamp, context, references, data);
  switch (stamp.kind) {
    case TimeStampKind::all_data_objects:
      add_data_objects(out, context);
      break;
    case TimeStampKind::individual_data_objects:
      add_included(out, context, stamp.includes);
      break;
    case TimeStampKind::signature:
      out.element(context.signature.value_node);
      break;
    case TimeStampKind::archive:
      add_archive(out, context, properties, stamp.node);
      break;
  }
  return out.take();
}

bool wants_content(const TimeStampElement& stamp, const SignatureElement& signature, const CheckedReferences& references,
                   const std::vector<GivenData>& data) {
  if (stamp.kind == TimeStampKind::signature) return false;
  bool wanted = false;
  for (std::size_t i = 0; i < references.all.size(); ++i) {
    const CheckedReference& one = references.all[i];
    const bool included = stamp.kind != TimeStampKind::individual_data_objects ||
                          std::ranges::find(stamp.includes, signature.references[i].id) != stamp.includes.end();
    if (!included) continue;
    const bool not_given = one.of_content && one.report.status == ReferenceReport::Status::not_found;
    const bool hash_alone = one.datum && std::holds_alternative<base::Digest>(data[*one.datum].content);
    wanted |= not_given || hash_alone;
    if (!not_given && one.report.status != ReferenceReport::Status::valid) return false;
  }
  return wanted;
}

}  // namespace signet::xades
