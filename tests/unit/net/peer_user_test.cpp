#include "net/peer_user.hpp"

#include <grp.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>

#include "lacking.hpp"
#include "raw_client.hpp"

using namespace signet;
using namespace signet::net;
using test::RawClient;

namespace {

// A listening socket that accepts by hand, and knows both ends of what it accepted.
class Listening {
 public:
  explicit Listening(int family) : socket_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage name{};
    socklen_t size = sizeof(sockaddr_in6);
    if (family == AF_INET) {
      auto& v4 = reinterpret_cast<sockaddr_in&>(name);
      v4.sin_family = AF_INET;
      v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size = sizeof v4;
    } else {  // any address of both families
      reinterpret_cast<sockaddr_in6&>(name).sin6_family = AF_INET6;
    }
    REQUIRE(::bind(socket_.number(), reinterpret_cast<sockaddr*>(&name), size) == 0);
    REQUIRE(::listen(socket_.number(), 5) == 0);
  }
  std::uint16_t port() const { return end(::getsockname, socket_.number()).port; }

  struct Accepted {
    Descriptor socket;
    Endpoint local, remote;
  };
  Accepted accept() const {
    Descriptor socket(::accept(socket_.number(), nullptr, nullptr));
    const Endpoint local = end(::getsockname, socket.number());
    const Endpoint remote = end(::getpeername, socket.number());
    return {std::move(socket), local, remote};
  }

 private:
  static Endpoint end(int (*ask)(int, sockaddr*, socklen_t*), int number) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    REQUIRE(ask(number, reinterpret_cast<sockaddr*>(&name), &size) == 0);
    if (name.ss_family == AF_INET) {
      const auto& v4 = reinterpret_cast<const sockaddr_in&>(name);
      return {boost::asio::ip::address_v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
    }
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(name);
    boost::asio::ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return {boost::asio::ip::address_v6(bytes), ntohs(v6.sin6_port)};
  }
  Descriptor socket_;
};

}  // namespace

TEST_CASE("the user at the other end is found over IPv4, IPv6 and IPv4 in IPv6's clothes") {
  const auto [listening_on, family] = GENERATE(table<int, RawClient::Family>({{AF_INET, RawClient::Family::v4},
                                                                              {AF_INET, RawClient::Family::v4_mapped},
                                                                              {AF_INET6, RawClient::Family::v4},
                                                                              {AF_INET6, RawClient::Family::v6},
                                                                              {AF_INET6, RawClient::Family::v4_mapped}}));
  const Listening listening(listening_on);
  RawClient client(listening.port(), family);
  const auto accepted = listening.accept();
  const auto user = peer_user(accepted.local, accepted.remote);
  REQUIRE(user);
  CHECK(*user == ::getuid());
}

TEST_CASE("a peer that only stopped sending is still somebody") {
  const Listening listening(AF_INET);
  RawClient client(listening.port());
  const auto accepted = listening.accept();
  client.finish_sending();
  CHECK(peer_user(accepted.local, accepted.remote).value() == ::getuid());
}

TEST_CASE("a peer that sent and closed is nobody, and not root") {
  const Listening listening(AF_INET);
  RawClient client(listening.port());
  const auto accepted = listening.accept();
  client.send("act on this");
  SECTION("closed") { client.close(); }
  SECTION("reset") { client.reset(); }
  const auto user = peer_user(accepted.local, accepted.remote);
  REQUIRE_FALSE(user);
  CHECK(user.error().code == base::ErrorCode::other_user);
}

TEST_CASE("a listener on the peer's port is not taken for the peer") {
  const Listening here(AF_INET), other(AF_INET);
  const auto loopback = boost::asio::ip::address_v4::loopback();
  const auto user = peer_user({loopback, here.port()}, {loopback, other.port()});
  REQUIRE_FALSE(user);
  CHECK(user.error().code == base::ErrorCode::other_user);
}

TEST_CASE("only the loopback is looked at") {
  const auto loopback = boost::asio::ip::address_v4::loopback();
  CHECK_FALSE(peer_user({loopback, 1}, {boost::asio::ip::make_address("192.0.2.1"), 2}));
  CHECK_FALSE(peer_user({loopback, 1}, {boost::asio::ip::address_v6::loopback(), 2}));
}

TEST_CASE("another user at the other end is told by name") {
  if (::getuid() != 0) return test::lacking("only root can be somebody else");
  constexpr uid_t nobody = 65534;
  const Listening listening(AF_INET);
  const std::uint16_t port = listening.port();
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ready[1]);
    if (::setgroups(0, nullptr) != 0 || ::setgid(nobody) != 0 || ::setuid(nobody) != 0) ::_exit(1);
    RawClient client(port);
    char end;
    (void)!::read(ready[0], &end, 1);  // until the parent has looked
    ::_exit(0);
  }
  ::close(ready[0]);
  const auto accepted = listening.accept();
  CHECK(peer_user(accepted.local, accepted.remote).value() == nobody);
  ::close(ready[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}
