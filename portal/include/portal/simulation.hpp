#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "portal/store.hpp"

namespace signet::portal {

// What a call of a page's script, or of an integrator's test, is answered with: JSON with its HTTP status.
struct PageReply {
  unsigned status = 200;
  boost::json::object body = {};
};

// A signature made by the portal itself.
struct SandboxWish {
  std::string idnp;
  base::Digest digest;
  std::string name;  // of what is signed
};

// Plays people with tokens and phones, in a sandbox: an outcome at once or late, and a phone that is told what to answer. What is
// under way is kept in this process only. One thread; outlives what it waits for.
class Simulation {
 public:
  struct Ports {
    Store* store = nullptr;
    std::function<base::Time()> now;
    std::function<boost::asio::awaitable<base::Result<std::vector<std::string>>>(std::vector<SandboxWish> wishes)> sign;
    // Judges and saves signatures by number as those of a page.
    std::function<boost::asio::awaitable<PageReply>(Claim claim, std::vector<std::pair<std::uint32_t, std::string>> signatures)>
        save;
  };
  explicit Simulation(Ports ports) : ports_(std::move(ports)) {}

  enum class Action : std::uint8_t { sign, fail, cancel, expire };
  static std::optional<Action> action(std::string_view name);
  struct Play {
    std::string request_id, key, instrument;
    Action action = Action::sign;
    std::string idnp;    // of who signs; empty: the expected signer, else one of the sandbox's own
    std::string reason;  // of `fail`; empty: token_failed
    std::chrono::milliseconds delay{0};

    bool operator==(const Play&) const = default;
  };
  static constexpr std::chrono::milliseconds longest_delay{600'000};

  // What refuses it; nothing: it was done, or will be after the delay. Until then the same caller may ask for exactly the same
  // again, and all else that he asks of this request, here and below, is refused as `held` and changes nothing.
  boost::asio::awaitable<std::optional<PageReply>> play(Play play);
  // Rings a phone, for two minutes. Answers its code; the same page may ask again.
  boost::asio::awaitable<PageReply> call(std::string request_id, std::string key, std::string instrument, std::string msisdn);
  enum class PhoneAnswer : std::uint8_t { confirm, refuse };
  // As of play(). `key`: of the page that called; absent: whoever did.
  boost::asio::awaitable<std::optional<PageReply>> answer(std::string request_id, std::optional<std::string> key,
                                                          PhoneAnswer answer, std::string idnp);

  struct Phone {
    std::string key, instrument, msisdn, code;
    base::Time until{};
  };
  // What of a request that waits is not in the store.
  struct State {
    std::string reason;  // why the last try failed; it can be tried again
    std::optional<Phone> phone;
  };
  State state(const std::string& request_id);

 private:
  // An outcome that is under way.
  struct Late {
    Play play;
    boost::asio::steady_timer timer;
  };
  struct Played {
    State state;
    std::shared_ptr<Late> late;  // one of a request
    base::Time last{};

    void begin_anew();
  };

  bool has_room(const std::string& request_id);
  Played* played(const std::string& request_id);
  std::shared_ptr<Late> late_of(const std::string& request_id) const;
  std::shared_ptr<Late> late_of(const std::string& request_id, const std::string& key) const;
  boost::asio::awaitable<std::optional<PageReply>> done(Play play);
  boost::asio::awaitable<std::optional<PageReply>> sign(Play play);
  boost::asio::awaitable<void> later(Play play, std::shared_ptr<Late> late);
  void failed(const std::string& request_id, const PageReply& reply);
  Claim claim(const std::string& request_id, const std::string& key, std::chrono::seconds lasts) const;

  Ports ports_;
  std::map<std::string, Played> played_;
};

}  // namespace signet::portal
