#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../unit/net/running.hpp"
#include "portal/store.hpp"

namespace signet::test {

// A database of one test's own: a file, or a schema in the PostgreSQL that the environment names (with_postgresql.sh).
class TestDatabase {
 public:
  TestDatabase();
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;  // owns a folder or a schema

  static bool is_postgresql();
  const std::string& name() const { return name_; }  // as StoreOptions wants it
  std::string file() const { return name_.substr(name_.find(':') + 1); }
  std::unique_ptr<portal::Store> open() const;
  // Past the store.
  void run(const std::string& sql) const;
  std::vector<std::string> texts(const std::string& sql) const;  // the first column
  long long number(const std::string& sql) const;
  // While it lives nobody else can write.
  class Locked {
   public:
    virtual ~Locked() = default;
    virtual void end() = 0;
  };
  std::unique_ptr<Locked> locked() const;

 private:
  std::string folder_, schema_, name_;
};

inline base::Time at(long long second) { return base::Time(std::chrono::seconds(second)); }

portal::NewRequest new_request(std::uint32_t contents = 1);  // posted at 1000, expires at 2000
portal::StoredResult result_of(std::uint32_t number, const std::string& signature = "<Signature/>");

// A store, and a thread that its answers come to.
struct OpenStore {
  TestDatabase database;
  RunningContext context;
  std::unique_ptr<portal::Store> store = database.open();

  OpenStore() { context.start(); }
  ~OpenStore() {
    store.reset();
    context.join();
  }
  template <class T>
  T answer(boost::asio::awaitable<base::Result<T>> call) {
    auto result = context.await(std::move(call));
    if (!result) throw std::runtime_error(std::string(base::name(result.error().code)) + ": " + result.error().detail);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }
  template <class T>
  std::optional<base::Error> error(boost::asio::awaitable<base::Result<T>> call) {
    auto result = context.await(std::move(call));
    if (result) return std::nullopt;
    return std::move(result.error());
  }
  // All at once, whatever they give.
  template <class T>
  std::vector<base::Result<T>> together(std::vector<boost::asio::awaitable<base::Result<T>>> calls) {
    std::vector<std::future<base::Result<T>>> futures;
    for (auto& call : calls) futures.push_back(boost::asio::co_spawn(context.io(), std::move(call), boost::asio::use_future));
    std::vector<base::Result<T>> results;
    for (auto& future : futures) results.push_back(future.get());
    return results;
  }
};

}  // namespace signet::test
