#include "trust/cache.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "folder.hpp"

using namespace signet;
using trust::Cache;

namespace {

const base::Time now = base::from_rfc3339("2026-03-01T12:00:00Z").value();

std::optional<std::string> text_of(const Cache& cache, std::string_view key, std::size_t most = 1'000'000) {
  const auto entry = cache.get(key, most);
  if (!entry) return std::nullopt;
  return std::string(base::as_text(entry->content));
}

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) out.push_back(entry.path());
  return out;
}

}  // namespace

TEST_CASE("what is put into the cache is there for the next, with the time at which it was fetched") {
  test::Folder folder;
  const auto cache = Cache::open(folder.path / "a" / "cache").value();
  CHECK_FALSE(cache.get("a", 100));
  cache.put("a", base::as_bytes("first"), now);
  cache.put("b", base::as_bytes(""), now);
  cache.put("a", base::as_bytes("second"), now);
  const auto again = Cache::open(folder.path / "a" / "cache").value();
  CHECK(text_of(again, "a") == "second");
  CHECK(again.get("a", 100)->fetched == now);
  CHECK(text_of(again, "b") == "");
  CHECK_FALSE(again.get("c", 100));
  struct stat status{};
  ::stat((folder.path / "a" / "cache").c_str(), &status);
  CHECK((status.st_mode & 0777) == 0700);
  for (const auto& file : files_in(folder.path / "a" / "cache")) {
    ::stat(file.c_str(), &status);
    CHECK((status.st_mode & 0777) == 0600);
  }
  CHECK(files_in(folder.path / "a" / "cache").size() == 2);
}

TEST_CASE("a key may be any text, and is no path") {
  test::Folder folder;
  const auto cache = Cache::open(folder.path / "cache").value();
  for (const char* key : {"../../etc/passwd", "/etc/passwd", "", "http://a/b?c\n"}) {
    cache.put(key, base::as_bytes(key), now);
    CHECK(text_of(cache, key) == key);
  }
  CHECK(files_in(folder.path).size() == 1);
  CHECK(files_in(folder.path / "cache").size() == 4);
}

TEST_CASE("a folder that others can write to, a file and a link are refused") {
  test::Folder folder;
  std::filesystem::create_directory(folder.path / "open");
  ::chmod((folder.path / "open").c_str(), 0777);
  CHECK(Cache::open(folder.path / "open").error().code == base::ErrorCode::configuration_invalid);
  std::filesystem::create_directory(folder.path / "mine");
  ::chmod((folder.path / "mine").c_str(), 0700);
  CHECK(Cache::open(folder.path / "mine"));
  std::filesystem::create_symlink(folder.path / "mine", folder.path / "link");
  CHECK(Cache::open(folder.path / "link").error().code == base::ErrorCode::configuration_invalid);
  std::ofstream(folder.path / "file") << "x";
  CHECK(Cache::open(folder.path / "file").error().code == base::ErrorCode::configuration_invalid);
  CHECK(Cache::open("/proc/nowhere/cache").error().code == base::ErrorCode::file_failed);
}

TEST_CASE("a file of the cache that is something else is as if it were not there") {
  test::Folder folder;
  const auto cache = Cache::open(folder.path / "cache").value();
  cache.put("a", base::as_bytes("content"), now);
  const auto file = files_in(folder.path / "cache").at(0);
  std::ifstream in(file);
  const std::string good(std::istreambuf_iterator<char>(in), {});
  const auto is_read = [&] { return cache.get("a", 1'000'000).has_value(); };
  REQUIRE(is_read());

  for (const std::string& other :
       {std::string{}, std::string("content"), good.substr(0, good.find('\n')), "signet cache 2" + good.substr(14),
        std::string(good).replace(15, 4, "abcd"), std::string(good).replace(35, 1, " ")}) {
    std::ofstream(file, std::ios::trunc) << other;
    CHECK_FALSE(is_read());
  }
  std::ofstream(file, std::ios::trunc) << good;
  CHECK(is_read());

  std::filesystem::rename(file, folder.path / "elsewhere");
  std::filesystem::create_symlink(folder.path / "elsewhere", file);
  CHECK_FALSE(is_read());
  std::filesystem::remove(file);
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);  // to open it would wait for whoever writes
  CHECK_FALSE(is_read());
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  CHECK_FALSE(is_read());
  cache.put("a", base::as_bytes("again"), now);  // cannot replace a folder, and says nothing
  CHECK_FALSE(is_read());
  std::filesystem::remove(file);
  cache.put("a", base::as_bytes("again"), now);
  CHECK(text_of(cache, "a") == "again");
}

TEST_CASE("what is larger than the reader wants is not read") {
  test::Folder folder;
  const auto cache = Cache::open(folder.path / "cache").value();
  cache.put("a", base::as_bytes("12345"), now);
  CHECK(cache.get("a", 5));
  CHECK_FALSE(cache.get("a", 4));
}

TEST_CASE("the cache stays within its bounds: what was written first goes, what is not of it stays") {
  test::Folder folder;
  const auto path = folder.path / "cache";
  {
    const auto cache = Cache::open(path, {.most_bytes = 100'000, .most_files = 3}).value();
    std::ofstream(path / "README") << "mine";
    for (const char* key : {"1", "2", "3", "4", "5"}) cache.put(key, base::as_bytes(key), now);
    CHECK_FALSE(cache.get("1", 100));
    CHECK_FALSE(cache.get("2", 100));
    CHECK(text_of(cache, "3") == "3");
    CHECK(text_of(cache, "5") == "5");
    CHECK(files_in(path).size() == 4);
    CHECK(std::filesystem::exists(path / "README"));
  }
  const auto cache = Cache::open(path, {.most_bytes = 3'000, .most_files = 100}).value();
  const std::string thousand(1'000, 'x');
  for (const char* key : {"a", "b", "c"}) cache.put(key, base::as_bytes(thousand), now);
  CHECK_FALSE(cache.get("a", 10'000));
  CHECK(cache.get("b", 10'000));
  CHECK(cache.get("c", 10'000));
  cache.put("d", base::as_bytes(std::string(3'000, 'x')), now);
  CHECK_FALSE(cache.get("d", 10'000));
}

TEST_CASE("whoever reads while others write sees the one or the other, whole") {
  test::Folder folder;
  const auto cache = Cache::open(folder.path / "cache").value();
  const std::string a(200'000, 'a'), b(300'000, 'b');
  cache.put("key", base::as_bytes(a), now);
  std::atomic<bool> done = false;
  std::vector<std::thread> writers;
  for (const std::string* text : {&a, &b})
    writers.emplace_back([&cache, text, &done] {
      while (!done) cache.put("key", base::as_bytes(*text), now);
    });
  bool all_whole = true;
  for (int i = 0; i < 300; ++i) {
    const auto text = text_of(cache, "key");
    all_whole = all_whole && text && (*text == a || *text == b);
  }
  done = true;
  for (std::thread& writer : writers) writer.join();
  CHECK(all_whole);
  CHECK(files_in(folder.path / "cache").size() == 1);
}
