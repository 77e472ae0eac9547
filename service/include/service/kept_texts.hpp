#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

namespace signet::service {

// Short texts by a key, kept over restarts: one line "key text" in a file (0600), its folder made (0700) if it is not there. A
// convenience: what cannot be read or written is forgotten. Keys have no white space, texts no line end. One thread; several
// processes may have one file.
class KeptTexts {
 public:
  // `fits`: whether a text that was read is one that could have been kept. With `most` keys the first gives way to a new one.
  KeptTexts(std::filesystem::path file, std::size_t most, std::function<bool(const std::string&)> fits = {});
  std::string of(const std::string& key) const;  // empty: none
  const std::map<std::string, std::string>& all() const { return texts_; }
  void keep(const std::string& key, const std::string& text);

 private:
  void read();
  void save() const;
  std::filesystem::path file_;
  std::size_t most_;
  std::function<bool(const std::string&)> fits_;
  std::map<std::string, std::string> texts_;
};

}  // namespace signet::service
