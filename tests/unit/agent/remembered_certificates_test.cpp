#include "agent/remembered_certificates.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "temporary_folder.hpp"

using namespace signet;
using namespace signet::agent;

namespace {

const signing::Origin page = signing::Origin::parse("https://sign.example").value();
const signing::Origin other = signing::Origin::parse("https://other.example:8443").value();
const std::string first(64, 'a'), second(64, 'b');

std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

unsigned mode_of(const std::filesystem::path& file) {
  struct stat about{};
  REQUIRE(::stat(file.c_str(), &about) == 0);
  return about.st_mode & 07777U;
}

}  // namespace

TEST_CASE("a choice is there again after a restart, in a file for this user alone") {
  const test::TemporaryFolder folder;
  const auto file = folder / "not" / "there" / "yet" / "certificates";
  const auto before = ::umask(0);
  {
    RememberedCertificates remembered(file);
    CHECK(remembered.of(page).empty());
    remembered.remember(page, first);
    remembered.remember(other, second);
    remembered.remember(page, second);
  }
  ::umask(before);
  CHECK(mode_of(file) == 0600U);
  CHECK(mode_of(file.parent_path()) == 0700U);
  const RememberedCertificates again(file);
  CHECK(again.of(page) == second);
  CHECK(again.of(other) == second);
  CHECK(again.of(signing::Origin::command_line()).empty());
}

TEST_CASE("two agents over one file keep each other's choices") {
  const test::TemporaryFolder folder;
  RememberedCertificates one(folder / "certificates"), two(folder / "certificates");
  one.remember(page, first);
  two.remember(other, second);
  const RememberedCertificates after(folder / "certificates");
  CHECK(after.of(page) == first);
  CHECK(after.of(other) == second);
  CHECK(two.of(page) == first);
}

TEST_CASE("of a damaged file what is whole is kept, and the rest is asked for again") {
  const test::TemporaryFolder folder;
  const auto file = folder / "certificates";
  const std::string damage = GENERATE(as<std::string>{}, "", "\n\n", " ", "https://other.example:8443",
                                      "https://other.example:8443 abc", "https://other.example:8443 " + std::string(65, 'b'),
                                      std::string(1 << 20, 'x'), std::string("\0\xFF\0 \0", 5), std::string(64, 'c'));
  std::ofstream(file, std::ios::binary) << damage << "\n" << page.text() << ' ' << first << "\n" << other.text() << ' ' << "bbb";
  RememberedCertificates remembered(file);
  CHECK(remembered.of(page) == first);
  CHECK(remembered.of(other).empty());
  remembered.remember(other, second);
  CHECK(RememberedCertificates(file).of(page) == first);
  CHECK(RememberedCertificates(file).of(other) == second);
}

TEST_CASE("where nothing can be written the choice is good until the agent ends") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "a file") << "no folder";
  RememberedCertificates remembered(folder / "a file" / "certificates");
  remembered.remember(page, first);
  CHECK(remembered.of(page) == first);
  CHECK(text_of(folder / "a file") == "no folder");
  std::filesystem::create_directories(folder / "certificates");  // a folder where the file should be
  RememberedCertificates hidden(folder / "certificates");
  hidden.remember(page, first);
  CHECK(hidden.of(page) == first);
}

TEST_CASE("a page under many names fills neither memory nor disk") {
  const test::TemporaryFolder folder;
  {
    std::ofstream out(folder / "certificates");
    for (int i = 0; i < 5'000; ++i) out << "https://" << i << ".example " << first << '\n';
  }
  RememberedCertificates remembered(folder / "certificates");
  remembered.remember(page, second);
  CHECK(remembered.of(page) == second);
  const std::string text = text_of(folder / "certificates");
  CHECK(std::ranges::count(text, '\n') == 1'000);
}
