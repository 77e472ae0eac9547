#include "agent/screen.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/owned.hpp"

namespace signet::agent {
namespace {

using Bus = base::Owned<sd_bus, sd_bus_flush_close_unref>;

bool is_screen_variable(std::string_view name) {
  return std::ranges::any_of(screen_variables, [&](const char* known) { return name == known; });
}

// Goes into an environment and into lines to pinentry.
bool is_plain(std::string_view value) {
  return !value.empty() && value.size() < 1024 &&
         std::ranges::none_of(value, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

void take_assignment(Screen& screen, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || !is_plain(assignment.substr(equals + 1))) return;
  const std::string name(assignment.substr(0, equals));
  if (is_screen_variable(name)) screen.insert_or_assign(name, std::string(assignment.substr(equals + 1)));
}

// org.freedesktop.systemd1.Manager.Environment of the user's manager; nothing where there is none.
void take_from_user_manager(Screen& screen) {
  sd_bus* opened = nullptr;
  if (sd_bus_open_user(&opened) < 0) return;
  const Bus bus(opened);
  sd_bus_set_method_call_timeout(bus.get(), 2'000'000);
  char** environment = nullptr;
  if (sd_bus_get_property_strv(bus.get(), "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                               "org.freedesktop.systemd1.Manager", "Environment", nullptr, &environment) < 0)
    return;
  for (char** entry = environment; entry != nullptr && *entry != nullptr; ++entry) {
    take_assignment(screen, *entry);
    std::free(*entry);
  }
  std::free(environment);
}

}  // namespace

Screen accepted_screen(const std::map<std::string, std::string>& offered) {
  Screen screen;
  for (const auto& [name, value] : offered) {
    if (is_screen_variable(name) && is_plain(value)) screen.emplace(name, value);
  }
  return screen;
}

Screen current_screen(const Screen& told_by_command_line) {
  Screen screen;
  for (const char* name : screen_variables) {
    if (const char* value = std::getenv(name); value != nullptr && is_plain(value)) screen.emplace(name, value);
  }
  for (const auto& [name, value] : told_by_command_line) screen.insert_or_assign(name, value);
  take_from_user_manager(screen);
  return screen;
}

base::Result<void> can_show(const Screen& screen) {
  if (screen.contains("DISPLAY") || screen.contains("WAYLAND_DISPLAY") || screen.contains("GPG_TTY")) return {};
  return base::failure(base::ErrorCode::no_dialog_possible,
                       "no display and no terminal is known: log in to the desktop, run `signet status` in a terminal of it, "
                       "or set GPG_TTY=$(tty) before using the command line");
}

}  // namespace signet::agent
