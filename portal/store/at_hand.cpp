#include "store/at_hand.hpp"

namespace signet::portal::store {

std::unique_ptr<Connection> AtHand::take() {
  {
    const std::scoped_lock lock(mutex_);
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  return std::make_unique<Connection>(database_, Connection::Use::at_hand);
}

void AtHand::give_back(std::unique_ptr<Connection> connection) {
  const std::scoped_lock lock(mutex_);
  idle_.push_back(std::move(connection));
}

}  // namespace signet::portal::store
