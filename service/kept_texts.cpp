#include "service/kept_texts.hpp"

#include <sys/stat.h>

#include <fstream>

namespace signet::service {

KeptTexts::KeptTexts(std::filesystem::path file, std::size_t most, std::function<bool(const std::string&)> fits)
    : file_(std::move(file)), most_(most), fits_(std::move(fits)) {
  read();
}

void KeptTexts::read() {
  std::ifstream in(file_);
  for (std::string line; texts_.size() < most_ && std::getline(in, line);) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || space == 0) continue;
    std::string text = line.substr(space + 1);
    if (!text.empty() && (!fits_ || fits_(text))) texts_.insert_or_assign(line.substr(0, space), std::move(text));
  }
}

std::string KeptTexts::of(const std::string& key) const {
  const auto known = texts_.find(key);
  return known == texts_.end() ? std::string{} : known->second;
}

void KeptTexts::keep(const std::string& key, const std::string& text) {
  read();  // another process of this user may have kept something meanwhile
  if (texts_.size() >= most_ && !texts_.contains(key)) texts_.erase(texts_.begin());
  texts_.insert_or_assign(key, text);
  save();
}

void KeptTexts::save() const {
  std::error_code ignored;
  // The journal, which makes this folder, may be configured to be elsewhere.
  if (std::filesystem::create_directories(file_.parent_path(), ignored))
    std::filesystem::permissions(file_.parent_path(), std::filesystem::perms::owner_all, ignored);
  const std::filesystem::path beside = file_.string() + ".part";
  {
    std::ofstream out(beside, std::ios::trunc);
    ::chmod(beside.c_str(), 0600);
    for (const auto& [key, text] : texts_) out << key << ' ' << text << '\n';
    if (!out.flush()) return;
  }
  std::filesystem::rename(beside, file_, ignored);
}

}  // namespace signet::service
