#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "signing/certificates.hpp"
#include "signing/pin_management.hpp"

namespace signet::web_bridge {

// What the control methods ask of the agent, which fills it in. Texts are JSON: the whole `result` of the answer. A method
// whose port is empty is method_unknown. Called on the thread.
struct ControlPorts {
  using Variables = std::vector<std::pair<std::string, std::string>>;

  std::function<boost::asio::awaitable<base::Result<std::string>>()> status;
  std::function<boost::asio::awaitable<base::Result<std::string>>()> tokens;
  std::function<boost::asio::awaitable<base::Result<std::string>>()> tokens_explain;
  std::function<boost::asio::awaitable<base::Result<std::vector<signing::SigningCertificate>>>()> certificates;
  // Where dialogs may go, as this connection knows it; with no variables when the connection ended. Only the seven names of
  // docs/PROTOCOL.md, values without control characters.
  std::function<void(std::uint64_t connection, Variables variables)> environment;
  std::function<boost::asio::awaitable<base::Result<void>>()> lock;
  // Starts a module anew, by its name; parameter_invalid if there is none of this name.
  std::function<boost::asio::awaitable<base::Result<void>>(std::string module)> restart;
  // `asker` is this connection, for signing::Dialog::close when it ends.
  using SetPin = std::function<boost::asio::awaitable<base::Result<std::string>>(
      signing::Asker asker, std::string token, std::optional<signing::GivenPins> given, signing::Dialog::WaitingCallback waiting)>;
  SetPin pin_change;
  SetPin pin_unblock;
  std::function<base::Result<std::string>()> origins;
  std::function<base::Result<std::string>()> journal;
};

}  // namespace signet::web_bridge
