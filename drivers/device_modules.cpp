#include "drivers/device_modules.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

#include "drivers/device_watch.hpp"
#include "service/kept_texts.hpp"
#include "service/worker.hpp"

namespace signet::drivers {

namespace asio = boost::asio;
using asio::awaitable;
using Clock = std::chrono::steady_clock;

namespace {

// A token that is plugged in is a USB device, then a reader, then a card: within this time they are one change.
constexpr auto gather = std::chrono::milliseconds(50);
constexpr auto settled_within = std::chrono::seconds(2);
// The host of a module whose device has gone is kept for a person who pulls a token out and plugs it in again.
constexpr auto kept_without_device = std::chrono::seconds(30);
constexpr std::size_t most_probed = 24;
constexpr std::size_t most_remembered = 200;
constexpr std::size_t most_fruitless = 64;
constexpr std::size_t slot_description = 64;  // CK_SLOT_INFO

Remembered remembered_of(const service::KeptTexts& texts) {
  Remembered out;
  for (const auto& [atr, path] : texts.all()) out.emplace(atr, path);
  return out;
}

pkcs11::ModuleOptions options_of(const Candidate& candidate) {
  pkcs11::ModuleOptions options;
  options.name = candidate.name;
  options.path = candidate.path.string();
  options.quirks = candidate.quirks.count();
  return options;
}

std::vector<pkcs11::Mechanism> mechanisms_of(const Quirks& quirks) {
  std::vector<pkcs11::Mechanism> out;
  for (const std::string& name : quirks.mechanisms)
    out.push_back(name == "CKM_RSA_PKCS"       ? pkcs11::Mechanism::rsa_pkcs
                  : name == "CKM_RSA_PKCS_PSS" ? pkcs11::Mechanism::rsa_pkcs_pss
                                               : pkcs11::Mechanism::ecdsa);
  return out;
}

// Nothing where it is not known.
std::optional<pkcs11::UnblockWay> way_of(Unblock unblock) {
  switch (unblock) {
    case Unblock::so_pin:
      return pkcs11::UnblockWay::so_pin;
    case Unblock::puk:
      return pkcs11::UnblockWay::puk;
    case Unblock::vendor_tool:
      return pkcs11::UnblockWay::vendor_tool;
    case Unblock::unknown:
      break;
  }
  return std::nullopt;
}

}  // namespace

bool in_reader(const pkcs11::Token& token, const Reader& reader) {
  return !token.slot.empty() && (token.slot == reader.name || token.slot == reader.name.substr(0, slot_description) ||
                                 (token.slot.size() > 8 && reader.name.starts_with(token.slot)));
}

class DeviceModules::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(asio::any_io_executor executor, pkcs11::Modules& modules, DeviceModulesOptions options)
      : executor_(std::move(executor)),
        modules_(modules),
        options_(std::move(options)),
        configured_(modules.options().size()),
        remembered_(options_.remembered, most_remembered, [](const std::string& path) { return path.starts_with('/'); }),
        woken_(executor_, Clock::time_point::max()),
        served_(executor_, Clock::time_point::max()) {
    auto read = read_catalogue(options_.catalogue_folders);
    catalogue_ = std::make_shared<const Catalogue>([&] {
      for (const Family& family : options_.families) read.catalogue.put(family);
      return std::move(read.catalogue);
    }());
    catalogue_problems_ = std::move(read.problems);
  }

  void start() {
    if (!options_.automatic || watch_) return;
    running_ = true;
    watch_ = std::make_unique<DeviceWatch>([weak = weak_from_this(), executor = executor_](const DeviceChange& change) {
      asio::post(executor, [weak, change] {
        if (const auto self = weak.lock()) self->changed(change);
      });
    });
    // However it ends, also by an exception of the disk's: nobody waits for it any more.
    asio::co_spawn(
        executor_, [self = shared_from_this()] { return self->run(); },
        [self = shared_from_this()](std::exception_ptr) {
          self->running_ = self->unsettled_ = self->dirty_ = false;
          self->served_.cancel();
        });
  }

