#include "service/files.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/text.hpp"

namespace signet::service {

using base::ErrorCode;

base::Result<base::Bytes> read_file(const std::filesystem::path& file, std::size_t most) {
  const std::string shown = base::shown(file.string(), 200);  // the name may hold anything, and goes to a terminal
  const auto failed = [&](int error) {
    return base::failure(ErrorCode::file_failed, shown + ": " + std::strerror(error), static_cast<std::uint64_t>(error));
  };
  std::ifstream in(file, std::ios::binary);
  if (!in) return failed(errno);
  if (std::filesystem::is_directory(file)) return failed(EISDIR);
  base::Bytes content;
  char buffer[65'536];
  while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
    content.insert(content.end(), buffer, buffer + in.gcount());
    if (content.size() > most)
      return base::failure(ErrorCode::message_too_large, shown + ": over " + std::to_string(most) + " bytes");
  }
  return content;
}

namespace {

// A folder's own, or the file itself. A folder may go while it is listed, or be on a disk that fails.
std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::is_regular_file(folder, error)) return {folder};
  std::vector<std::filesystem::path> files;
  for (auto entry = std::filesystem::directory_iterator(folder, error); !error && entry != std::filesystem::directory_iterator();
       entry.increment(error))
    files.push_back(entry->path());
  return files;
}

}  // namespace

base::Result<pki::TrustMaterial> read_trust(const std::filesystem::path& folder) {
  pki::TrustMaterial trust;
  if (folder.empty()) return trust;
  std::vector<std::filesystem::path> files;
  for (const std::filesystem::path& file : files_of(folder)) {
    std::error_code gone;
    const auto extension = file.extension();
    const bool is_key = file != folder && (extension == ".key" || extension == ".p12");
    if (!is_key && std::filesystem::is_regular_file(file, gone)) files.push_back(file);
  }
  if (files.empty()) return base::failure(ErrorCode::file_failed, "no certificates in " + folder.string());
  for (const auto& file : files) {
    const auto content = read_file(file, 64u << 20);
    if (!content) return std::unexpected(content.error());
    if (const auto certificates = pki::certificates_in(*content)) {
      for (const pki::Certificate& certificate : *certificates)
        (certificate.subject() == certificate.issuer() ? trust.anchors : trust.intermediates).push_back(certificate);
    }
    if (auto lists = pki::crls_in(*content)) trust.crls.insert(trust.crls.end(), lists->begin(), lists->end());
  }
  // Whoever names a wrong file or folder would read that nobody is trusted.
  if (trust.anchors.empty() && trust.intermediates.empty() && trust.crls.empty())
    return base::failure(ErrorCode::file_failed, "no certificates in " + folder.string());
  return trust;
}

FolderStamp stamp_of(const std::filesystem::path& folder) {
  FolderStamp stamp;
  std::error_code ignored;
  for (const std::filesystem::path& file : files_of(folder))
    stamp.emplace(file.string(), std::filesystem::file_size(file, ignored), std::filesystem::last_write_time(file, ignored));
  return stamp;
}

}  // namespace signet::service
