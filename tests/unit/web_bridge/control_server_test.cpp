#include "web_bridge/control_server.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch.hpp>

#include "another_user.hpp"
#include "bench.hpp"
#include "lacking.hpp"

using namespace signet;
using namespace signet::test;

namespace {

// The command line's end of the control socket.
class Command : public Messages {
 public:
  explicit Command(const std::filesystem::path& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
    if (::connect(socket_.number(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) throw std::runtime_error("connect");
  }
  bool send(std::string_view text) override { return raw(std::string(text) + '\n'); }
  bool raw(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_.number(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // A line with descriptors.
  void send_with(std::string_view text, const std::vector<int>& descriptors) {
    const std::string line = std::string(text) + '\n';
    iovec bytes{const_cast<char*>(line.data()), line.size()};
    std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size() * sizeof(int));
    if (::sendmsg(socket_.number(), &message, MSG_NOSIGNAL) < 0) throw std::runtime_error("sendmsg");
  }
  std::optional<std::string> next_text(int timeout_ms) override {
    for (;;) {
      if (const auto end = received_.find('\n'); end != std::string::npos) {
        std::string line = received_.substr(0, end);
        received_.erase(0, end + 1);
        return line;
      }
      pollfd wait{socket_.number(), POLLIN, 0};
      if (::poll(&wait, 1, timeout_ms) <= 0) return std::nullopt;
      char bytes[65536];
      const ssize_t got = ::recv(socket_.number(), bytes, sizeof bytes, 0);
      if (got <= 0) {
        ended = true;
        return std::nullopt;
      }
      received_.append(bytes, static_cast<std::size_t>(got));
    }
  }
  void close() { socket_ = net::Descriptor(); }
  bool ended = false;

 private:
  net::Descriptor socket_;
  std::string received_;
};

net::Descriptor pipe_with(std::string_view text) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  return net::Descriptor(ends[0]);
}

}  // namespace

TEST_CASE("the command line speaks the same protocol, a line a message") {
  Bench bench;
  Command command(bench.control_path);
  CHECK(command.code_of("status") == "hello_required");
  CHECK(command.hello().at("result").at("agent") == "signet");
  CHECK(command.ask("status").at("result").at("version") == "0.1.0");
  CHECK(command.ask("origins").at("result").at("origins").at(0) == allowed_origin);
  CHECK(command.code_of("journal") == "method_unknown");  // no port was filled in
  CHECK(command.code_of("certificates") == "no_token");
  CHECK(command.code_of("lock").empty());
  CHECK(bench.context.on_thread([&] { return bench.locks; }) == 1);
  CHECK(command.code_of("restart", {{"module", "softhsm"}}).empty());
  CHECK(command.code_of("restart", {{"module", "another"}}) == "parameter_invalid");
  CHECK(command.code_of("restart", {{"module", 1}}) == "parameter_invalid");
  CHECK(bench.context.on_thread([&] { return bench.restarted; }) == std::vector<std::string>{"softhsm"});
  command.send("no JSON");
  CHECK(command.next().at("id").is_null());
  command.send("{\"id\":1,\"method\":\"\xC3\x28\"}");
  CHECK(Messages::code(command.next()) == "message_invalid");
  begin_batch(command, 2);
}

TEST_CASE("a defect behind a request is that request's answer") {
  Bench bench;
  Command command(bench.control_path);
  command.hello();
  const auto answer = command.ask("tokens");
  CHECK(Messages::code(answer) == "internal");
  CHECK(answer.at("error").at("who") == "us");
  CHECK(bench.happened("request_failed"));
  CHECK(command.ask("status").contains("result"));
}

TEST_CASE("a command that watches tokens is told which there are, another is not told") {
  Bench bench;
  Command watching(bench.control_path), other(bench.control_path);
  for (Command* const command : {&watching, &other}) command->hello();
  CHECK(Messages::code(watching.ask("tokens.watch")) == "internal");  // the bench's list is a defect; the watch stands
  bench.context.on_thread([&] { bench.face->tokens_changed(true, R"({"tokens":[{"serial":"4711"}]})"); });
  CHECK(watching.next() ==
        json::parse(R"({"event":"tokens.changed","params":{"present":true,"list":{"tokens":[{"serial":"4711"}]}}})"));
  CHECK(other.ask("status").contains("result"));
}

TEST_CASE("lines come in pieces and several at once") {
  Bench bench;
  Command command(bench.control_path);
  command.raw("{\"id\":1,\"method\":\"hel");
  command.raw("lo\",\"params\":{\"protocol\":1}}\n{\"id\":2,\"method\":\"status\"}\n{\"id\":3,\"meth");
  CHECK(command.next().at("id") == 1);
  CHECK(command.next().at("id") == 2);
  command.raw("od\":\"origins\"}\n");
  CHECK(command.next().at("id") == 3);
}

TEST_CASE("a line over 4 MiB is answered and ends the connection") {
  Bench bench;
  Command command(bench.control_path);
  command.raw(std::string((4 << 20) + 1, ' ') + "\n");
  CHECK(Messages::code(command.next()) == "message_too_large");
  CHECK_FALSE(command.next_text(10'000));
  CHECK(command.ended);
}

TEST_CASE("the environment of a connection is told, and told again when it ends") {
  Bench bench;
  Command command(bench.control_path);
  command.hello();
  CHECK(command.code_of("environment", {{"DISPLAY", ":0"}, {"LANG", "ro_RO.UTF-8"}, {"LD_PRELOAD", "/evil.so"}, {"TERM", ""}})
            .empty());
  CHECK(command.code_of("environment", {{"DISPLAY", ":0\nX=y"}}) == "parameter_invalid");
  CHECK(command.code_of("environment", {{"DISPLAY", 0}}) == "parameter_invalid");
  CHECK(bench.context.on_thread([&] { return bench.environments; }) ==
        std::vector<ControlPorts::Variables>{{{"DISPLAY", ":0"}, {"LANG", "ro_RO.UTF-8"}}});
  command.close();
  CHECK(Bench::eventually(
      [&] { return bench.context.on_thread([&] { return bench.environments.size() == 2 && bench.environments[1].empty(); }); }));
}

TEST_CASE("commands over the limit are refused") {
  Bench bench({.limits = {.control_connections = 1}});
  Command first(bench.control_path);
  first.hello();
  Command second(bench.control_path);
  CHECK(second.event("refused").at("code") == "too_many");
  CHECK_FALSE(second.next_text(10'000));
}

TEST_CASE("the control socket is for its own user alone") {
  Bench bench;
  struct stat about{};
  REQUIRE(::stat(bench.control_path.c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
  REQUIRE(::stat(bench.control_path.parent_path().c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0700);
}

TEST_CASE("another user who gets at the control socket is refused") {
  if (::getuid() != 0) return lacking("only root can be somebody else");
  AnotherUser nobody([](const std::string& path) {
    Command command(path);
    return std::string(command.event("refused").at("code").as_string());
  });
  Bench bench;
  ::chmod(bench.folder.c_str(), 0755);
  ::chmod(bench.control_path.parent_path().c_str(), 0755);  // as if somebody had been careless
  ::chmod(bench.control_path.c_str(), 0666);
  CHECK(nobody.visit(bench.control_path) == "other_user");
}

TEST_CASE("a second agent does not take the control socket, a left-behind one is replaced") {
  Bench bench;
  const auto start = [&](const std::filesystem::path& path) {
    return bench.context.on_thread([&]() -> base::Result<void> {
      ControlServer server(bench.context.io().get_executor(), *bench.face, ControlServerOptions{path, {}});
      return server.start();
    });
  };
  CHECK(start(bench.control_path).error().code == base::ErrorCode::file_failed);
  Command(bench.control_path).hello();

  const std::filesystem::path stale = bench.folder / "run" / "stale.sock";
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, stale.c_str(), sizeof name.sun_path - 1);
  {
    const net::Descriptor left(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(left.number(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  }
  CHECK(start(stale));
  CHECK_FALSE(std::filesystem::exists(stale));

  std::filesystem::create_directory(bench.folder / "open");
  std::filesystem::permissions(bench.folder / "open", std::filesystem::perms(0755));
  CHECK_FALSE(start(bench.folder / "open" / "control.sock"));
  CHECK_FALSE(start(bench.folder / "absent" / "folder" / "control.sock"));
  CHECK_FALSE(start(bench.folder / std::string(200, 'x')));
}

TEST_CASE("a PIN comes through a descriptor, and the command itself is the consent") {
  Bench bench({.token = WithToken::yes});
  Command command(bench.control_path);
  command.hello();
  const std::string certificate = bench.identities[0].certificate.fingerprint().bytes().empty()
                                      ? ""
                                      : base::hex(bench.identities[0].certificate.fingerprint().bytes());
  const std::string batch = begin_batch(command, 1, {{"purpose", "test"}, {"certificate", certificate}});
  const std::string commit = json::serialize(
      json::object{{"id", 100}, {"method", "batch.commit"}, {"params", {{"batch", batch}, {"items", 1}, {"pin", "descriptor"}}}});
  const std::string pin = SoftHsm::default_pin;
  SECTION("from a pipe") { command.send_with(commit, {pipe_with(pin + "\nmore").number()}); }
  SECTION("without a line end") { command.send_with(commit, {pipe_with(pin).number()}); }
  SECTION("from a file") {
    const auto file = bench.folder / "pin";
    const net::Descriptor descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    const std::string text = "skipped\n" + pin + "\r\n";
    REQUIRE(::write(descriptor.number(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::lseek(descriptor.number(), 8, SEEK_SET);
    command.send_with(commit, {descriptor.number()});
  }
  SECTION("from a socket") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const net::Descriptor mine(ends[0]);
    const net::Descriptor theirs(ends[1]);
    command.send_with(commit, {theirs.number()});
    const std::string text = pin + "\n";
    REQUIRE(::write(mine.number(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    CHECK(Messages::code(command.answer(100)).empty());
  }
  const auto results = command.event("batch.results");
  CHECK(results.at("results").at(0).as_object().contains("signature"));
  CHECK(bench.context.on_thread([&] { return bench.person->asked; }) == 0);
}

TEST_CASE("a PIN that does not come is no PIN") {
  Bench bench({.limits = {.pin_descriptor_timeout = std::chrono::milliseconds(50)}});
  Command command(bench.control_path);
  command.hello();
  const std::string batch = begin_batch(command, 1);
  const auto commit = [&](json::value pin) {
    return json::serialize(json::object{
        {"id", 100}, {"method", "batch.commit"}, {"params", {{"batch", batch}, {"items", 1}, {"pin", std::move(pin)}}}});
  };
  SECTION("no descriptor") {
    command.send(commit("descriptor"));
    CHECK(Messages::code(command.answer(100)) == "parameter_invalid");
  }
  SECTION("the PIN itself") {
    command.send(commit("1234"));
    CHECK(Messages::code(command.answer(100)) == "parameter_invalid");
  }
  SECTION("empty") {
    command.send_with(commit("descriptor"), {pipe_with("\n").number()});
    CHECK(Messages::code(command.answer(100)) == "user_cancelled");
  }
  SECTION("too long") {
    command.send_with(commit("descriptor"), {pipe_with(std::string(300, '1')).number()});
    CHECK(Messages::code(command.answer(100)) == "parameter_invalid");
  }
  SECTION("nobody writes") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const net::Descriptor reading(ends[0]);
    const net::Descriptor writing(ends[1]);
    command.send_with(commit("descriptor"), {reading.number()});
    CHECK(Messages::code(command.answer(100)) == "parameter_invalid");
  }
  SECTION("a folder") {
    const net::Descriptor folder(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    command.send_with(commit("descriptor"), {folder.number()});
    CHECK(Messages::code(command.answer(100)) == "file_failed");
  }
}

TEST_CASE("descriptors that nobody asked for are closed") {
  Bench bench;
  const auto open_ones = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  const auto before = open_ones();
  {
    Command command(bench.control_path);
    command.hello();
    const net::Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (int i = 0; i < 20; ++i) {
      command.send_with(R"({"id":50,"method":"status"})", std::vector<int>(9, null.number()));
      command.answer(50);
    }
    CHECK(open_ones() < before + 10);
  }
  CHECK(Bench::eventually([&] { return open_ones() <= before; }));
}

TEST_CASE("a PIN is changed and unblocked through the agent, which tells what it waits for") {
  Bench bench;
  Command command(bench.control_path);
  command.hello();
  const auto changed = command.ask("pin.change", {{"token", "4711"}});
  CHECK(changed.at("result").at("label") == "token");
  CHECK(command.event("waiting").at("what") == "pin");
  const auto refused = command.ask("pin.unblock", {});
  CHECK(Messages::code(refused) == "puk_incorrect");
  CHECK(refused.at("error").at("who") == "person");
  CHECK(command.code_of("pin.change", {{"token", 7}}) == "parameter_invalid");
  CHECK(command.code_of("pin.change", {{"token", std::string(200, 'x')}}) == "parameter_invalid");
  CHECK(bench.context.on_thread([&] { return bench.pins_set; }) == std::vector<std::string>{"change 4711", "unblock "});
}

TEST_CASE("two PINs come through a descriptor, one a line, and nothing else does") {
  Bench bench({.limits = {.pin_descriptor_timeout = std::chrono::milliseconds(50)}});
  Command command(bench.control_path);
  command.hello();
  const std::string change = R"({"id":100,"method":"pin.change","params":{"pin":"descriptor"}})";
  const auto code = [&](const std::string& text) {
    command.send_with(change, {pipe_with(text).number()});
    return std::string(Messages::code(command.answer(100)));
  };
  for (const char* text : {"old\nnew", "old\nnew\n", "old\r\nnew\r\nmore\n"}) CHECK(code(text).empty());
  CHECK(bench.context.on_thread([&] { return bench.pins_set; }) == std::vector<std::string>(3, "change  old new"));
  CHECK(code("") == "user_cancelled");
  CHECK(code("old") == "user_cancelled");
  CHECK(code("old\n") == "user_cancelled");
  CHECK(code("old\n\nnew\n") == "user_cancelled");
  CHECK(code("\nnew\n") == "user_cancelled");
  CHECK(code(std::string(200, '1') + "\n" + std::string(200, '2') + "\n") == "parameter_invalid");
  CHECK(command.code_of("pin.change", {{"pin", "descriptor"}}) == "parameter_invalid");
  CHECK(command.code_of("pin.change", {{"pin", "1234"}}) == "parameter_invalid");
  CHECK(bench.context.on_thread([&] { return bench.pins_set.size(); }) == 3);
}
