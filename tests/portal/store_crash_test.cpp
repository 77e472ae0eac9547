#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

#include "lacking.hpp"
#include "test_database.hpp"

using namespace signet;
using namespace signet::portal;
using boost::asio::awaitable;
using test::at;
using test::new_request;
using test::result_of;

namespace {

// Posts and signs, and says of each only after its answer; does not come back.
awaitable<void> one_after_the_other(Store& store, int pipe) {
  for (;;) {
    const auto id = co_await store.post(new_request(2));
    if (!id) ::_exit(1);
    const auto saved = co_await store.save({*id, "a", at(1100), at(1200)}, {result_of(0), result_of(1)});
    if (!saved || saved->missing != 0) ::_exit(1);
    if (::write(pipe, id->data(), id->size()) != static_cast<ssize_t>(id->size())) ::_exit(1);
  }
}

[[noreturn]] void work_until_killed(const test::TestDatabase& database, int pipe) {
  const auto store = database.open();
  boost::asio::io_context context;
  for (int i = 0; i < 16; ++i)
    boost::asio::co_spawn(context, one_after_the_other(*store, pipe), [](std::exception_ptr) { ::_exit(1); });
  context.run();
  ::_exit(1);
}

std::vector<std::string> ids_until_killed(pid_t child, int pipe, std::size_t count) {
  std::string all;
  char buffer[4096];
  bool killed = false;
  for (ssize_t size = 0; (size = ::read(pipe, buffer, sizeof buffer)) > 0;) {
    all.append(buffer, static_cast<std::size_t>(size));
    if (!killed && all.size() >= count * 32) killed = ::kill(child, SIGKILL) == 0;  // and what it has said until then
  }
  std::vector<std::string> ids;
  for (std::size_t i = 0; i + 32 <= all.size(); i += 32) ids.push_back(all.substr(i, 32));
  return ids;
}

void restart_database() {
  const char* script = std::getenv("SIGNET_TEST_RESTART");
  REQUIRE(script != nullptr);
  REQUIRE(std::system(("'" + std::string(script) + "' >&2").c_str()) == 0);
}

}  // namespace

TEST_CASE("what was answered is there after the process was killed") {
  test::TestDatabase database;
  for (int round = 0; round < 3; ++round) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(ends[0]);
      work_until_killed(database, ends[1]);
    }
    ::close(ends[1]);
    const auto ids = ids_until_killed(child, ends[0], 200);
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    CHECK(ids.size() >= 200);

    test::RunningContext context;
    context.start();
    auto store = database.open();
    for (const auto& id : ids) {
      const auto stored = context.await(store->request(id, at(1500)));
      REQUIRE(stored.value());
      CHECK((*stored)->status == SignStatus::success);
      CHECK(context.await(store->results(id)).value().size() == 2);
    }
    store.reset();
    // And nothing is there by half.
    CHECK(database.number(
              "SELECT count(*) FROM requests q WHERE contents <> (SELECT count(*) FROM contents c WHERE c.request_id = q.id)") ==
          0);
    CHECK(database.number(
              "SELECT count(*) FROM requests q WHERE results <> (SELECT count(*) FROM results r WHERE r.request_id = q.id)") ==
          0);
    CHECK(database.number("SELECT count(*) FROM requests WHERE (status = 1) <> (results = contents)") == 0);
  }
}

TEST_CASE("a store goes on after its PostgreSQL was restarted") {
  if (!test::TestDatabase::is_postgresql()) return;
  test::OpenStore at_work;
  const std::string before = at_work.answer(at_work.store->post(new_request()));
  REQUIRE(at_work.answer(at_work.store->request(before, at(1500))));
  restart_database();
  // What the connections were before is dead: nobody is to notice.
  CHECK(at_work.answer(at_work.store->request(before, at(1500)))->status == SignStatus::pending);
  const std::string after = at_work.answer(at_work.store->post(new_request()));
  CHECK(at_work.answer(at_work.store->request(after, at(1500))));
  at_work.answer(at_work.store->ping());
}

TEST_CASE("what was answered is there after PostgreSQL was restarted in the middle") {
  if (!test::TestDatabase::is_postgresql()) return;
  test::OpenStore at_work;
  std::atomic<bool> ending = false;
  std::mutex mutex;
  std::vector<std::string> answered;
  std::size_t failed = 0, failed_otherwise = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      while (!ending) {
        auto id = at_work.context.await(at_work.store->post(new_request()));
        const std::scoped_lock lock(mutex);
        if (id) {
          answered.push_back(*id);
        } else {
          ++failed;
          if (id.error().code != base::ErrorCode::file_failed) ++failed_otherwise;
        }
      }
    });
  }
  const auto enough = [&](std::size_t count) {
    for (;;) {
      {
        const std::scoped_lock lock(mutex);
        if (answered.size() >= count) return count;
      }
      std::this_thread::yield();
    }
  };
  enough(200);
  restart_database();
  std::size_t so_far = 0;
  {
    const std::scoped_lock lock(mutex);
    so_far = answered.size();
  }
  enough(so_far + 200);
  ending = true;
  for (auto& caller : callers) caller.join();
  CHECK(failed_otherwise == 0);
  INFO(failed << " calls failed while it was down");
  for (const auto& id : answered) REQUIRE(at_work.answer(at_work.store->request(id, at(1500))));
  // A commit whose answer was lost may have been done: no more than were told of their failure.
  CHECK(at_work.database.number("SELECT count(*) FROM requests") <= static_cast<long long>(answered.size() + failed));
}
