#include "signing/journal.hpp"

#include <stdlib.h>

#include <fstream>

#include "base/bytes.hpp"
#include "property.hpp"

// A journal that somebody may have changed.

using namespace signet;
using fuzz::hold;

namespace {

// A file in memory where the machine has such a folder.
class Folder {
 public:
  Folder() : path_((std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp") + std::string("/signet-fuzz-XXXXXX")) {
    hold(::mkdtemp(path_.data()) != nullptr);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;  // owns a folder
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path journal() const { return std::filesystem::path(path_) / "journal"; }

 private:
  std::string path_;
};

void write(const std::filesystem::path& file, std::string_view text) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << text;
  hold(static_cast<bool>(out.flush()));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  const auto file = folder.journal();
  std::string text(base::as_text({data, size}));
  write(file, text);
  const auto report = signing::verify_journal(file);
  hold(report.has_value());
  hold(report->head.size() == 64 && report->first_bad_line <= report->entries);
  hold(report->torn_last_line == (!text.empty() && !text.ends_with('\n')));

  if (report->intact && !text.empty()) {  // any change shows
    const std::size_t at = base::digest(base::DigestAlgorithm::sha256, {data, size}).bytes()[0] * text.size() / 256;
    text[at] = static_cast<char>(text[at] ^ 1);
    write(file, text);
    const auto changed = signing::verify_journal(file);
    hold(changed && !changed->intact);
    text[at] = static_cast<char>(text[at] ^ 1);
    write(file, text);
  }

  // The agent goes on with it: a torn end is taken off, and what was wrong before stays wrong.
  {
    auto journal = signing::Journal::open(file);
    hold(journal.has_value());
    hold(journal->recovery().torn_line_removed == report->torn_last_line);
    hold(journal->append(base::Time{}, "batch-begin", {{"origin", text}}).has_value());
  }
  const auto after = signing::verify_journal(file);
  hold(after && !after->torn_last_line && after->entries == report->entries + 1);
  hold(after->first_bad_line == report->first_bad_line);
  return 0;
}
