#include "service/kept_texts.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "../agent/temporary_folder.hpp"

using namespace signet;
using signet::service::KeptTexts;

namespace {

const std::string page = "https://sign.example";
const std::string other = "https://other.example:8443";
// As the agent keeps which certificate an origin was given.
struct Remembered : KeptTexts {
  explicit Remembered(std::filesystem::path file)
      : KeptTexts(std::move(file), 1'000, [](const std::string& id) { return id.size() == 64; }) {}
};

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
    Remembered remembered(file);
    CHECK(remembered.of(page).empty());
    remembered.keep(page, first);
    remembered.keep(other, second);
    remembered.keep(page, second);
  }
  ::umask(before);
  CHECK(mode_of(file) == 0600U);
  CHECK(mode_of(file.parent_path()) == 0700U);
  const Remembered again(file);
  CHECK(again.of(page) == second);
  CHECK(again.of(other) == second);
  CHECK(again.of("command-line").empty());
}

TEST_CASE("two agents over one file keep each other's choices") {
  const test::TemporaryFolder folder;
  Remembered one(folder / "certificates"), two(folder / "certificates");
  one.keep(page, first);
  two.keep(other, second);
  const Remembered after(folder / "certificates");
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
  std::ofstream(file, std::ios::binary) << damage << "\n" << page << ' ' << first << "\n" << other << ' ' << "bbb";
  Remembered remembered(file);
  CHECK(remembered.of(page) == first);
  CHECK(remembered.of(other).empty());
  remembered.keep(other, second);
  CHECK(Remembered(file).of(page) == first);
  CHECK(Remembered(file).of(other) == second);
}

TEST_CASE("where nothing can be written the choice is good until the agent ends") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "a file") << "no folder";
  Remembered remembered(folder / "a file" / "certificates");
  remembered.keep(page, first);
  CHECK(remembered.of(page) == first);
  CHECK(text_of(folder / "a file") == "no folder");
  std::filesystem::create_directories(folder / "certificates");  // a folder where the file should be
  Remembered hidden(folder / "certificates");
  hidden.keep(page, first);
  CHECK(hidden.of(page) == first);
}

TEST_CASE("a page under many names fills neither memory nor disk") {
  const test::TemporaryFolder folder;
  {
    std::ofstream out(folder / "certificates");
    for (int i = 0; i < 5'000; ++i) out << "https://" << i << ".example " << first << '\n';
  }
  Remembered remembered(folder / "certificates");
  remembered.keep(page, second);
  CHECK(remembered.of(page) == second);
  const std::string text = text_of(folder / "certificates");
  CHECK(std::ranges::count(text, '\n') == 1'000);
}
