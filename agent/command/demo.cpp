#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "agent/command/command.hpp"
#include "base/secret.hpp"
#include "demo/files.hpp"
#include "demo/softhsm.hpp"
#include "demo/tsa.hpp"
#include "net/http_server.hpp"

namespace signet::agent {

namespace asio = boost::asio;

namespace {

struct Options {
  std::string folder, certificate, crl_url;
  std::vector<std::string> keys{"rsa2048", "p256"};
  std::uint16_t port = 0;
  unsigned delay_ms = 0;
  std::string fault = "none";
};

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

const std::map<std::string, demo::TsaFault> faults{{"none", demo::TsaFault::none},
                                                   {"wrong_imprint", demo::TsaFault::wrong_imprint},
                                                   {"wrong_nonce", demo::TsaFault::wrong_nonce},
                                                   {"bad_signature", demo::TsaFault::bad_signature},
                                                   {"rejected", demo::TsaFault::rejected},
                                                   {"garbage", demo::TsaFault::garbage},
                                                   {"http_500", demo::TsaFault::http_500},
                                                   {"http_429", demo::TsaFault::http_429},
                                                   {"silent", demo::TsaFault::silent},
                                                   {"wrong_usage", demo::TsaFault::wrong_usage}};

// Serves until a signal comes. The address is the one line on standard output: scripts read it.
int serve(net::HttpHandlers handlers, std::uint16_t port, const char* path, asio::io_context& io) {
  net::HttpServer server(io.get_executor(), std::move(handlers));
  const auto listening = server.listen(net::Endpoint{asio::ip::make_address("127.0.0.1"), port});
  if (!listening) {
    std::cerr << "signet demo: cannot listen on port " << port << ": " << listening.error().detail << '\n';
    return 6;
  }
  std::cout << "http://127.0.0.1:" << *listening << path << std::endl;
  asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](auto, int) { asio::co_spawn(io, server.stop(), [&](std::exception_ptr) { io.stop(); }); });
  io.run();
  return 0;
}

