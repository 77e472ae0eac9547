#include "agent/daemon.hpp"

#include <pwd.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>

#include "agent/explained.hpp"
#include "agent/logind.hpp"
#include "agent/page_languages.hpp"
#include "agent/pinentry_dialog.hpp"
#include "agent/screen.hpp"
#include "agent/token_news.hpp"
#include "base/text.hpp"
#include "service/event_log.hpp"
#include "service/kept_texts.hpp"
#include "service/time_stamps.hpp"
#include "signing/batch.hpp"
#include "signing/pin_management.hpp"
#include "web_bridge/control_server.hpp"
#include "web_bridge/native_server.hpp"

namespace signet::agent {

using service::EventLog;
using service::TimeStamps;

namespace asio = boost::asio;
namespace json = boost::json;
using asio::awaitable;
using base::ErrorCode;

namespace {

constexpr std::size_t most_remembered = 1'000;

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

std::filesystem::path token_host_program() {
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  const std::filesystem::path installed = folder.parent_path() / "libexec" / "signet" / "signet-token-host";
  return std::filesystem::exists(installed, ignored) ? installed : folder / "signet-token-host";
}

base::Result<std::vector<uid_t>> users(const std::vector<std::string>& names) {
  std::vector<uid_t> found;
  for (const std::string& name : names) {
    if (name.find_first_not_of("0123456789") == std::string::npos) {
      found.push_back(static_cast<uid_t>(std::stoul(name)));
    } else if (const passwd* entry = ::getpwnam(name.c_str())) {
      found.push_back(entry->pw_uid);
    } else {
      return base::failure(ErrorCode::configuration_invalid, "clients.users: there is no user \"" + base::shown(name, 40) + "\"");
    }
  }
  if (found.empty()) found.push_back(::getuid());
  return found;
}

// Sockets that systemd opened for us, by the names in the socket unit.
struct Inherited {
  std::vector<net::Descriptor> web;
  net::Descriptor control;
};

Inherited inherited_sockets() {
  Inherited inherited;
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    net::Descriptor descriptor(SD_LISTEN_FDS_START + i);
    if (std::string_view(names[i]) == "control") {
      inherited.control = std::move(descriptor);
    } else {
      inherited.web.push_back(std::move(descriptor));
    }
    std::free(names[i]);
  }
  std::free(names);
  return inherited;
}

// What is installed for all, what this machine adds, what the configuration names: later ones override.
std::vector<std::filesystem::path> catalogue_folders(const Configuration& configuration) {
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  std::vector<std::filesystem::path> out{program.parent_path().parent_path() / "share" / "signet" / "devices",
                                         "/etc/signet/devices"};
  out.insert(out.end(), configuration.devices.catalogue.begin(), configuration.devices.catalogue.end());
  return out;
}

drivers::DeviceModulesOptions device_options(const Configuration& configuration) {
  drivers::DeviceModulesOptions options;
  for (std::size_t i = 0; i < configuration.modules.size(); ++i)
    options.configuration.modules.push_back(
        {configuration.modules[i].name, configuration.modules[i].path, configuration.module_families[i]});
  options.configuration.trust = {configuration.devices.module_folders, ::getuid()};
  options.catalogue_folders = catalogue_folders(configuration);
  options.families = configuration.devices.families;
  const char* const home = std::getenv("HOME");
  options.registry = drivers::RegistryPlaces::of(home == nullptr ? "" : home);
  options.remembered = state_folder() / "cards";
  options.automatic = configuration.devices.automatic;
  return options;
}

std::string_view name(signing::PinScope scope) {
  return scope == signing::PinScope::off ? "off" : scope == signing::PinScope::batch ? "batch" : "session";
}

// The agent's parts, in the order in which they need one another.
class Daemon {
 public:
  Daemon(Configuration configuration, signing::Journal journal)
      : configuration_(std::move(configuration)),
        journal_path_(journal_path(configuration_)),
        journal_(std::move(journal)),
        remembered_(state_folder() / "certificates", most_remembered, [](const std::string& id) { return id.size() == 64; }),
        modules_(io_.get_executor(), {.program = token_host_program().string(), .module = {}}, configuration_.modules),
        devices_(io_.get_executor(), modules_, device_options(configuration_)),
        dialog_(
            io_.get_executor(), configuration_.dialog, [this] { return screen(); },
            // Whoever configured a language reads that one; a page does not choose it for them.
            [this](const signing::Origin& origin) {
              return configuration_.language.empty() ? page_languages_.of(origin) : std::string{};
            }),
        time_stamps_(configuration_.time_stamping),
        batches_(io_.get_executor(), signing_ports(), configuration_.pin_cache,
                 {.wait_for_page = configuration_.web.wait_for_page}),
        pins_(io_.get_executor(), {modules_, dialog_, journal_, batches_, now, [this] { return logind_->away(); }}),
        face_(io_.get_executor(), batches_, control_ports(), native_options()) {
    modules_.hook({.vet = [trust = device_options(configuration_).configuration.trust](
                              const std::string& path) -> base::Result<std::string> {
                     const auto vetted = drivers::trusted_module(path, trust);
                     if (!vetted) return std::unexpected(untrusted(vetted.error()));
                     return vetted->string();
                   },
                   .settled = [this] { return devices_.settled(); },
                   .know_better = [this](std::size_t module, pkcs11::Token& token) { devices_.know_better(module, token); },
                   .why_none = [this] { return why_no_token(devices_); }});
    // Not where a host ended: to list tokens would start it again, and a host that hangs would be started for ever.
    modules_.on_change([this](std::size_t, pkcs11::Modules::Change change) {
      if (change == pkcs11::Modules::Change::token) token_news_.may_have_changed();
    });
    devices_.on_change([this] { token_news_.may_have_changed(); });
  }

