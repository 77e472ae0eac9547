#include "signing/journal.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

using namespace signet;
using namespace signet::signing;

namespace {

const base::Time now = base::from_rfc3339("2026-11-22T10:00:00Z").value();

struct Folder {
  std::filesystem::path path = [] {
    std::string name = (std::filesystem::temp_directory_path() / "signet-journal-XXXXXX").string();
    return std::filesystem::path(::mkdtemp(name.data()));
  }();
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path file() const { return path / "state" / "journal"; }
};

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void put(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
}

void write_three(const Folder& folder) {
  Journal journal = Journal::open(folder.file()).value();
  for (int i = 0; i < 3; ++i)
    REQUIRE(journal.append(now, "signed", {{"origin", "https://sign.example"}, {"items", "sha256:" + std::to_string(i)}}));
}

}  // namespace

TEST_CASE("a journal goes on where it ended and is intact") {
  const Folder folder;
  write_three(folder);
  {
    Journal journal = Journal::open(folder.file()).value();
    CHECK_FALSE(journal.recovery().torn_line_removed);
    REQUIRE(journal.append(now, "complete", {}));
    CHECK(verify_journal(folder.file())->head == journal.head());
  }
  const JournalReport report = verify_journal(folder.file()).value();
  CHECK(report.intact);
  CHECK(report.entries == 4);
  CHECK((std::filesystem::status(folder.file()).permissions() & std::filesystem::perms::all) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
}

TEST_CASE("a changed, removed, added or exchanged line shows") {
  const Folder folder;
  write_three(folder);
  const std::string good = text_of(folder.file());
  const std::size_t second = good.find('\n') + 1;
  const std::size_t third = good.find('\n', second) + 1;
  SECTION("changed") {
    std::string bad = good;
    bad[second + 30] ^= 1;
    put(folder.file(), bad);
    CHECK(verify_journal(folder.file())->first_bad_line == 2);
  }
  SECTION("removed") {
    put(folder.file(), good.substr(0, second) + good.substr(third));
    CHECK(verify_journal(folder.file())->first_bad_line == 2);
  }
  SECTION("doubled") {
    put(folder.file(), good.substr(0, third) + good.substr(second));
    CHECK_FALSE(verify_journal(folder.file())->intact);
  }
  SECTION("the first one removed") {
    put(folder.file(), good.substr(second));
    CHECK(verify_journal(folder.file())->first_bad_line == 1);
  }
  SECTION("rubbish") {
    put(folder.file(), "rubbish\n");
    CHECK(verify_journal(folder.file())->first_bad_line == 1);
  }
}

TEST_CASE("every single changed byte shows") {
  const Folder folder;
  write_three(folder);
  const std::string good = text_of(folder.file());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 1;
    put(folder.file(), bad);
    INFO("byte " << i);
    CHECK_FALSE(verify_journal(folder.file())->intact);
  }
}

TEST_CASE("lines cut from the end do not show in the file, but the head does not fit the one on record") {
  const Folder folder;
  write_three(folder);
  const std::string good = text_of(folder.file());
  const std::string head = verify_journal(folder.file())->head;
  put(folder.file(), good.substr(0, good.rfind('\n', good.size() - 2) + 1));
  CHECK(verify_journal(folder.file())->intact);
  CHECK(verify_journal(folder.file())->head != head);
}

TEST_CASE("a torn last line is removed at the next start, and said") {
  const Folder folder;
  write_three(folder);
  const std::string good = text_of(folder.file());
  put(folder.file(), good + "4 2026-11-22T10:00:00Z sig");
  CHECK(verify_journal(folder.file())->torn_last_line);
  Journal journal = Journal::open(folder.file()).value();
  CHECK(journal.recovery().torn_line_removed);
  REQUIRE(journal.append(now, "signed", {}));
  CHECK(verify_journal(folder.file())->intact);
  CHECK(verify_journal(folder.file())->entries == 4);
}

TEST_CASE("two processes do not write one journal") {
  const Folder folder;
  const Journal first = Journal::open(folder.file()).value();
  CHECK(Journal::open(folder.file()).error().code == base::ErrorCode::file_failed);
}

TEST_CASE("a value cannot forge a field or a line") {
  const Folder folder;
  {
    Journal journal = Journal::open(folder.file()).value();
    REQUIRE(journal.append(now, "signed", {{"origin", "https://a\n2 2026 signed x=y z"}}));
  }
  const std::string text = text_of(folder.file());
  CHECK(std::ranges::count(text, '\n') == 1);
  CHECK(text.find("x=y") == std::string::npos);
}

TEST_CASE("more room than the disk has is refused beforehand") {
  const Folder folder;
  Journal journal = Journal::open(folder.file()).value();
  CHECK(journal.reserve(1000));
  CHECK(journal.reserve(std::size_t{1} << 60).error().code == base::ErrorCode::disk_full);
}

TEST_CASE("a journal that cannot be opened is an error with its reason") {
  CHECK(Journal::open("/proc/signet/journal").error().code == base::ErrorCode::file_failed);
  CHECK(verify_journal("/nonexistent/journal").error().code == base::ErrorCode::file_failed);
}