  awaitable<void> stop() {
    const auto self = shared_from_this();
    stopping_ = true;
    watch_.reset();
    woken_.cancel();
    boost::system::error_code ignored;
    while (running_) co_await served_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    disk_.join();
  }

  void let_go() {
    stopping_ = true;
    watch_.reset();
    on_change_ = {};
    woken_.cancel();
  }

  awaitable<void> settled() {
    const auto self = shared_from_this();
    if (!watch_) co_return;
    const auto until = Clock::now() + settled_within;
    boost::system::error_code ignored;
    asio::steady_timer limit(executor_, until);
    limit.async_wait([self](boost::system::error_code error) {
      if (!error) self->served_.cancel();
    });
    while (!stopping_ && !probing_ && unsettled_ && Clock::now() < until)
      co_await served_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  bool automatic() const { return options_.automatic; }
  const std::vector<ServedDevice>& devices() const { return devices_; }
  const Catalogue& catalogue() const { return *catalogue_; }

  std::vector<base::Error> problems() const {
    std::vector<base::Error> all = catalogue_problems_;
    all.insert(all.end(), registry_problems_.begin(), registry_problems_.end());
    if (latest_.usb_problem) all.push_back(*latest_.usb_problem);
    if (latest_.pcsc_problem) all.push_back(*latest_.pcsc_problem);
    return all;
  }

  std::optional<base::Error> pcsc_problem() const { return latest_.pcsc_problem; }

  void know_better(std::size_t module, pkcs11::Token& token) const {
    if (const Quirks* const quirks = quirks_of(module, token)) {
      token.unblock = way_of(quirks->unblock);
      token.vendor_tool = quirks->vendor_tool;
      token.quirks = {.mechanisms = mechanisms_of(*quirks),
                      .always_authenticate = quirks->always_authenticate,
                      .pin_min = quirks->pin_min.value_or(0),
                      .pin_max = quirks->pin_max.value_or(0)};
    }
  }

  void on_change(std::function<void()> callback) { on_change_ = std::move(callback); }

 private:
  struct Found {
    std::vector<ServedDevice> devices;
    std::vector<Candidate> configured;
    std::vector<base::Error> problems;
  };

  static bool is_pull(const DeviceEvent& event) {
    using enum DeviceEvent::What;
    return event.what == usb_left || event.what == reader_left || event.what == card_removed || event.what == pcsc_lost;
  }

  static bool is_arrival(const DeviceEvent& event) {
    using enum DeviceEvent::What;
    return event.what == usb_arrived || event.what == reader_arrived || event.what == card_inserted || event.what == pcsc_found;
  }

  // A card in a reader, as long as it stays there.
  static std::string place_of(const Reader& reader) {
    return base::hex(reader.atr) + ' ' + std::to_string(reader.changes) + ' ' + reader.name;
  }

  // A device, as long as it stays plugged in, and its card in it.
  static std::string identity(const Device& device) {
    std::string text;
    if (device.usb)
      text +=
          std::to_string(device.usb->address.bus) + ' ' + std::to_string(device.usb->address.address) + ' ' + device.usb->port;
    if (device.reader) text += ' ' + std::to_string(device.reader->changes) + ' ' + device.reader->name;
    return text;
  }

  // One module may serve tokens of several families, which are not alike.
  const Quirks* quirks_of(std::size_t module, const pkcs11::Token& token) const {
    const auto is_served = [&](const ServedDevice& served) {
      return served.module == module && served.choice.chosen() != nullptr;
    };
    for (const ServedDevice& served : devices_)
      if (is_served(served) && served.device.reader && in_reader(token, *served.device.reader))
        return &served.choice.chosen()->quirks;
    // A module that does not name readers: which of its devices this is shows where there is but one.
    const bool named = std::ranges::any_of(latest_.readers, [&](const Reader& reader) { return in_reader(token, reader); });
    if (!named && std::ranges::count_if(devices_, is_served) == 1)
      return &std::ranges::find_if(devices_, is_served)->choice.chosen()->quirks;
    const auto known = quirks_.find(module);
    return known == quirks_.end() ? nullptr : &known->second;
  }

  void changed(const DeviceChange& change) {
    if (stopping_) return;
    // A card that nothing knew may be known now: it was put in anew, or its reader is not another program's alone any more.
    const bool let_go = std::ranges::any_of(latest_.readers, [&](const Reader& before) {
      const auto now = std::ranges::find(change.now.readers, before.name, &Reader::name);
      return before.use == Reader::Use::exclusive && (now == change.now.readers.end() || now->use != Reader::Use::exclusive);
    });
    if (let_go || std::ranges::any_of(change.events, is_arrival)) fruitless_.clear();
    for (const DeviceEvent& event : change.events)
      if (event.what == DeviceEvent::What::card_removed) probed_.erase(place_of(*event.reader));
    latest_ = change.now;
    if (std::ranges::any_of(change.events, is_pull)) pulled(change.events);
    dirty_ = true;
    for (const DeviceEvent& event : change.events) {
      using enum DeviceEvent::What;
      // What our own hosts do with a card is a change too, and no reason for anybody to wait.
      came_or_went_ = came_or_went_ || event.what != card_changed;
    }
    unsettled_ = unsettled_ || came_or_went_;
    woken_.cancel();
  }

  // At once, by what is known of devices until now: a module that hangs over its token holds up everybody who asks.
  void pulled(const std::vector<DeviceEvent>& events) {
    const auto there = joined(latest_);
    std::set<std::size_t> lost, remain;
    for (const ServedDevice& device : devices_) {
      const bool still = std::ranges::any_of(there, [&](const Device& one) {
        return device.device.reader ? one.reader && place_of(*one.reader) == place_of(*device.device.reader)
                                    : one.usb && device.device.usb && one.usb->address == device.device.usb->address;
      });
      if (device.module) (still ? remain : lost).insert(*device.module);
    }
    // A configured module may serve a card that the catalogue does not know. Whatever else left USB is nothing to it: its person
    // may be typing at a PIN pad.
    const bool card_went = std::ranges::any_of(
        events, [](const DeviceEvent& event) { return is_pull(event) && event.what != DeviceEvent::What::usb_left; });
    const bool any_card = std::ranges::any_of(latest_.readers, &Reader::has_card);
    for (std::size_t module = 0; module < configured_; ++module)
      if (!lost.contains(module) && !remain.contains(module) && !modules_.options()[module].network)
        (any_card || !card_went ? remain : lost).insert(module);
    for (const std::size_t module : lost) modules_.token_pulled(module, remain.contains(module));
  }

  awaitable<void> run() {
    const auto self = shared_from_this();
    boost::system::error_code ignored;
    while (!stopping_) {
      if (!dirty_) {
        woken_.expires_at(next_end());
        co_await woken_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        if (stopping_) break;
        co_await end_unwanted();
        continue;
      }
      asio::steady_timer gathering(executor_, gather);
      co_await gathering.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      dirty_ = false;
      const bool came_or_went = std::exchange(came_or_went_, false);
      Found found = co_await look();
      if (stopping_) break;
      const auto before = summary();
      take(std::move(found));
      unsettled_ = came_or_went_;
      served_.cancel();
      if (came_or_went) modules_.look_again();
      // Our own hosts use cards, which is a change too: told is what somebody would want to look at.
      if (on_change_ && (came_or_went || summary() != before)) on_change_();
      co_await probe_unknown();
    }
  }

  std::vector<std::tuple<std::string, Outcome, std::optional<std::size_t>>> summary() const {
    std::vector<std::tuple<std::string, Outcome, std::optional<std::size_t>>> out;
    for (const ServedDevice& device : devices_)
      out.emplace_back(device.device.reader ? place_of(*device.device.reader) : device.device.usb->port, device.choice.outcome,
                       device.module);
    return out;
  }

  // Reads the disk: what is installed may have changed since the last time.
  awaitable<Found> look() {
    return service::on_worker(
        disk_, [catalogue = catalogue_, devices = latest_, configuration = options_.configuration, places = options_.registry,
                program = options_.program, remembered = remembered_of(remembered_)] {
          Found found;
          Registry registry = read_registry(places, program);
          for (Device& device : joined(devices)) {
            ServedDevice served{.device = std::move(device), .choice = {}, .module = {}};
            served.choice = choose(served.device, *catalogue, registry, configuration, remembered);
            if (served.choice.outcome != Outcome::no_token) found.devices.push_back(std::move(served));
          }
          found.configured = drivers::configured(*catalogue, configuration);
          found.problems = std::move(registry.problems);
          return found;
        });
  }

  void take(Found found) {
    std::set<std::string> known;
    for (const ServedDevice& device : devices_) known.insert(identity(device.device));
    devices_ = std::move(found.devices);
    registry_problems_ = std::move(found.problems);
    std::set<std::size_t> wanted;
    for (std::size_t i = 0; i < std::min(configured_, found.configured.size()); ++i) quirks_[i] = found.configured[i].quirks;
    for (ServedDevice& device : devices_) {
      if (device.device.reader) {
        device.fruitless = fruitless_.contains(place_of(*device.device.reader));
        if (probed_.contains(place_of(*device.device.reader)))
          for (Candidate& candidate : device.choice.candidates)
            if (candidate.because == Because::remembered) candidate.because = Because::probed;
      }
      if (const Candidate* const chosen = device.choice.chosen()) {
        device.module = index_of(*chosen);
        wanted.insert(*device.module);
        // One that was given up over its faults is tried again for a device that was plugged in anew.
        if (!known.contains(identity(device.device))) modules_.forgive(*device.module);
      }
    }
    for (std::size_t module = configured_; module < modules_.options().size(); ++module) {
      const bool is_wanted = wanted.contains(module);
      modules_.want(module, is_wanted);
      if (is_wanted) {
        unwanted_since_.erase(module);
      } else {
        unwanted_since_.try_emplace(module, Clock::now());
      }
    }
  }

  std::size_t index_of(const Candidate& candidate) {
    // A configured module is there already, by the path that was written, which may be a symbolic link to this one.
    for (std::size_t i = 0; i < configured_; ++i) {
      std::error_code ignored;
      if (std::filesystem::equivalent(modules_.options()[i].path, candidate.path, ignored)) return i;
    }
    return modules_.add(options_of(candidate));
  }

  Clock::time_point next_end() const {
    auto next = Clock::time_point::max();
    for (const auto& [module, since] : unwanted_since_) next = std::min(next, since + kept_without_device);
    return next;
  }

  awaitable<void> end_unwanted() {
    std::vector<std::size_t> over;
    for (const auto& [module, since] : unwanted_since_)
      if (Clock::now() >= since + kept_without_device) over.push_back(module);
    for (const std::size_t module : over) {
      unwanted_since_.erase(module);
      co_await modules_.end_host(module);
    }
  }

  // One card after another, as long as it stays where it is.
  awaitable<void> probe_unknown() {
    for (;;) {
      const auto unknown = std::ranges::find_if(devices_, [](const ServedDevice& device) {
        return device.choice.outcome == Outcome::probe && !device.fruitless && device.device.reader.has_value();
      });
      if (unknown == devices_.end() || stopping_ || dirty_) co_return;
      unknown->probing = true;
      const ServedDevice device = *unknown;
      probing_ = true;
      const auto path = co_await probe(device);
      probing_ = false;
      if (stopping_) co_return;
      if (path) {
        remembered_.keep(base::hex(device.device.reader->atr), path->string());
        if (probed_.size() >= most_fruitless) probed_.clear();
        probed_.insert(place_of(*device.device.reader));
        dirty_ = unsettled_ = true;  // the choice is made anew, by what is remembered
        co_return;
      }
      if (dirty_) co_return;
      if (fruitless_.size() >= most_fruitless) fruitless_.clear();
      fruitless_.insert(place_of(*device.device.reader));
      for (ServedDevice& one : devices_) {
        if (!one.device.reader || place_of(*one.device.reader) != place_of(*device.device.reader)) continue;
        one.probing = false;
        one.fruitless = true;
      }
      if (on_change_) on_change_();
    }
  }

  bool shows(const std::vector<pkcs11::Token>& tokens, const Reader& reader) const {
    if (std::ranges::any_of(tokens, [&](const pkcs11::Token& token) { return in_reader(token, reader); })) return true;
    // A module that does not name readers: it can only be this card if there is no other.
    const auto cards = std::ranges::count_if(latest_.readers, &Reader::has_card);
    const bool names_readers = std::ranges::any_of(tokens, [&](const pkcs11::Token& token) {
      return std::ranges::any_of(latest_.readers, [&](const Reader& one) { return in_reader(token, one); });
    });
    return !tokens.empty() && cards == 1 && !names_readers;
  }

  awaitable<std::optional<std::filesystem::path>> probe(ServedDevice device) {
    const Reader& reader = *device.device.reader;
    // What is loaded anyway may show it already.
    for (const pkcs11::TokenPlace& place : co_await modules_.tokens())
      if (in_reader(place.token, reader)) co_return modules_.options()[place.module].path;
    std::size_t tried = 0;
    for (const Candidate& candidate : device.choice.candidates) {
      if (candidate.verdict != Verdict::to_be_probed || ++tried > most_probed) continue;
      if (dirty_ || stopping_) co_return std::nullopt;
      const auto tokens = co_await modules_.probe(options_of(candidate));
      if (tokens && shows(*tokens, reader)) co_return candidate.path;
    }
    co_return std::nullopt;
  }

  asio::any_io_executor executor_;
  pkcs11::Modules& modules_;
  DeviceModulesOptions options_;
  std::size_t configured_;
  std::shared_ptr<const Catalogue> catalogue_;
  std::vector<base::Error> catalogue_problems_, registry_problems_;
  service::KeptTexts remembered_;
  asio::thread_pool disk_{1};
  asio::steady_timer woken_, served_;
  std::unique_ptr<DeviceWatch> watch_;
  Devices latest_;
  std::vector<ServedDevice> devices_;
  std::map<std::size_t, Quirks> quirks_;  // of configured modules, beside devices
  std::map<std::size_t, Clock::time_point> unwanted_since_;
  std::set<std::string> fruitless_, probed_;  // places of cards
  bool unsettled_ = true;                     // the choice does not hold for all that is plugged in
  bool dirty_ = false, came_or_went_ = false;
  bool probing_ = false;  // asks modules itself: nobody waits for it
  bool running_ = false, stopping_ = false;
  std::function<void()> on_change_;
};

DeviceModules::DeviceModules(asio::any_io_executor executor, pkcs11::Modules& modules, DeviceModulesOptions options)
    : implementation_(std::make_shared<Implementation>(std::move(executor), modules, std::move(options))) {}
DeviceModules::~DeviceModules() { implementation_->let_go(); }

void DeviceModules::start() { implementation_->start(); }
awaitable<void> DeviceModules::stop() { return implementation_->stop(); }
awaitable<void> DeviceModules::settled() { return implementation_->settled(); }
bool DeviceModules::automatic() const { return implementation_->automatic(); }
const std::vector<ServedDevice>& DeviceModules::devices() const { return implementation_->devices(); }
const Catalogue& DeviceModules::catalogue() const { return implementation_->catalogue(); }
std::vector<base::Error> DeviceModules::problems() const { return implementation_->problems(); }
std::optional<base::Error> DeviceModules::pcsc_problem() const { return implementation_->pcsc_problem(); }
void DeviceModules::know_better(std::size_t module, pkcs11::Token& token) const { implementation_->know_better(module, token); }
void DeviceModules::on_change(std::function<void()> callback) { implementation_->on_change(std::move(callback)); }

}  // namespace signet::drivers
