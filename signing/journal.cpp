#include "signing/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "base/text.hpp"

namespace signet::signing {
namespace {

using base::ErrorCode;
using base::failure;

// A line is "<number> <time> <event> name=value … <hash>": the hash is over the hash of the line before and all that stands
// before it in this line. The first line follows on sixty-four zeros.
constexpr std::size_t hash_size = 64;
const std::string first_hash(hash_size, '0');
// So much is left free on the disk beside what was asked for: the journal shall not be what fills it.
constexpr std::size_t kept_free = 1u << 20;

std::string hash_of(std::string_view before, std::string_view body) {
  return base::hex(base::digest(base::DigestAlgorithm::sha256, base::as_bytes(std::string(before) + std::string(body))).bytes());
}

base::Result<void> failed(const char* what, int error) {
  return failure(error == ENOSPC || error == EDQUOT ? ErrorCode::disk_full : ErrorCode::file_failed, what,
                 static_cast<std::uint64_t>(error));
}

struct Chain {
  std::size_t entries = 0;
  std::string head = first_hash;
  std::size_t first_bad_line = 0;
  std::uintmax_t whole_size = 0;  // up to the last line end
  bool torn = false;
};

Chain follow(std::istream& in) {
  Chain chain;
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    if (in.eof()) {  // no line end after it
      chain.torn = true;
      break;
    }
    chain.whole_size += line.size() + 1;
    ++number;
    const bool long_enough = line.size() > hash_size + 1 && line[line.size() - hash_size - 1] == ' ';
    const std::string_view body =
        long_enough ? std::string_view(line).substr(0, line.size() - hash_size - 1) : std::string_view{};
    const bool good = long_enough && line.starts_with(std::to_string(number) + ' ') &&
                      std::string_view(line).substr(line.size() - hash_size) == hash_of(chain.head, body);
    if (!good && chain.first_bad_line == 0) chain.first_bad_line = number;
    if (long_enough) chain.head = line.substr(line.size() - hash_size);
    chain.entries = number;
  }
  return chain;
}

}  // namespace

struct Journal::State {
  int descriptor = -1;
  std::size_t entries = 0;
  std::string head = first_hash;
  Recovery recovery;
  ~State() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(Journal&&) noexcept = default;
Journal::~Journal() = default;

base::Result<Journal> Journal::open(const std::filesystem::path& file) {
  const auto failed_to = [](const char* what, int error) {
    auto result = failed(what, error);
    return base::failure_of(result);
  };
  std::error_code ignored;
  if (std::filesystem::create_directories(file.parent_path(), ignored))
    std::filesystem::permissions(file.parent_path(), std::filesystem::perms::owner_all, ignored);
  auto state = std::make_unique<State>();
  state->descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (state->descriptor < 0) return failed_to("open the journal", errno);
  if (::flock(state->descriptor, LOCK_EX | LOCK_NB) != 0)
    return failed_to("another signetd, or another process, writes this journal", errno);
  std::ifstream in(file, std::ios::binary);
  const Chain chain = follow(in);
  if (chain.torn) {
    if (::ftruncate(state->descriptor, static_cast<off_t>(chain.whole_size)) != 0) return failed_to("repair the journal", errno);
    state->recovery.torn_line_removed = true;
  }
  state->entries = chain.entries;
  state->head = chain.head;
  return Journal(std::move(state));
}

const Journal::Recovery& Journal::recovery() const { return state_->recovery; }

base::Result<void> Journal::reserve(std::size_t bytes) {
  struct statvfs disk{};
  if (::fstatvfs(state_->descriptor, &disk) != 0) return failed("look at the disk", errno);
  const auto free = static_cast<std::uintmax_t>(disk.f_bavail) * disk.f_frsize;
  if (free < bytes + kept_free) return failure(ErrorCode::disk_full, "no room for the journal");
  return {};
}

base::Result<void> Journal::append(base::Time time, std::string_view event, const std::vector<Field>& fields) {
  std::string body = std::to_string(state_->entries + 1) + ' ' + base::rfc3339(time) + ' ' + std::string(event);
  for (const auto& [name, value] : fields) {
    body += ' ';
    body += name;
    body += '=';
    body += base::percent_encoded(value, ":/,@");
  }
  const std::string hash = hash_of(state_->head, body);
  const std::string line = body + ' ' + hash + '\n';
  const off_t before = ::lseek(state_->descriptor, 0, SEEK_END);
  const ssize_t written = ::write(state_->descriptor, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    const int error = written < 0 ? errno : ENOSPC;
    // Half a line would look like a torn one: take it back, so that the next entry can follow.
    if (written > 0 && ::ftruncate(state_->descriptor, before) != 0) return failed("take back a half-written line", errno);
    return failed("write the journal", error);
  }
  ++state_->entries;
  state_->head = hash;
  return {};
}

std::string Journal::head() const { return state_->head; }

base::Result<JournalReport> verify_journal(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return failure(ErrorCode::file_failed, file.string() + " cannot be read");
  const Chain chain = follow(in);
  return JournalReport{chain.first_bad_line == 0 && !chain.torn, chain.entries, chain.first_bad_line, chain.head, chain.torn};
}

}  // namespace signet::signing
