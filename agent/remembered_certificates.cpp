#include "agent/remembered_certificates.hpp"

#include <sys/stat.h>

#include <fstream>

namespace signet::agent {

namespace {

constexpr std::size_t most_origins = 1'000;
constexpr std::size_t id_size = 64;

}  // namespace

RememberedCertificates::RememberedCertificates(std::filesystem::path file) : file_(std::move(file)) { read(); }

void RememberedCertificates::read() {
  std::ifstream in(file_);
  for (std::string line; by_origin_.size() < most_origins && std::getline(in, line);) {
    const std::size_t space = line.find(' ');
    if (space != std::string::npos && line.size() == space + 1 + id_size)
      by_origin_.insert_or_assign(line.substr(0, space), line.substr(space + 1));
  }
}

std::string RememberedCertificates::of(const signing::Origin& origin) const {
  const auto known = by_origin_.find(origin.text());
  return known == by_origin_.end() ? std::string{} : known->second;
}

void RememberedCertificates::remember(const signing::Origin& origin, const std::string& certificate_id) {
  read();  // another agent of this user may have remembered something meanwhile
  if (by_origin_.size() >= most_origins && !by_origin_.contains(origin.text())) by_origin_.erase(by_origin_.begin());
  by_origin_.insert_or_assign(origin.text(), certificate_id);
  save();
}

void RememberedCertificates::save() const {
  std::error_code ignored;
  // The journal, which makes this folder, may be configured to be elsewhere.
  if (std::filesystem::create_directories(file_.parent_path(), ignored))
    std::filesystem::permissions(file_.parent_path(), std::filesystem::perms::owner_all, ignored);
  const std::filesystem::path beside = file_.string() + ".part";
  {
    std::ofstream out(beside, std::ios::trunc);
    ::chmod(beside.c_str(), 0600);
    for (const auto& [origin, id] : by_origin_) out << origin << ' ' << id << '\n';
    if (!out.flush()) return;
  }
  std::filesystem::rename(beside, file_, ignored);
}

}  // namespace signet::agent
