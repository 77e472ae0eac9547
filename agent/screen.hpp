#pragma once

#include <map>
#include <string>

#include "base/result.hpp"

namespace signet::agent {

// The variables that decide where a dialog appears.
inline constexpr const char* screen_variables[] = {"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS",
                                                   "GPG_TTY", "TERM", "LANG", "LC_ALL", "LC_MESSAGES", "XDG_RUNTIME_DIR"};
using Screen = std::map<std::string, std::string>;

// Where a dialog would go now: what the user manager knows (systemd, by D-Bus; it learns it when the desktop starts), then what
// the last command line told, then the agent's own environment. Asked anew for each dialog: a session may have begun since.
Screen current_screen(const Screen& told_by_command_line);

// Takes only the variables above, and no value that is empty, over 1,023 bytes or has control characters; nor does the above.
Screen accepted_screen(const std::map<std::string, std::string>& offered);

// no_dialog_possible, with what to do, if there is neither display nor terminal.
base::Result<void> can_show(const Screen& screen);

}  // namespace signet::agent
