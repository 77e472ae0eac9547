#include "agent/command/control_client.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "agent/configuration.hpp"
#include "agent/screen.hpp"

namespace signet::agent {

using base::ErrorCode;
using base::failure;
namespace json = boost::json;

namespace {

constexpr std::size_t longest_line = 8u << 20;

// An error as the wire has it; a code that this version does not know is taken for one of ours.
base::Error error_of(const json::object& from) {
  base::Error error;
  if (const auto* code = from.if_contains("code"); code != nullptr && code->is_string()) {
    for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i) {
      if (name(static_cast<ErrorCode>(i)) == std::string_view(code->get_string())) error.code = static_cast<ErrorCode>(i);
    }
  }
  if (const auto* message = from.if_contains("message"); message != nullptr && message->is_string())
    error.detail = message->get_string();
  if (const auto* tries = from.if_contains("tries_left"); tries != nullptr && tries->is_int64())
    error.tries_left = static_cast<unsigned>(tries->get_int64());
  return error;
}

}  // namespace

struct ControlClient::State {
  int socket = -1;
  std::string received;
  std::uint64_t next_id = 1;
  EventCallback on_event;

  ~State() {
    if (socket >= 0) ::close(socket);
  }

  base::Result<void> send(const std::string& line, int descriptor) {
    std::string_view left = line;
    while (!left.empty()) {
      iovec part{const_cast<char*>(left.data()), left.size()};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
      if (descriptor >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
      }
      const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return failure(ErrorCode::agent_not_running, "the connection was lost", static_cast<std::uint64_t>(errno));
      descriptor = -1;
      left.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
  }

  base::Result<json::object> receive() {
    std::size_t searched = 0;
    for (;;) {
      if (const std::size_t end = received.find('\n', searched); end != std::string::npos) {
        boost::system::error_code error;
        json::value value = json::parse(std::string_view(received).substr(0, end), error);
        received.erase(0, end + 1);
        if (error || !value.is_object()) return failure(ErrorCode::message_invalid, "the agent's answer is not JSON");
        return std::move(value.get_object());
      }
      searched = received.size();
      if (received.size() > longest_line) return failure(ErrorCode::message_too_large, "the agent's answer");
      char buffer[65'536];
      const ssize_t size = ::recv(socket, buffer, sizeof buffer, 0);
      if (size < 0 && errno == EINTR) return failure(ErrorCode::user_cancelled, "interrupted");
      if (size <= 0) return failure(ErrorCode::agent_not_running, "the connection was lost");
      received.append(buffer, static_cast<std::size_t>(size));
    }
  }

  void tell(const json::object& message) {
    const auto* const event = message.if_contains("event");
    const auto* const params = message.if_contains("params");
    if (on_event && event != nullptr && event->is_string() && params != nullptr && params->is_object())
      on_event(std::string_view(event->get_string()), params->get_object());
  }
};

ControlClient::ControlClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
ControlClient::ControlClient(ControlClient&&) noexcept = default;
ControlClient& ControlClient::operator=(ControlClient&&) noexcept = default;
ControlClient::~ControlClient() = default;

std::filesystem::path control_socket_path(const std::filesystem::path& configured) {
  return configured.empty() ? runtime_folder() / "control.sock" : configured;
}

base::Result<ControlClient> ControlClient::connect(const std::filesystem::path& path) {
  auto state = std::make_unique<State>();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.string().size() >= sizeof address.sun_path)
    return failure(ErrorCode::configuration_invalid, "control_socket: the path is too long");
  std::strcpy(address.sun_path, path.c_str());
  state->socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (state->socket < 0 || ::connect(state->socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return failure(ErrorCode::agent_not_running, path.string(), static_cast<std::uint64_t>(errno));
  ControlClient client(std::move(state));
  auto hello = client.call("hello", {{"protocol", 1}, {"client", "signet"}});
  if (!hello) return base::failure_of(hello);
  json::object screen;
  for (const char* name : screen_variables) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') screen[name] = value;
  }
  if (!screen.contains("GPG_TTY")) {
    if (const char* terminal = ::isatty(0) == 1 ? ::ttyname(0) : nullptr) screen["GPG_TTY"] = terminal;
  }
  auto told = client.call("environment", std::move(screen));
  if (!told) return base::failure_of(told);
  return client;
}

void ControlClient::on_event(EventCallback callback) { state_->on_event = std::move(callback); }

base::Result<json::object> ControlClient::call(std::string_view method, json::object params, int descriptor) {
  const std::uint64_t id = state_->next_id++;
  const std::string line = json::serialize(json::object{{"id", id}, {"method", method}, {"params", std::move(params)}}) + "\n";
  if (auto sent = state_->send(line, descriptor); !sent) return base::failure_of(sent);
  for (;;) {
    auto message = state_->receive();
    if (!message) return message;
    const auto* const answered = message->if_contains("id");
    if (answered == nullptr) {
      state_->tell(*message);
      continue;
    }
    boost::system::error_code wrong;
    if (answered->to_number<std::uint64_t>(wrong) != id || wrong) continue;
    if (const auto* error = message->if_contains("error"); error != nullptr && error->is_object())
      return std::unexpected(error_of(error->get_object()));
    const auto* const result = message->if_contains("result");
    if (result == nullptr || !result->is_object()) return failure(ErrorCode::message_invalid, "the agent's answer has no result");
    return result->get_object();
  }
}

base::Result<void> ControlClient::wait_for_event() {
  auto message = state_->receive();
  if (!message) return base::failure_of(message);
  state_->tell(*message);
  return {};
}

}  // namespace signet::agent
