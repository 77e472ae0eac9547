#pragma once

#include <sys/types.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>

#include "call_page.hpp"
#include "wire.hpp"

namespace signet::pkcs11 {

// One host process, its socket and the calls that wait for it. Replies come in the order of the calls, so only the first can
// be late: its time runs from when it became the first, anew with each sign of work. Ends in one of four ways, all through
// `finish`: asked to, too late, a frame that is none, or death. The last three are faults of its module. Kept alive by its own coroutines until the process is reaped;
// dropped with its executor, it kills and reaps.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  struct Reply {
    base::Result<base::Bytes> payload;
    std::vector<base::Bytes> signatures_so_far;  // also beside an error
    bool pin_presented = true;  // false: the host is gone, and the module was given no PIN since the call was made
  };

  static base::Result<std::shared_ptr<Connection>> spawn(boost::asio::any_io_executor executor, const HostOptions& options);
  Connection(boost::asio::any_io_executor executor, HostOptions options);
  ~Connection();
  Connection(const Connection&) = delete;  // owns a process
  Connection& operator=(const Connection&) = delete;

  // The payload of the reply. `load` waits for the host's first frame and sends nothing. What must not be cut is not: a host that
  // serves change_pin or unblock_pin is not killed in C_SetPIN or C_InitPIN, whatever happens and however long it takes; what
  // waits behind it waits. In all other functions it has the time of the call, as every host.
  static boost::asio::awaitable<Reply> call(std::shared_ptr<Connection> self, wire::Kind kind, base::Bytes payload,
                                            std::optional<base::Secret> pin, Clock::duration timeout, std::size_t signatures = 0);
  // Has the host log out and end, killing it if it takes too long. Pending calls fail now.
  void ask_to_end(base::Error reason);
  // Kills the host. Pending calls fail now, the first with `first`.
  void kill_now(base::Error first);
  void bad_frame(std::string_view what);
  // Until the process is gone.
  static boost::asio::awaitable<void> wait_for_end(std::shared_ptr<Connection> self);

  // A token was pulled: what the host is doing now shall be over soon, and for a while what it is asked to list; else it gives
  // token_removed and the host is killed, which is no fault. Nothing for a call that sets a PIN. `others_remain`: the host
  // serves other tokens, so that only a listing is cut short.
  void token_pulled(bool others_remain);
  // What its module calls the slots of the tokens that it showed last: a host that is late may have waited for their readers.
  void listed(std::vector<std::string> slots) { slots_ = std::move(slots); }
  bool alive() const { return !reason_; }
  int process_id() const { return process_id_; }
  std::string_view in_call() const;
  bool waits_for_events() const { return waits_for_events_; }
  const HostOptions& options() const { return options_; }
  const std::string& file() const { return file_; }
  void on_event(std::function<void(SlotEvent)> callback) { on_event_ = std::move(callback); }
  void on_end(std::function<void(base::Error)> callback);
  void forget_callbacks();

 private:
  struct Pending;
  struct Unmap {
    void operator()(const CallPage* page) const;
  };
  struct Outgoing {
    wire::HeaderBytes header;
    std::optional<base::Secret> pin;
    base::Bytes payload;
  };

  void start();
  static boost::asio::awaitable<void> read(std::shared_ptr<Connection> self);
  bool accept(const wire::Header& header, base::Bytes payload);
  bool accept_reply(const wire::Header& header, base::Bytes payload);
  void write_next();
  void watch_process();
  void reap();
  void kill_process();
  bool may_set_a_pin() const;
  bool sets_a_pin() const;
  bool may_be_killed();
  Clock::duration until_next_look() const;
  void let_go_on();
  void ended_itself();
  static boost::asio::awaitable<void> decide_why_late(std::shared_ptr<Connection> self);
  void abandon_first();
  void fault(const base::Error& error);
  std::string where() const;
  void first_pending_changed();
  void watch_time();
  bool first_is_listing() const;
  void hurry(Clock::duration time);
  void fail_pending(const base::Error& first, const base::Error& others);
  void finish();
  std::string how_it_ended() const;
  base::Error died(std::string detail) const;

  HostOptions options_;
  std::string file_;  // what the module's path led to
  std::vector<std::string> slots_;
  boost::asio::local::stream_protocol::socket socket_;
  boost::asio::posix::stream_descriptor process_;  // pidfd
  boost::asio::steady_timer time_, grace_, guard_, reaped_signal_, gone_signal_;
  pid_t process_id_ = 0;
  std::unique_ptr<const CallPage, Unmap> page_;
  std::optional<std::string> exit_;  // once reaped
  std::deque<std::shared_ptr<Pending>> pending_;
  std::deque<Outgoing> outgoing_;
  std::uint32_t next_request_ = 0;
  Clock::time_point deadline_{};
  bool watching_time_ = false;
  bool writing_ = false;
  bool waits_for_events_ = true;
  bool gone_ = false;
  bool faulty_ = false;
  bool pulled_ = false;  // the first call's time was cut short by hurry()
  bool others_remain_ = false;
  Clock::time_point lists_hurried_until_{};
  std::optional<base::Error> late_;  // the first call's time is over: why is being found out
  // A call that may set a PIN and that nobody waits for any more; the host is at it until it has answered.
  std::optional<std::uint32_t> abandoned_request_;
  bool kill_when_over_ = false;  // it is looked at again and again, and killed once it sets no PIN
  bool stopped_ = false;         // by SIGSTOP
  std::optional<base::Error> reason_;  // why no more calls are taken
  std::function<void(SlotEvent)> on_event_;
  std::function<void(base::Error)> on_end_;
};

}  // namespace signet::pkcs11
