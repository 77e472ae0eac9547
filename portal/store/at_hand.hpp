#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "store/connection.hpp"

namespace signet::portal::store {

// Connections for what a calling thread reads by itself, of a database that answers from memory: SQLite. As many as read at the
// same time. Any thread.
class AtHand {
 public:
  explicit AtHand(Database database) : database_(std::move(database)) {}

  // Nothing where the database does not answer at once, or fails.
  template <class T, class Read>
  std::optional<T> read(const Read& read) {
    try {
      auto connection = take();
      std::optional<T> made(read(*connection));
      give_back(std::move(connection));
      return made;
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }

 private:
  std::unique_ptr<Connection> take();
  void give_back(std::unique_ptr<Connection> connection);

  const Database database_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace signet::portal::store
