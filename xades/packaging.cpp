#include "xades/packaging.hpp"

#include "opened_document.hpp"
#include "property_markup.hpp"
#include "references.hpp"

namespace signet::xades {
namespace {

using base::ErrorCode;
using base::failure;
using base::Result;

const Canonicalization exclusive{Canonicalization::Kind::exclusive, false, {}};
constexpr std::string_view end_of_signature = "</ds:Signature>";
constexpr std::string_view start_of_signature = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">";

// What a signature that is raised to B-LTA may add to a document: a kilobyte or two, unless revocation lists are large.
constexpr std::size_t bytes_of_signature = std::size_t{1} << 20;
constexpr std::size_t nodes_of_signature = 5'000;

std::size_t less(std::size_t limit, std::size_t room) { return limit > room ? limit - room : 0; }

// What is read now is verified with a signature in it.
VerifyLimits with_room_for_signature(VerifyLimits limits) {
  limits.max_bytes = less(limits.max_bytes, bytes_of_signature);
  limits.max_nodes = less(limits.max_nodes, nodes_of_signature);
  return limits;
}

Result<base::Digest> digest_of(const XmlDocument& document, const NodeSet& nodes, base::DigestAlgorithm algorithm) {
  WorkBudget budget;
  const auto octets = canonical(document, nodes, exclusive, budget);
  if (!octets) return failure(ErrorCode::message_invalid, "cannot be canonicalized, or not within the limits");
  return base::digest(algorithm, base::as_bytes(*octets));
}

// Of each reference of each signature to something in the document, whether it holds.
Result<std::vector<bool>> holding_references(std::string_view text, const VerifyLimits& limits) {
  const auto document = XmlDocument::parse(base::as_bytes(text), limits);
  if (!document) return std::unexpected(document.error());
  if (document->signatures().size() > limits.max_signatures)
    return failure(ErrorCode::message_too_large, "more signatures than the limit");
  std::vector<bool> holding;
  WorkBudget budget;
  for (const xmlNode* node : document->signatures()) {
    const auto signature = read_signature(node, limits);
    if (!signature) continue;  // nothing that could be broken
    const TransformContext context{*document, *signature, limits, budget};
    for (const CheckedReference& reference : check_references(context, {}, VerifyOptions::DataFor::each_signature).all)
      holding.push_back(reference.report.status == ReferenceReport::Status::valid);
  }
  return holding;
}

// Signatures that a document has are to hold where it stands beside or within another one.
Result<void> check_signatures_hold(std::string_view before, std::string_view after, const VerifyLimits& limits) {
  const auto holding = holding_references(before, limits);
  if (!holding) return std::unexpected(holding.error());
  const auto still_holding = holding_references(after, limits);
  if (!still_holding) return std::unexpected(still_holding.error());
  if (*holding == *still_holding) return {};
  return failure(ErrorCode::parameter_invalid, "the document has a signature, over all but itself, that this one would break");
}

}  // namespace

Result<EnvelopedPlan> plan_enveloped(std::string_view document, base::DigestAlgorithm algorithm, const VerifyLimits& limits) {
  const VerifyLimits reading = with_room_for_signature(limits);
  const auto open = opened(document, reading);
  if (!open) return std::unexpected(open.error());
  const xmlNode* const root = open->tree.root();
  if (is(root, ds_namespace, "Signature"))
    return failure(ErrorCode::parameter_invalid, "the document is a signature: nothing would be signed of it");
  auto digest = digest_of(open->tree, NodeSet{.without_signatures = true}, algorithm);
  if (!digest) return std::unexpected(digest.error());
  const auto extents = element_extents(open->text, reading);
  if (!extents) return std::unexpected(extents.error());
  const XmlExtent& extent = extents->front();

  EnvelopedPlan plan;
  plan.digest = *digest;
  plan.begin = plan.end = extent.after;
  if (extent.is_empty_tag()) {  // "/>" is all that goes
    plan.begin -= 2;
    plan.before = ">";
    plan.after = "</" + qualified_name(root) + ">";
  }
  plan.begin += open->mark;
  plan.end += open->mark;
  if (!open->tree.signatures().empty()) {
    const std::string with_another = enveloped(document, plan, std::string(start_of_signature) + std::string(end_of_signature));
    if (auto fit = check_signatures_hold(document, with_another, limits); !fit) return std::unexpected(fit.error());
  }
  return plan;
}

std::string enveloped(std::string_view document, const EnvelopedPlan& plan, std::string_view signature) {
  std::string out;
  out.reserve(document.size() + plan.before.size() + signature.size() + plan.after.size());
  out.append(document.substr(0, plan.begin)).append(plan.before).append(signature).append(plan.after);
  return out.append(document.substr(plan.end));
}

Result<EnvelopedObject> enveloped_file(base::BytesView content, std::string_view id, base::DigestAlgorithm algorithm,
                                       const VerifyLimits& limits) {
  const std::size_t most = with_room_for_signature(limits).max_bytes / 4 * 3;
  if (content.size() > most)
    return failure(ErrorCode::message_too_large, "at most " + std::to_string(most) + " bytes can be enveloped");
  EnvelopedObject object{base::digest(algorithm, content), {}};
  append_base64_object(object.element, id, content);
  return object;
}

Result<EnvelopedObject> enveloped_xml(base::BytesView document, std::string_view id, base::DigestAlgorithm algorithm,
                                      const VerifyLimits& limits) {
  VerifyLimits reading = with_room_for_signature(limits);
  reading.max_depth = static_cast<unsigned>(less(reading.max_depth, 1));  // of ds:Signature; ds:Object is read with it
  const auto text = utf8_text(document, reading);
  if (!text) return std::unexpected(text.error());
  const auto whole = XmlDocument::parse(base::as_bytes(*text), reading);
  if (!whole) return std::unexpected(whole.error());
  const auto extents = element_extents(*text, reading);
  if (!extents) return std::unexpected(extents.error());
  const XmlExtent& root = extents->front();

  std::string rest = " Id=\"";
  rest.append(id).append("\">").append(*text, root.begin, root.end - root.begin).append("</ds:Object>");
  const std::string alone = "<ds:Object xmlns:ds=\"" + std::string(ds_namespace) + "\"" + rest;
  const auto object = XmlDocument::parse(base::as_bytes(alone), reading);
  if (!object) return std::unexpected(object.error());
  const auto digest = digest_of(*object, NodeSet{.top = object->root()}, algorithm);
  if (!digest) return std::unexpected(digest.error());
  EnvelopedObject out{*digest, "<ds:Object" + rest};
  if (!whole->signatures().empty()) {
    const std::string within = std::string(start_of_signature) + out.element + std::string(end_of_signature);
    if (auto fit = check_signatures_hold(*text, within, limits); !fit) return std::unexpected(fit.error());
  }
  return out;
}

Result<std::string> with_objects(std::string_view signature, std::span<const EnvelopedObject> objects) {
  if (!signature.ends_with(end_of_signature)) return failure(ErrorCode::message_invalid, "not a signature as it is made here");
  std::string out(signature.substr(0, signature.size() - end_of_signature.size()));
  for (const EnvelopedObject& object : objects) out += object.element;
  return out.append(end_of_signature);
}

}  // namespace signet::xades
