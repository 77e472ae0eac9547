#include "store/workers.hpp"

#include <algorithm>

namespace signet::portal::store {
namespace {

constexpr std::size_t group_limit = 256;      // more saves little, and is more to run again where one fails
constexpr std::size_t waiting_limit = 10000;  // callers that wait longer than they live help nobody

}  // namespace

Workers::Workers(Database database, Kind kind, std::size_t threads) : database_(std::move(database)) {
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i)
    threads_.emplace_back([this, kind] { kind == Kind::readers ? read() : write(); });
}

Workers::~Workers() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  something_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Workers::add(std::unique_ptr<Job> job) {
  {
    const std::scoped_lock lock(mutex_);
    if (waiting_.size() < waiting_limit) {
      waiting_.push_back(std::move(job));
    }
  }
  if (job == nullptr) {
    something_.notify_one();
    return;
  }
  job->fail({base::ErrorCode::too_many, "too much waits for the database", 0, {}});
  job->answer();
}

// None only at the end.
Workers::Jobs Workers::take(std::size_t most) {
  std::unique_lock lock(mutex_);
  something_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
  Jobs taken;
  while (!waiting_.empty() && taken.size() < most) {
    taken.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return taken;
}

void Workers::read() {
  std::unique_ptr<Connection> connection;
  for (Jobs jobs = take(1); !jobs.empty(); jobs = take(1)) {
    // Twice: the connection may have died since it was used last.
    for (int attempts_left = 2; attempts_left > 0; --attempts_left) {
      try {
        if (connection == nullptr) attempts_left = 1, connection = std::make_unique<Connection>(database_);
        jobs.front()->run(*connection);
        break;
      } catch (const std::exception& exception) {
        connection.reset();
        jobs.front()->fail(error_of(exception));
      }
    }
    jobs.front()->answer();
  }
}

void Workers::write() {
  std::unique_ptr<Connection> connection;
  for (Jobs group = take(group_limit); !group.empty(); group = take(group_limit)) {
    // Those of one request that wait at the same time have no order among them.
    std::ranges::sort(group, {}, [](const auto& job) -> const std::string& { return job->order; });
    write_group(connection, group);
    for (auto& job : group) job->answer();
  }
}

void Workers::write_group(std::unique_ptr<Connection>& connection, std::span<std::unique_ptr<Job>> group) {
  base::Error error;
  const Outcome together = attempt(connection, group, error);
  if (together == Outcome::committed) return;
  if (together == Outcome::undone) {
    // One of them is at fault, or the connection had died: none was committed, so each may run again.
    while (!group.empty()) {
      const Outcome alone = attempt(connection, group.first(1), error);
      if (alone == Outcome::unreachable) break;
      if (alone != Outcome::committed) group.front()->fail(error);
      group = group.subspan(1);
    }
  }
  for (auto& job : group) job->fail(error);
}

Workers::Outcome Workers::attempt(std::unique_ptr<Connection>& connection, std::span<std::unique_ptr<Job>> group,
                                  base::Error& error) {
  if (!begin(connection, error)) return Outcome::unreachable;
  try {
    for (auto& job : group) job->run(*connection);
  } catch (const std::exception& exception) {
    error = error_of(exception);
    connection.reset();  // which undoes it
    return Outcome::undone;
  }
  try {
    connection->commit();
    return Outcome::committed;
  } catch (const std::exception& exception) {
    // It may have been committed all the same. To run it again could do it twice.
    error = error_of(exception);
    error.detail += " (at the commit: whether it was done is not known)";
    connection.reset();
    return Outcome::unknown;
  }
}

// A connection that has died since it was used last shows it here, and is opened again.
bool Workers::begin(std::unique_ptr<Connection>& connection, base::Error& error) {
  for (int attempts_left = connection == nullptr ? 1 : 2; attempts_left > 0; --attempts_left) {
    try {
      if (connection == nullptr) connection = std::make_unique<Connection>(database_);
      connection->begin();
      return true;
    } catch (const std::exception& exception) {
      error = error_of(exception);
      connection.reset();
    }
  }
  return false;
}

}  // namespace signet::portal::store