  static std::filesystem::path journal_path(const Configuration& configuration) {
    return configuration.journal.empty() ? state_folder() / "journal" : configuration.journal;
  }

  int run() {
    auto served = users(configuration_.client_users);
    if (!served) return failed(served.error());
    web_bridge::NativeServerOptions options;
    logind_.emplace(io_.get_executor(), *served, logind_ports());
    options.policy.users = std::move(*served);
    options.ports = configuration_.web.ports;
    for (const std::string& origin : configuration_.web.origins)
      options.policy.allowed.push_back(signing::Origin::parse(origin).value());
    Inherited inherited = inherited_sockets();
    options.inherited = std::move(inherited.web);
    web_.emplace(io_.get_executor(), face_, std::move(options));
    control_.emplace(io_.get_executor(), face_,
                     web_bridge::ControlServerOptions{configuration_.control_socket.empty() ? runtime_folder() / "control.sock"
                                                                                            : configuration_.control_socket,
                                                      std::move(inherited.control)});
    if (const auto started = control_->start(); !started) return failed(started.error());
    const auto port = web_->start();
    if (!port) return failed(port.error());
    port_ = *port;
    devices_.start();
    for (const base::Error& problem : devices_.problems()) spdlog::warn("devices reason=\"{}\"", problem.detail);
    spdlog::info("started version={} port={} modules={} origins={}", SIGNET_VERSION, port_, configuration_.modules.size(),
                 configuration_.web.origins.size());
    sd_notifyf(0, "READY=1\nSTATUS=Listening on 127.0.0.1:%u", static_cast<unsigned>(port_));
    keep_watchdog();
    logind_->start();
    asio::signal_set signals(io_, SIGINT, SIGTERM);
    signals.async_wait([this](boost::system::error_code error, int) {
      if (!error) asio::co_spawn(io_, stop(), [this](std::exception_ptr) { io_.stop(); });
    });
    io_.run();
    event_log_.tell_left_out(EventLog::Clock::time_point::max());
    spdlog::info("stopped");
    return 0;
  }

 private:
  // Nothing new is taken, the signature in flight is finished, PINs are wiped and tokens logged out, then connections end.
  awaitable<void> stop() {
    token_news_.stop();
    sd_notify(0, "STOPPING=1");
    web_->stop_accepting();
    control_->stop_accepting();
    co_await batches_.stop();
    co_await pins_.stop();
    co_await web_->stop();
    co_await control_->stop();
    co_await devices_.stop();
    co_await modules_.end_all();
  }

  static int failed(const base::Error& error) {
    spdlog::error("cannot start code={} reason=\"{}\"", base::name(error.code), error.detail);
    return 1;
  }

