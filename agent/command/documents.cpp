#include "agent/command/documents.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "agent/command/command.hpp"
#include "base/owned.hpp"
#include "base/text.hpp"
#include "service/files.hpp"

namespace signet::agent {

using base::ErrorCode;
using xades::Packaging;

namespace {

constexpr auto algorithm = base::DigestAlgorithm::sha256;

base::Result<base::Digest> digest_of_file(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  const auto failed = [&] { return std::unexpected(file_error(file.string(), errno)); };
  if (descriptor < 0) return failed();
  const base::Owned<EVP_MD_CTX, EVP_MD_CTX_free> context{EVP_MD_CTX_new()};
  EVP_DigestInit_ex2(context.get(), EVP_sha256(), nullptr);
  std::vector<char> buffer(1u << 20);
  ssize_t size = 0;
  while ((size = ::read(descriptor, buffer.data(), buffer.size())) > 0)
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(size));
  const auto error = size < 0 ? base::Result<base::Digest>(failed()) : base::Result<base::Digest>(base::Digest{});
  ::close(descriptor);
  if (!error) return error;
  std::array<std::uint8_t, 32> value{};
  EVP_DigestFinal_ex(context.get(), value.data(), nullptr);
  return base::Digest::of_value(base::DigestAlgorithm::sha256, value);
}

// A name becomes a file's name: it must not lead out of the folder.
base::Result<void> fit_for_file_name(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos || name.size() > 240 ||
      !base::is_utf8(name))
    return base::failure(ErrorCode::parameter_invalid, "the name \"" + base::shown(name, 60) + "\" cannot be a file's name");
  return {};
}

bool is_one_file(Packaging packaging) {
  return packaging == Packaging::enveloped || packaging == Packaging::enveloping_file || packaging == Packaging::enveloping_xml;
}

constexpr auto lifts_the_limit = " (--max-size lifts the limit)";
const base::Error changed{ErrorCode::parameter_invalid, "changed while it was being signed", 0, {}};

// Of which file it is said.
std::unexpected<base::Error> of_file(const std::filesystem::path& file, base::Error error) {
  error.detail = base::shown(file.string(), 200) + ": " + error.detail;
  if (error.code == ErrorCode::message_too_large) error.detail += lifts_the_limit;
  return std::unexpected(std::move(error));
}

}  // namespace

base::Result<Documents> Documents::with(DocumentOptions options) {
  if (options.together && options.packaging == Packaging::enveloped)
    return base::failure(ErrorCode::parameter_invalid, "a document that holds its signature has one of its own: no --together");
  if (is_one_file(options.packaging) && (!options.digests.empty() || !options.digest_list.empty()))
    return base::failure(ErrorCode::parameter_invalid,
                         "--packaging " + std::string(name(options.packaging)) + " wants the files themselves, not their hashes");
  Documents documents(std::move(options));
  if (auto added = documents.add_hashes(); !added) return base::failure_of(added);
  for (const std::string& file : documents.options_.files) {
    const auto digest = documents.digest_of(file);
    if (!digest) return std::unexpected(digest.error());
    if (auto added = documents.add(std::filesystem::path(file).filename().string(), *digest, file); !added)
      return base::failure_of(added);
  }
  if (documents.all_.empty()) return base::failure(ErrorCode::batch_empty, "name files, --digest or --digest-list");
  return documents;
}

base::Result<void> Documents::add(std::string name, base::Digest digest, std::filesystem::path file) {
  if (auto fit = fit_for_file_name(name); !fit) return fit;
  if (!names_.insert(name).second)
    return base::failure(ErrorCode::id_duplicate, "two signatures would be written to " + name + ".xades.xml");
  all_.push_back({std::move(name), digest, std::move(file)});
  return {};
}

