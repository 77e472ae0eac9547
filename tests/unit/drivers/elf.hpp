#pragma once

#include <elf.h>

#include <cstring>
#include <fstream>
#include <string>

namespace signet::test {

// The beginning of a shared object for this machine; nothing of it can be loaded.
inline std::string elf(std::uint16_t type = ET_DYN) {
  std::string header(sizeof(Elf64_Ehdr), '\0');
  std::ifstream("/proc/self/exe", std::ios::binary).read(header.data(), static_cast<std::streamsize>(header.size()));
  std::memcpy(header.data() + 16, &type, sizeof type);
  return header;
}

}  // namespace signet::test
