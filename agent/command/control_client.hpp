#pragma once

#include <boost/json/object.hpp>

#include <filesystem>
#include <functional>
#include <memory>

#include "base/result.hpp"

namespace signet::agent {

// The command line's end of the control socket (docs/PROTOCOL.md): requests and answers one after another, events in between.
// Blocking; one thread.
class ControlClient {
 public:
  using EventCallback = std::function<void(std::string_view event, const boost::json::object& params)>;

  // agent_not_running if nobody listens. Says hello and tells the agent where dialogs go.
  static base::Result<ControlClient> connect(const std::filesystem::path& socket);
  ControlClient(ControlClient&&) noexcept;
  ControlClient& operator=(ControlClient&&) noexcept;
  ~ControlClient();

  void on_event(EventCallback callback);
  // The result, or the agent's error. `descriptor` is passed along with the message (SCM_RIGHTS).
  base::Result<boost::json::object> call(std::string_view method, boost::json::object params, int descriptor = -1);
  // Waits for one event and tells it. agent_not_running when the connection ends, user_cancelled when a signal came.
  base::Result<void> wait_for_event();

 private:
  struct State;
  explicit ControlClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The socket that the configuration, or the default, names.
std::filesystem::path control_socket_path(const std::filesystem::path& configured);

}  // namespace signet::agent