  void keep_watchdog() {
    std::uint64_t period_us = 0;
    if (sd_watchdog_enabled(0, &period_us) <= 0) return;
    watchdog_.expires_after(std::chrono::microseconds(period_us / 2));
    watchdog_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      sd_notify(0, "WATCHDOG=1");
      keep_watchdog();
    });
  }

  Screen screen() const {
    const std::lock_guard lock(screen_mutex_);
    return current_screen(told_screen_);
  }

  signing::SigningPorts signing_ports() {
    signing::SigningPorts ports{modules_, dialog_, journal_, now, {}, {}, {}, {}, {}};
    ports.time_stamp = [this](base::Digest imprint) { return time_stamps_.token(imprint); };
    ports.time_stamps_asked_anew = [this] { time_stamps_.ask_anew(); };
    ports.remembered_certificate = [this](const signing::Origin& origin) { return remembered_.of(origin.text()); };
    ports.remember_certificate = [this](const signing::Origin& origin, const std::string& id) {
      remembered_.keep(origin.text(), id);
    };
    ports.running_changed = [this](bool running) {
      spdlog::debug("signing running={}", running);
      if (running) told_lock_ = {};
      if (!running) token_news_.batches_ended();
      running ? logind_->keep_awake() : logind_->let_sleep();
    };
    ports.away = [this] { return logind_->away(); };
    ports.journal_head = [](std::string_view head) {
      sd_journal_send("MESSAGE=signetd journal head %.*s", static_cast<int>(head.size()), head.data(), "PRIORITY=6",
                      "SYSLOG_IDENTIFIER=signetd", "SIGNET_JOURNAL_HEAD=%.*s", static_cast<int>(head.size()), head.data(),
                      nullptr);
    };
    return ports;
  }

  // Told to pages and to commands that watch.
  TokenNews::Ports token_news_ports() {
    return {.batch_runs = [this] { return batches_.overview().running > 0; },
            .somebody_listens = [this] { return face_.connections() > 0; },
            .list = [this]() -> awaitable<TokenNews::List> {
              json::object now = listing(co_await modules_.tokens());
              co_return TokenNews::List{!now.at("tokens").as_array().empty(), json::serialize(now)};
            },
            .tell = [this](TokenNews::List now) { face_.tokens_changed(now.present, std::move(now.text)); }};
  }

  web_bridge::NativeOptions native_options() {
    web_bridge::NativeOptions options;
    options.version = SIGNET_VERSION;
    options.time_stamps = time_stamps_.configured() ? web_bridge::NativeOptions::TimeStamps::configured
                                                    : web_bridge::NativeOptions::TimeStamps::none;
    options.on_event = [this](std::string_view event, const web_bridge::EventFields& fields) {
      event_log_.event(event, fields, EventLog::Clock::now());
      if (!telling_left_out_) tell_left_out();
    };
    options.on_language = [this](const signing::Origin& origin, std::string_view language) {
      page_languages_.told(origin, language);
    };
    return options;
  }

  Logind::Ports logind_ports() {
    return {
        .locked =
            [this] {
              return lock("screen locked", {ErrorCode::screen_locked, "the screen was locked", 0, {}}, configuration_.on_lock);
            },
        .sleeping = [this] { return lock("going to sleep", {ErrorCode::machine_asleep, "the machine went to sleep", 0, {}}); },
        .shutting_down =
            [this] { return lock("shutting down", {ErrorCode::agent_not_running, "the machine is shutting down", 0, {}}); }};
  }

  // A screen may be locked a hundred times a day: worth a line where there is something to wipe, and only the first time.
  awaitable<void> lock(std::string_view why, base::Error reason, signing::OnLock running = signing::OnLock::pause) {
    const auto before = batches_.overview();
    const bool new_work = before.pins_kept + before.running > 0 && std::exchange(told_lock_, why) != why;
    spdlog::log(new_work ? spdlog::level::info : spdlog::level::debug, "{} pins={} running={}", why, before.pins_kept,
                before.running);
    pins_.lock(reason);
    const bool stays_awake = reason.code == ErrorCode::screen_locked;
    co_await batches_.lock(std::move(reason), running);
    // A token must not lose its power while it is given a PIN.
    if (!stays_awake) co_await pins_.idle();
  }

  static void write_event(EventLog::Severity severity, const std::string& line) {
    spdlog::log(severity == EventLog::Severity::warning ? spdlog::level::warn : spdlog::level::debug, "{}", line);
  }

  // Nobody may come any more: what was left out is told when its period is over.
  void tell_left_out() {
    const auto next = event_log_.tell_left_out(EventLog::Clock::now());
    telling_left_out_ = next.has_value();
    if (!next) return;
    left_out_.expires_at(*next);
    left_out_.async_wait([this](boost::system::error_code error) {
      if (!error) tell_left_out();
    });
  }

  web_bridge::ControlPorts control_ports() {
    web_bridge::ControlPorts ports;
    ports.status = [this] { return status(); };
    ports.tokens = [this] { return tokens(); };
    ports.tokens_explain = [this] { return explain_tokens(); };
    ports.certificates = [this] { return signing::list_certificates(modules_, now()); };
    ports.environment = [this](std::uint64_t, web_bridge::ControlPorts::Variables variables) {
      // What the last terminal told is kept when it is gone: the desktop that it named is still there.
      if (variables.empty()) return;
      const std::lock_guard lock(screen_mutex_);
      told_screen_ = accepted_screen({variables.begin(), variables.end()});
    };
    ports.lock = [this]() -> awaitable<base::Result<void>> {
      const base::Error reason{ErrorCode::user_cancelled, "locked by the command line", 0, {}};
      pins_.lock(reason);
      co_await batches_.lock(reason);
      spdlog::info("locked");
      co_return base::Result<void>{};
    };
    ports.restart = [this](std::string module) -> awaitable<base::Result<void>> {
      const auto found = std::ranges::find(modules_.options(), module, &pkcs11::ModuleOptions::name);
      if (found == modules_.options().end()) co_return base::failure(ErrorCode::parameter_invalid, "module: none has this name");
      co_await modules_.restart(static_cast<std::size_t>(found - modules_.options().begin()));
      spdlog::info("module restarted name=\"{}\"", base::shown(module, 64));
      co_return base::Result<void>{};
    };
    ports.pin_change = [this](signing::Asker asker, std::string token, std::optional<signing::GivenPins> given,
                              signing::Dialog::WaitingCallback waiting) {
      return pin_set("changed", pins_.change(std::move(asker), std::move(token), std::move(given), std::move(waiting)));
    };
    ports.pin_unblock = [this](signing::Asker asker, std::string token, std::optional<signing::GivenPins> given,
                               signing::Dialog::WaitingCallback waiting) {
      return pin_set("unblocked", pins_.unblock(std::move(asker), std::move(token), std::move(given), std::move(waiting)));
    };
    ports.origins = [this]() -> base::Result<std::string> {
      return json::serialize(
          json::object{{"origins", json::array(configuration_.web.origins.begin(), configuration_.web.origins.end())}});
    };
    ports.journal = [this]() -> base::Result<std::string> {
      return json::serialize(json::object{{"path", journal_path_.string()}, {"head", journal_.head()}});
    };
    return ports;
  }

  static awaitable<base::Result<std::string>> pin_set(const char* what, awaitable<base::Result<pkcs11::Token>> work) {
    const auto token = co_await std::move(work);
    if (!token) {
      spdlog::info("pin not {} code={}", what, base::name(token.error().code));
      co_return std::unexpected(token.error());
    }
    spdlog::info("pin {}", what);
    co_return json::serialize(json::object{{"label", base::shown(token->label, 64)}, {"serial", base::shown(token->serial, 64)}});
  }

  awaitable<base::Result<std::string>> status() {
    const auto overview = batches_.overview();
    json::object row{
        {"version", SIGNET_VERSION},
        {"address", "ws://127.0.0.1:" + std::to_string(port_) + "/v1"},
        {"port", port_},
        {"uptime_s", std::chrono::floor<std::chrono::seconds>(std::chrono::steady_clock::now() - started_).count()},
        {"batches", overview.batches},
        {"running", overview.running},
        {"pins_kept", overview.pins_kept},
        {"pin_scope", name(configuration_.pin_cache.scope)},
        {"connections", face_.connections()},
        {"journal", journal_path_.string()},
        {"time_stamping", json::array(configuration_.time_stamping.urls.begin(), configuration_.time_stamping.urls.end())},
        {"origins", json::array(configuration_.web.origins.begin(), configuration_.web.origins.end())}};
    if (overview.pins_until) row["pins_until"] = base::rfc3339(*overview.pins_until);
    json::array modules;
    const auto states = modules_.states();
    for (std::size_t i = 0; i < states.size(); ++i) {
      json::object module{{"name", states[i].name},     {"path", modules_.options()[i].path}, {"running", states[i].running},
                          {"starts", states[i].starts}, {"faults", states[i].faults},         {"stopped", states[i].stopped}};
      if (!states[i].in_call.empty()) module["in_call"] = states[i].in_call;
      // One that was not needed yet may still be known to fail.
      const std::string& path = modules_.options()[i].path;
      if (states[i].starts == 0 && ::access(path.c_str(), R_OK) != 0)
        module["error"] = std::string(base::name(ErrorCode::module_failed)) + ": " + path + ": " + std::strerror(errno);
      if (states[i].last_error)
        module["error"] = std::string(base::name(states[i].last_error->code)) + ": " + states[i].last_error->detail;
      modules.push_back(std::move(module));
    }
    row["modules"] = std::move(modules);
    row["session"] = session();
    if (const auto possible = can_show(screen()); !possible && configuration_.dialog.pinentry == "pinentry")
      row["dialog_error"] = possible.error().detail;
    if (!base::Secret::make()) row["pin_memory_error"] = "locked memory is not available: PINs are not kept";
    co_return json::serialize(row);
  }

  json::object session() const {
    const Logind::State state = logind_->state();
    json::object row{{"sessions", json::array(state.sessions.begin(), state.sessions.end())},
                     {"locked", state.locked},
                     {"on_lock", configuration_.on_lock == signing::OnLock::finish ? "finish" : "pause"}};
    if (state.missing) row["error"] = *state.missing;
    json::array inhibitors;
    for (const Logind::Inhibitor& inhibitor : state.inhibitors) {
      json::object shown{{"what", inhibitor.what}, {"mode", inhibitor.mode}, {"held", inhibitor.held}};
      if (inhibitor.refused) shown["error"] = *inhibitor.refused;
      inhibitors.push_back(std::move(shown));
    }
    row["inhibitors"] = std::move(inhibitors);
    return row;
  }

  json::object listing(const std::vector<pkcs11::TokenPlace>& places) const {
    json::array rows;
    for (const pkcs11::TokenPlace& place : places) {
      const pkcs11::Token& token = place.token;
      rows.push_back(json::object{{"label", base::shown(token.label, 64)},
                                  {"manufacturer", base::shown(token.manufacturer, 64)},
                                  {"model", base::shown(token.model, 64)},
                                  {"serial", base::shown(token.serial, 64)},
                                  {"reader", base::shown(token.slot, 64)},
                                  {"module", modules_.options()[place.module].name},
                                  {"pin_pad", token.protected_authentication_path},
                                  {"pin_final_try", token.pin_final_try},
                                  {"pin_locked", token.pin_locked}});
    }
    return {{"tokens", std::move(rows)}};
  }

  awaitable<base::Result<std::string>> tokens() { co_return json::serialize(listing(co_await modules_.tokens())); }

  awaitable<base::Result<std::string>> explain_tokens() {
    const auto places = co_await modules_.tokens();
    co_return json::serialize(explained(devices_, modules_, places));
  }

  Configuration configuration_;
  std::filesystem::path journal_path_;
  asio::io_context io_{1};
  asio::steady_timer watchdog_{io_};
  EventLog event_log_{write_event, {}};
  asio::steady_timer left_out_{io_};
  bool telling_left_out_ = false;
  signing::Journal journal_;
  service::KeptTexts remembered_;    // which certificate (its fingerprint) each origin was given
  mutable std::mutex screen_mutex_;  // the dialog thread reads it
  Screen told_screen_;
  pkcs11::Modules modules_;
  drivers::DeviceModules devices_;
  TokenNews token_news_{io_.get_executor(), token_news_ports()};
  PageLanguages page_languages_;
  PinentryDialog dialog_;
  TimeStamps time_stamps_;
  std::optional<Logind> logind_;
  std::string_view told_lock_;  // in the log, since signing began
  signing::Batches batches_;
  signing::PinManagement pins_;
  web_bridge::NativeFace face_;
  std::optional<web_bridge::NativeServer> web_;
  std::optional<web_bridge::ControlServer> control_;
  std::uint16_t port_ = 0;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace

int run_daemon(const Configuration& configuration) {
  // A core dump would hold PINs, and another process of this user must not read them by ptrace.
  ::prctl(PR_SET_DUMPABLE, 0);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const auto level = configuration.log_level == "warning" ? std::string("warn")
                     : configuration.log_level == "error" ? std::string("err")
                                                          : configuration.log_level;
  spdlog::set_level(spdlog::level::from_str(level));
  // The system journal has its own times.
  spdlog::set_pattern(std::getenv("JOURNAL_STREAM") != nullptr ? "%l %v" : "%Y-%m-%dT%H:%M:%S %l %v");
  auto journal = signing::Journal::open(Daemon::journal_path(configuration));
  if (!journal) {
    spdlog::error("cannot start code={} reason=\"journal: {}\"", base::name(journal.error().code), journal.error().detail);
    return 1;
  }
  if (journal->recovery().torn_line_removed) spdlog::warn("journal recovered: its last line had no end and was removed");
  Daemon daemon(configuration, std::move(*journal));
  return daemon.run();
}

}  // namespace signet::agent
