#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>

namespace signet::agent {

// Tells that tokens came or went, once all that belongs to it has happened; not while a batch runs, which finds out by itself and
// must not be held up, but when it has ended; and nothing where nobody listens: no token's software is loaded for nobody.
// One thread, that of the executor; must outlive what runs on it.
class TokenNews {
 public:
  struct List {
    bool present = false;  // of any token
    std::string text;
  };
  struct Ports {
    std::function<bool()> batch_runs;
    std::function<bool()> somebody_listens;
    std::function<boost::asio::awaitable<List>()> list;
    std::function<void(List)> tell;
  };

  TokenNews(boost::asio::any_io_executor executor, Ports ports);

  void may_have_changed();
  // No batch runs any more: what was held back is told.
  void batches_ended();
  // After it nothing is told.
  void stop() { stopping_ = true; }

 private:
  boost::asio::awaitable<void> tell();

  boost::asio::any_io_executor executor_;
  Ports ports_;
  std::optional<std::string> told_;
  bool changed_ = false, telling_ = false, stopping_ = false;
};

}  // namespace signet::agent
