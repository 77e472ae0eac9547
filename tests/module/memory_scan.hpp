#pragma once

#include <sys/types.h>

#include <optional>

#include "base/secret.hpp"

namespace signet::test {

// How often the needle stands in a process's memory, apart from where it stands here (`needle` itself). Nothing if the
// process may not be read: token hosts are not dumpable, so that takes root.
std::optional<unsigned> copies_in_memory(pid_t process, base::BytesView needle);

}  // namespace signet::test