int run_tsa(const Options& options) {
  const std::filesystem::path folder = options.folder;
  asio::io_context io(1);
  const demo::Identity tsa = demo::read_identity(folder / "tsa.pem", folder / "tsa.key");
  const demo::Identity unfit =
      demo::read_identity(folder / (demo::signers_in(folder).at(0) + ".pem"), folder / (demo::signers_in(folder).at(0) + ".key"));
  const demo::Identity authority = demo::read_identity(folder / "demo-ca.pem", folder / "demo-ca.key");
  const demo::TimeStampResponder responder(tsa, {authority.certificate}, unfit);
  const demo::TsaFault fault = faults.at(options.fault);
  net::HttpHandlers handlers;
  handlers.request = [&](net::HttpRequest request) -> asio::awaitable<net::HttpResponse> {
    if (request.method != "POST") co_return net::HttpResponse{405, {}, {}, false};
    if (options.delay_ms > 0 || fault == demo::TsaFault::silent) {
      asio::steady_timer timer(
          io, fault == demo::TsaFault::silent ? std::chrono::hours{1} : std::chrono::milliseconds{options.delay_ms});
      boost::system::error_code ignored;
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    if (fault == demo::TsaFault::http_500) co_return net::HttpResponse{500, {}, {}, false};
    if (fault == demo::TsaFault::http_429) co_return net::HttpResponse{429, {{"Retry-After", "1"}}, {}, false};
    const base::Bytes answer =
        responder.answer(base::as_bytes(request.body), fault == demo::TsaFault::silent ? demo::TsaFault::none : fault, now());
    co_return net::HttpResponse{
        200, {{"Content-Type", "application/timestamp-reply"}}, std::string(base::as_text(answer)), false};
  };
  return serve(std::move(handlers), options.port, "/tsa", io);
}

// A SoftHSM2 token with the folder's signers, its PIN from the first line of standard input.
int make_token(const Options& options) {
  const std::filesystem::path folder = options.folder;
  base::Secret pin = base::Secret::make().value();
  const ssize_t size = ::read(STDIN_FILENO, pin.buffer().data(), base::Secret::capacity);
  pin.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  if (const auto end = std::ranges::find(pin.bytes(), '\n'); end != pin.bytes().end())
    pin.resize(static_cast<std::size_t>(end - pin.bytes().begin()));
  if (pin.bytes().size() < 4) {
    std::cerr << "signet demo: the PIN, at least 4 characters, is wanted on standard input\n";
    return exit_usage;
  }
  const auto token = demo::SoftHsm::make_in(folder / "softhsm", pin.bytes(), "Signet Demo");
  std::uint8_t id = 0;
  for (const std::string& name : demo::signers_in(folder)) {
    const demo::Identity identity = demo::read_identity(folder / (name + ".pem"), folder / (name + ".key"));
    token.import(base::Bytes{++id}, name, identity.key.get(), identity.certificate.der(), demo::Authentication::at_login,
                 pin.bytes());
  }
  std::cout << (token.folder() / "softhsm2.conf").string() << '\n';
  return 0;
}

// The files of one flat folder, read once: nothing of a request ever becomes a path.
int run_pages(const Options& options) {
  const std::map<std::string, std::string> types{{".html", "text/html; charset=utf-8"},
                                                 {".js", "text/javascript; charset=utf-8"},
                                                 {".css", "text/css; charset=utf-8"},
                                                 {".svg", "image/svg+xml"},
                                                 {".png", "image/png"},
                                                 {".json", "application/json"}};
  std::map<std::string, net::HttpResponse> pages;
  for (const auto& entry : std::filesystem::directory_iterator(options.folder)) {
    const auto type = types.find(entry.path().extension().string());
    if (!entry.is_regular_file() || type == types.end()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    pages["/" + entry.path().filename().string()] = net::HttpResponse{200,
                                                                      {{"Content-Type", type->second},
                                                                       {"X-Content-Type-Options", "nosniff"},
                                                                       {"Referrer-Policy", "no-referrer"},
                                                                       {"Cache-Control", "no-store"}},
                                                                      text.str(),
                                                                      false};
  }
  if (!pages.contains("/index.html")) {
    std::cerr << "signet demo: no index.html in " << options.folder << '\n';
    return 6;
  }
  pages["/"] = pages["/index.html"];
  asio::io_context io(1);
  net::HttpHandlers handlers;
  handlers.request = [&](net::HttpRequest request) -> asio::awaitable<net::HttpResponse> {
    const auto page = pages.find(request.target.substr(0, request.target.find('?')));
    if (request.method != "GET" || page == pages.end())
      co_return net::HttpResponse{404, {{"Content-Type", "text/plain"}}, "not found\n", false};
    co_return page->second;
  };
  return serve(std::move(handlers), options.port, "/", io);
}

template <class Run>
void guarded(Context& context, Run run) {
  try {
    context.exit_code = run();
  } catch (const std::exception& error) {
    std::cerr << "signet demo: " << error.what() << '\n';
    context.exit_code = 6;
  }
}

}  // namespace

void add_demo(CLI::App& app, Context& context) {
  static Options options;
  CLI::App* const demo =
      app.add_subcommand("demo", "The parts of the demonstration: for trying out and for tests, never for real signatures");
  demo->require_subcommand(1);
  CLI::App* const make = demo->add_subcommand("pki", "Make a CA, signers, a TSA and their revocation list in a folder");
  make->add_option("FOLDER", options.folder)->required();
  make->add_option("--keys", options.keys, "A signer with a key of each of these kinds")
      ->delimiter(',')
      ->check(CLI::IsMember(demo::key_kinds()))
      ->capture_default_str();
  make->add_option("--crl-url", options.crl_url, "Where the certificates say that their revocation list is");
  make->callback([&context] {
    guarded(context, [] {
      demo::write_pki(options.folder, options.keys, now(), options.crl_url);
      return 0;
    });
  });
  CLI::App* const revoke = demo->add_subcommand("revoke", "Put a certificate on the folder's revocation list");
  revoke->add_option("FOLDER", options.folder)->required();
  revoke->add_option("CERTIFICATE", options.certificate, "such as signer-p256")->required();
  revoke->callback([&context] {
    guarded(context, [] {
      const std::filesystem::path folder = options.folder;
      const auto identity = demo::read_identity(folder / (options.certificate + ".pem"), folder / (options.certificate + ".key"));
      demo::revoke_in(folder, identity.certificate, now() - std::chrono::hours{1}, now());
      return 0;
    });
  });
  CLI::App* const token =
      demo->add_subcommand("token", "Make a SoftHSM2 token with the folder's signers; the PIN comes by standard input");
  token->add_option("FOLDER", options.folder)->required();
  token->callback([&context] { guarded(context, [] { return make_token(options); }); });
  CLI::App* const tsa =
      demo->add_subcommand("tsa", "Run a time stamp responder with the folder's certificate; prints its address");
  tsa->add_option("FOLDER", options.folder)->required();
  tsa->add_option("--port", options.port, "0: any")->capture_default_str();
  tsa->add_option("--delay-ms", options.delay_ms, "Answer so late")->capture_default_str();
  tsa->add_option("--fault", options.fault, "Misbehave")->check(CLI::IsMember(faults))->capture_default_str();
  tsa->callback([&context] { guarded(context, [] { return run_tsa(options); }); });
  CLI::App* const pages = demo->add_subcommand("pages", "Serve the sample page from a folder; prints its address");
  pages->add_option("FOLDER", options.folder)->required();
  pages->add_option("--port", options.port, "0: any")->capture_default_str();
  pages->callback([&context] { guarded(context, [] { return run_pages(options); }); });
}

}  // namespace signet::agent
