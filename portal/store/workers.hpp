#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "store/connection.hpp"

namespace signet::portal::store {

// What a caller waits for. It may be run again after it threw, or after another of its transaction did; an error that it returns
// is an answer, and does not undo what it has done: to have that undone it throws.
template <class T>
using Work = std::move_only_function<base::Result<T>(Connection&)>;

// Threads with a connection each, and what waits for them. A reader runs one thing after the other. A writer takes all that
// waits into one transaction and answers after its commit, so that many callers share one flush to the disk; where that fails it
// runs each alone, so that only those fail that must. A connection that failed is opened again for what comes next.
// Any thread; the destructor waits for all that was given. Executors of callers must outlive this.
class Workers {
 public:
  enum class Kind : std::uint8_t { readers, writers };
  Workers(Database database, Kind kind, std::size_t threads);
  ~Workers();
  Workers(const Workers&) = delete;  // owns threads
  Workers& operator=(const Workers&) = delete;

  // What locks rows is run in the order of `order`, in all instances: then none of them waits for another that waits for it.
  template <class T>
  boost::asio::awaitable<base::Result<T>> run(std::string order, Work<T> work);

 private:
  class Job {
   public:
    virtual ~Job() = default;
    virtual void run(Connection& connection) = 0;
    virtual void fail(base::Error error) = 0;
    virtual void answer() = 0;
    std::string order;
  };
  template <class T, class Handler>
  class JobOf;
  using Jobs = std::vector<std::unique_ptr<Job>>;
  enum class Outcome : std::uint8_t { committed, undone, unknown, unreachable };

  void add(std::unique_ptr<Job> job);
  Jobs take(std::size_t most);
  void read();
  void write();
  void write_group(std::unique_ptr<Connection>& connection, std::span<std::unique_ptr<Job>> group);
  Outcome attempt(std::unique_ptr<Connection>& connection, std::span<std::unique_ptr<Job>> group, base::Error& error);
  bool begin(std::unique_ptr<Connection>& connection, base::Error& error);

  const Database database_;
  std::mutex mutex_;
  std::condition_variable something_;
  std::deque<std::unique_ptr<Job>> waiting_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

template <class T, class Handler>
class Workers::JobOf : public Job {
 public:
  JobOf(Handler handler, Work<T> work)
      : home_(boost::asio::get_associated_executor(handler)), handler_(std::move(handler)), work_(std::move(work)) {}
  void run(Connection& connection) override { result_.emplace(work_(connection)); }
  void fail(base::Error error) override { result_.emplace(std::unexpected(std::move(error))); }
  void answer() override {
    // With what keeps its context at work: this job may be destroyed after the answer was heard.
    const auto executor = home_.get_executor();
    boost::asio::post(executor, [handler = std::move(handler_), result = std::move(*result_), home = std::move(home_)]() mutable {
      std::move(handler)(std::move(result));
    });
  }

 private:
  boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler>> home_;
  Handler handler_;
  Work<T> work_;
  std::optional<base::Result<T>> result_;
};

template <class T>
boost::asio::awaitable<base::Result<T>> Workers::run(std::string order, Work<T> work) {
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(base::Result<T>)>(
      [this](auto handler, std::string by, Work<T> what) {
        auto job = std::make_unique<JobOf<T, decltype(handler)>>(std::move(handler), std::move(what));
        job->order = std::move(by);
        add(std::move(job));
      },
      boost::asio::use_awaitable, std::move(order), std::move(work));
}

}  // namespace signet::portal::store
