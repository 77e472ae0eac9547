#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "demo/pki.hpp"
#include "folder.hpp"

namespace signet::test {

// `openssl ocsp` as an authority's responder, on a port of its own, with the authority's index of what it issued.
class OpensslResponder {
 public:
  struct Listed {
    pki::Certificate certificate;
    std::optional<base::Time> revoked = {};
  };
  OpensslResponder(const pki::Certificate& issuer, const demo::Identity& signer) {
    write("ca.pem", demo::pem(issuer));
    write("signer.pem", demo::pem(signer.certificate));
    write("signer.key", demo::private_key_pem(signer.key));
    list({});
    start({"openssl", "ocsp", "-ndays", "1", "-port", "0", "-index", path("index.txt"), "-CA", path("ca.pem"), "-rsigner",
           path("signer.pem"), "-rkey", path("signer.key")});
  }
  // What it knows from now on: it reads its index anew when that is another file, after it has answered whoever it waits for.
  void list(const std::vector<Listed>& listed) {
    std::string index;
    for (const Listed& one : listed) {
      std::string serial = one.certificate.serial_hex();
      for (char& c : serial) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      index += std::string(one.revoked ? "R" : "V") + "\t" + compact(one.certificate.not_after()) + "\t" +
               (one.revoked ? compact(*one.revoked) + ",keyCompromise" : "") + "\t" + serial + "\tunknown\t/CN=" + serial + "\n";
    }
    write("index.new", index);
    std::filesystem::rename(path("index.new"), path("index.txt"));
    if (process_ > 0) visit();
  }
  OpensslResponder(const OpensslResponder&) = delete;  // a process
  OpensslResponder& operator=(const OpensslResponder&) = delete;
  ~OpensslResponder() {
    if (process_ > 0) {
      ::kill(process_, SIGTERM);
      ::waitpid(process_, nullptr, 0);
    }
    ::close(out_);
  }

  std::string url() const { return "http://127.0.0.1:" + port_; }

 private:
  std::string path(const char* name) const { return (folder_.path / name).string(); }
  void visit() const {
    REQUIRE(std::system(("openssl ocsp -issuer " + path("ca.pem") + " -serial 1 -noverify -url " + url() + " >/dev/null 2>&1").c_str()) == 0);
  }
  void write(const char* name, const std::string& text) { std::ofstream(path(name)) << text; }
  // UTCTime, as the index has it.
  static std::string compact(base::Time time) {
    std::string digits;
    for (const char c : base::rfc3339(time).substr(2)) {
      if (c >= '0' && c <= '9') digits += c;
    }
    return digits + "Z";
  }
  void start(const std::vector<std::string>& words) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    out_ = ends[0];
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    REQUIRE(::posix_spawnp(&process_, "openssl", &actions, nullptr, arguments.data(), environ) == 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    // "ACCEPT [::]:37641 PID=…", when it listens.
    std::string line;
    for (char c = 0; ::read(out_, &c, 1) == 1 && c != '\n';) line += c;
    INFO(line);
    REQUIRE(line.starts_with("ACCEPT "));
    const std::size_t colon = line.rfind(':');
    port_ = line.substr(colon + 1, line.find(' ', colon) - colon - 1);
  }

  Folder folder_;
  pid_t process_ = -1;
  int out_ = -1;
  std::string port_;
};

}  // namespace signet::test
