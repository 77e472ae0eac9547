#include "base/error.hpp"

#include <array>
#include <utility>

namespace signet::base {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  WhoActs who;
};

using enum ErrorCode;
using enum WhoActs;
constexpr std::array rows{
    Row{user_cancelled, "user_cancelled", person},
    Row{pin_incorrect, "pin_incorrect", person},
    Row{pin_locked, "pin_locked", person},
    Row{pin_length, "pin_length", person},
    Row{pin_unfit, "pin_unfit", person},
    Row{pin_unknown, "pin_unknown", person},
    Row{puk_incorrect, "puk_incorrect", person},
    Row{puk_locked, "puk_locked", person},
    Row{unblock_unknown, "unblock_unknown", person},
    Row{no_token, "no_token", person},
    Row{token_removed, "token_removed", person},
    Row{certificate_not_found, "certificate_not_found", person},
    Row{certificate_unfit, "certificate_unfit", person},
    Row{certificate_expired, "certificate_expired", person},
    Row{card_busy, "card_busy", person},
    Row{screen_locked, "screen_locked", person},
    Row{machine_asleep, "machine_asleep", person},
    Row{origin_refused, "origin_refused", caller},
    Row{host_refused, "host_refused", caller},
    Row{hello_required, "hello_required", caller},
    Row{version_unsupported, "version_unsupported", caller},
    Row{message_invalid, "message_invalid", caller},
    Row{message_too_large, "message_too_large", caller},
    Row{method_unknown, "method_unknown", caller},
    Row{parameter_invalid, "parameter_invalid", caller},
    Row{algorithm_unknown, "algorithm_unknown", caller},
    Row{digest_length, "digest_length", caller},
    Row{id_duplicate, "id_duplicate", caller},
    Row{batch_empty, "batch_empty", caller},
    Row{batch_too_large, "batch_too_large", caller},
    Row{part_out_of_order, "part_out_of_order", caller},
    Row{batch_unknown, "batch_unknown", caller},
    Row{batch_state, "batch_state", caller},
    Row{too_many, "too_many", caller},
    Row{other_user, "other_user", machine},
    Row{no_dialog_possible, "no_dialog_possible", machine},
    Row{module_missing, "module_missing", machine},
    Row{module_failed, "module_failed", machine},
    Row{token_host_died, "token_host_died", machine},
    Row{token_host_timeout, "token_host_timeout", machine},
    Row{token_failed, "token_failed", machine},
    Row{mechanism_unsupported, "mechanism_unsupported", machine},
    Row{time_stamp_failed, "time_stamp_failed", machine},
    Row{disk_full, "disk_full", machine},
    Row{file_failed, "file_failed", machine},
    Row{network_failed, "network_failed", machine},
    Row{memory_not_lockable, "memory_not_lockable", machine},
    Row{configuration_invalid, "configuration_invalid", machine},
    Row{agent_not_running, "agent_not_running", machine},
    Row{internal, "internal", us},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (static_cast<std::size_t>(rows[i].code) != i) return false;
  }
  return rows.size() == static_cast<std::size_t>(internal) + 1;
}
static_assert(in_order(), "one row for each code, in the order of the enumeration");

}  // namespace

std::string_view name(ErrorCode code) { return rows.at(static_cast<std::size_t>(code)).name; }

WhoActs who_acts(ErrorCode code) { return rows.at(static_cast<std::size_t>(code)).who; }

}  // namespace signet::base
