#pragma once

#include "signing/batch.hpp"
#include "web_bridge/channel.hpp"
#include "web_bridge/control_ports.hpp"
#include "web_bridge/limits.hpp"

// Start here: the native protocol (docs/PROTOCOL.md), whatever carries it. A thin adapter: JSON here, decisions in signing/.
namespace signet::web_bridge {

// Who is at the other end of a connection. The command line has methods of its own besides.
struct Caller {
  signing::Origin origin;
  std::uint32_t user = 0;
};

// For the log: `refused` (code, origin, host, user), `connected`, `disconnected` (origin), `request_failed` (an exception;
// method, detail) and those of net::HttpServer. Values are untrusted.
using EventFields = std::vector<std::pair<std::string_view, std::string>>;
using EventCallback = std::function<void(std::string_view event, const EventFields& fields)>;

struct NativeOptions {
  std::string version;
  enum class TimeStamps : std::uint8_t { none, configured } time_stamps = TimeStamps::none;
  NativeLimits limits;
  EventCallback on_event;
  // The language that a page named in `hello`: "ro", "ru" or "en".
  std::function<void(const signing::Origin&, std::string_view language)> on_language;
};

// All connections of all transports: they share which of them gets a batch's events (the newest that asked). One thread.
// `batches` must outlive all requests: stop the servers first, then the batches.
class NativeFace {
 public:
  NativeFace(boost::asio::any_io_executor executor, signing::Batches& batches, ControlPorts control, NativeOptions options);
  ~NativeFace();
  NativeFace(const NativeFace&) = delete;  // connections refer to it
  NativeFace& operator=(const NativeFace&) = delete;

  // A place for one more connection, held until the last copy goes; too_many. Pages do not use up the command line's.
  using Place = std::shared_ptr<const void>;
  base::Result<Place> admit(const signing::Origin& origin);
  // Serves one connection until it ends. Requests that wait for a person go on without it; their batches are kept.
  boost::asio::awaitable<void> serve(std::shared_ptr<Channel> channel, Caller caller, Place place);

  const NativeLimits& limits() const;
  std::size_t connections() const;  // of pages and of the command line
  // A token came or went (docs/PROTOCOL.md, "tokens.changed"). Pages are told whether there is any, commands that watch get
  // `tokens`, the JSON of ControlPorts::tokens. A connection that does not read gets the newest alone.
  void tokens_changed(bool present, std::string tokens) const;
  void event(std::string_view name, const EventFields& fields) const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace signet::web_bridge
