#include "host/opensc.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace signet::pkcs11::host {
namespace {

// OpenSC reads the first block of its program's name, and the first "default" for what is not there.
constexpr std::string_view ours = R"(app opensc-pkcs11 {
  pkcs11 {
    user_pin_unblock_style = set_pin_in_unlogged_session;
  }
}
)";

// Where distributions have it compiled in.
constexpr const char* usual_places[] = {"/etc/opensc/opensc.conf", "/etc/opensc.conf", "/etc/opensc-x86_64.conf"};
constexpr std::size_t longest = std::size_t{1} << 20;

std::string text_of(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  return text.size() > longest ? std::string{} : text;
}

std::string configured() {
  if (const char* named = std::getenv("OPENSC_CONF")) return text_of(named);
  for (const char* place : usual_places) {
    if (std::string text = text_of(place); !text.empty()) return text;
  }
  return {};
}

}  // namespace

bool let_opensc_unblock() {
  const std::string text = std::string(ours) + configured();
  const int memory = memfd_create("opensc.conf", MFD_CLOEXEC);
  if (memory < 0 || write(memory, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return false;
  return setenv("OPENSC_CONF", ("/proc/self/fd/" + std::to_string(memory)).c_str(), 1) == 0;
}

}  // namespace signet::pkcs11::host