base::Result<void> Documents::add_hashes() {
  for (const std::string& digest : options_.digests) {
    const auto value = base::parse_digest(digest);
    if (!value) return std::unexpected(value.error());
    const bool single = options_.digests.size() == 1 && !options_.name.empty();
    if (auto added = add(single ? options_.name : base::hex(value->bytes()).substr(0, 16), *value, {}); !added) return added;
  }
  if (options_.digest_list.empty()) return {};
  std::ifstream list(options_.digest_list);
  if (!list) return std::unexpected(file_error(options_.digest_list, errno));
  std::size_t number = 0;
  for (std::string line; std::getline(list, line);) {
    ++number;
    if (line.empty()) continue;
    const std::size_t space = line.find(' ');
    const auto value = base::parse_digest(line.substr(0, space));
    if (!value || space == std::string::npos)
      return base::failure(value ? ErrorCode::parameter_invalid : value.error().code,
                           options_.digest_list + ", line " + std::to_string(number) + ": ALG:HEX name is wanted");
    if (auto added = add(line.substr(space + 1), *value, {}); !added) return added;
  }
  return {};
}

std::filesystem::path Documents::target(std::size_t index) const {
  return std::filesystem::path(options_.out) / (all_.at(index).name + ".xades.xml");
}

std::span<const Documents::One> Documents::of_signature(std::size_t index) const {
  return options_.together ? std::span(all_) : std::span(all_).subspan(index, 1);
}

base::Result<base::Bytes> Documents::read(const std::filesystem::path& file) const {
  auto content = service::read_file(file, options_.limits.max_bytes);
  if (!content && content.error().code == ErrorCode::message_too_large) content.error().detail += " (--max-size lifts the limit)";
  return content;
}

base::Result<xades::EnvelopedObject> Documents::object_of(const std::filesystem::path& file, std::string_view id) const {
  const auto content = read(file);
  if (!content) return std::unexpected(content.error());
  auto object = options_.packaging == Packaging::enveloping_xml ? xades::enveloped_xml(*content, id, algorithm, options_.limits)
                                                                : xades::enveloped_file(*content, id, algorithm, options_.limits);
  if (!object) return of_file(file, object.error());
  return object;
}

base::Result<base::Digest> Documents::digest_of(const std::filesystem::path& file) const {
  if (!is_one_file(options_.packaging)) return digest_of_file(file);
  if (options_.packaging != Packaging::enveloped) {
    const auto object = object_of(file, "unknown-yet");
    return object ? base::Result<base::Digest>(object->digest) : std::unexpected(object.error());
  }
  const auto content = read(file);
  if (!content) return std::unexpected(content.error());
  const auto plan = xades::plan_enveloped(base::as_text(*content), algorithm, options_.limits);
  if (!plan) return of_file(file, plan.error());
  return plan->digest;
}

std::string Documents::signature_id(std::size_t index) const {
  return batch_id_ + "-" + std::to_string(options_.together ? 0 : index);
}

base::Result<void> Documents::take_ids(std::string_view batch_id) {
  batch_id_ = batch_id;
  if (options_.packaging != Packaging::enveloping_xml) return {};
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const auto object = object_of(all_[i].file, xades::object_id(signature_id(i), options_.together ? i : 0));
    if (!object) return std::unexpected(object.error());
    all_[i].digest = object->digest;
  }
  return {};
}

base::Result<std::string> Documents::whole(std::size_t index, std::string_view signature) const {
  if (!is_one_file(options_.packaging)) return std::string(signature);
  return options_.packaging == Packaging::enveloped ? whole_enveloped(all_.at(index), signature)
                                                    : whole_enveloping(index, signature);
}

base::Result<std::string> Documents::whole_enveloped(const One& document, std::string_view signature) const {
  const auto content = read(document.file);
  if (!content) return std::unexpected(content.error());
  const std::string_view text = base::as_text(*content);
  const auto plan = xades::plan_enveloped(text, algorithm, options_.limits);
  if (!plan) return of_file(document.file, plan.error());
  if (plan->digest != document.digest) return of_file(document.file, changed);
  return xades::enveloped(text, *plan, signature);
}

base::Result<std::string> Documents::whole_enveloping(std::size_t index, std::string_view signature) const {
  std::vector<xades::EnvelopedObject> objects;
  for (const One& document : of_signature(index)) {
    auto object = object_of(document.file, xades::object_id(signature_id(index), objects.size()));
    if (!object) return std::unexpected(object.error());
    if (object->digest != document.digest) return of_file(document.file, changed);
    objects.push_back(std::move(*object));
  }
  return xades::with_objects(signature, objects);
}

}  // namespace signet::agent
