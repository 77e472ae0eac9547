#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "xades/packaging.hpp"

namespace signet::agent {

struct DocumentOptions {
  std::vector<std::string> files, digests;  // digests as ALG:HEX
  std::string digest_list, name, out = ".";
  xades::Packaging packaging = xades::Packaging::detached;
  bool together = false;
  xades::VerifyLimits limits = {};  // what is made must be verified at
};

// What `signet sign` signs: files, or hashes alone. The agent is sent digests; where a document and its signature become one file,
// that is done here. Files are read when they are needed, not kept.
class Documents {
 public:
  struct One {
    std::string name;  // fit for a file's name, each once
    base::Digest digest;
    std::filesystem::path file;  // empty where only the hash is known
  };

  // parameter_invalid for what cannot be signed with this packaging, id_duplicate, batch_empty; as xades/packaging.hpp, and
  // what reading files gives. Details name the file.
  static base::Result<Documents> with(DocumentOptions options);

  const std::vector<One>& all() const { return all_; }
  xades::Packaging packaging() const { return options_.packaging; }
  std::size_t signatures() const { return options_.together ? 1 : all_.size(); }
  // Where a signature goes, by its first document.
  std::filesystem::path target(std::size_t index) const;
  // Those that a signature signs, by its first document.
  std::span<const One> of_signature(std::size_t index) const;

  // The Ids that the batch's signatures get: digests of XML within a signature depend on them.
  base::Result<void> take_ids(std::string_view batch_id);
  std::string signature_id(std::size_t index) const;
  // What is written for a signature that has come. parameter_invalid where a file is not what was signed any more.
  base::Result<std::string> whole(std::size_t index, std::string_view signature) const;

 private:
  explicit Documents(DocumentOptions options) : options_(std::move(options)) {}
  base::Result<void> add(std::string name, base::Digest digest, std::filesystem::path file);
  base::Result<void> add_hashes();
  base::Result<base::Digest> digest_of(const std::filesystem::path& file) const;
  base::Result<base::Bytes> read(const std::filesystem::path& file) const;
  base::Result<xades::EnvelopedObject> object_of(const std::filesystem::path& file, std::string_view id) const;
  base::Result<std::string> whole_enveloped(const One& document, std::string_view signature) const;
  base::Result<std::string> whole_enveloping(std::size_t index, std::string_view signature) const;

  DocumentOptions options_;
  std::vector<One> all_;
  std::set<std::string> names_;
  std::string batch_id_;
};

}  // namespace signet::agent
