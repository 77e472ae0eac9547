#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <fstream>
#include <iostream>

#include "base/owned.hpp"
#include "base/text.hpp"
#include "demo/files.hpp"
#include "demo/pki.hpp"
#include "portal/identity.hpp"
#include "portal/program/command.hpp"
#include "portal/program/sandbox.hpp"
#include "service/files.hpp"

namespace signet::portal {
namespace {

constexpr std::size_t certificate_bytes = 1u << 20;

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

std::unexpected<base::Error> wrong(std::string what) {
  return base::failure(base::ErrorCode::parameter_invalid, std::move(what));
}

// A subcommand's database and its register.
struct Register {
  Configuration configuration;
  std::unique_ptr<Store> store;
  std::vector<Consumer> consumers;

  Consumer* find(const std::string& id) {
    const auto found = std::ranges::find(consumers, id, &Consumer::id);
    return found == consumers.end() ? nullptr : &*found;
  }
};

std::optional<Register> opened(Context& context) {
  auto configuration = configuration_of(context);
  if (!configuration) return {};
  auto store = store_of(context, *configuration);
  if (!store) return {};
  auto consumers = done(store->consumers());
  if (!consumers) {
    report(context, consumers.error());
    return {};
  }
  return Register{std::move(*configuration), std::move(store), std::move(*consumers)};
}

void say_no(Context& context, const std::string& what) {
  std::cerr << "signet-portal: " << what << '\n';
  context.exit_code = 1;
}

std::string lower_serial(std::string serial) {
  std::erase(serial, ':');
  serial = base::lower(serial);
  serial.erase(0, std::min(serial.find_first_not_of('0'), serial.empty() ? 0 : serial.size() - 1));
  return serial;
}

// By the certificate itself: its number, and the CA among the configured ones that issued it.
base::Result<ConsumerCertificate> registered(const pki::Certificate& certificate, const pki::TrustMaterial& cas) {
  const auto path = pki::validate_path(certificate, cas, now(), pki::Purpose::client_authentication);
  if (path.chain.size() < 2) return wrong("the certificate was not issued by one of the CAs in consumers.ca");
  return ConsumerCertificate{.serial_hex = lower_serial(certificate.serial_hex()),
                             .issuer_sha256 = base::hex(path.chain[1].fingerprint().bytes()),
                             .not_after = certificate.not_after()};
}

base::Result<pki::Certificate> certificate_in(const std::filesystem::path& file) {
  const auto content = service::read_file(file, certificate_bytes);
  if (!content) return std::unexpected(content.error());
  auto found = pki::certificates_in(*content);
  if (!found) return wrong(file.string() + " holds no certificate (PEM or DER)");
  return found->front();
}

// What names a certificate on the command line.
struct Named {
  std::string file, serial, ca, issue;
  bool overwrite = false;

  void add_to(CLI::App& command) {
    auto* const by_file = command.add_option("--certificate", file, "The consumer's system certificate (.cer, PEM or DER)");
    auto* const by_serial = command.add_option("--serial", serial, "Its serial number in hexadecimal, with --ca");
    command.add_option("--ca", ca, "The certificate of the CA that issued it")->needs(by_serial);
    auto* const by_issue =
        command.add_option("--issue", issue, "Make a test certificate in this folder (.p12 and PEM); sandbox only");
    command.add_flag("--overwrite", overwrite, "Files that --issue made there before are replaced")->needs(by_issue);
    by_file->excludes(by_serial)->excludes(by_issue);
    by_serial->excludes(by_issue);
  }
};

void write_file(const std::filesystem::path& file, const std::string& content, bool secret) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  if (secret) std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  out << content;
  if (!out.flush()) throw std::runtime_error(file.string() + " cannot be written");
}

// PKCS #12 with an empty password, as .NET, mono, Java and OpenSSL import it. The algorithms are the old ones on purpose: mono
// and Windows before Server 2019 read no AES in PKCS #12, and an empty password protects nothing in any of them.
std::string pkcs12(const demo::Identity& identity, const std::string& name) {
  constexpr int cipher = NID_pbe_WithSHA1And3_Key_TripleDES_CBC, without_mac = -1;
  const base::Owned<PKCS12, PKCS12_free> made{PKCS12_create("", name.c_str(), identity.key.get(), identity.certificate.native(),
                                                            nullptr, cipher, cipher, PKCS12_DEFAULT_ITER, without_mac, 0)};
  if (!made || PKCS12_set_mac(made.get(), "", 0, nullptr, 0, PKCS12_DEFAULT_ITER, EVP_sha1()) != 1)
    throw std::runtime_error("PKCS12_create failed");
  unsigned char* der = nullptr;
  const int size = i2d_PKCS12(made.get(), &der);
  if (size <= 0) throw std::runtime_error("i2d_PKCS12 failed");
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

// The sandbox's CA issues system certificates for tests too: consumers.ca must hold its certificate.
base::Result<pki::Certificate> issued(const Configuration& configuration, const std::string& id, const Named& named) {
  const std::filesystem::path folder = named.issue, file = folder / id;
  if (configuration.sandbox.empty())
    return wrong("--issue makes test certificates, which only a sandbox accepts (sandbox.folder)");
  try {
    // A key that is gone locks out whoever still uses it.
    for (const char* const extension : {".pem", ".key", ".p12"})
      if (!named.overwrite && std::filesystem::exists(file.string() + extension))
        return wrong(file.string() + extension + " is there already: name another folder, or say --overwrite");
    if (auto sandbox = Sandbox::open(configuration.sandbox, now()); !sandbox) return base::failure_of(sandbox);
    std::filesystem::create_directories(folder);
    demo::Authority authority(
        demo::read_identity(configuration.sandbox / "sandbox-ca.pem", configuration.sandbox / "sandbox-ca.key"), now());
    const demo::Identity made = authority.issue({.common_name = "TEST " + id});
    write_file(file.string() + ".pem", demo::pem(made.certificate), false);
    write_file(file.string() + ".key", demo::private_key_pem(made.key), true);
    write_file(file.string() + ".p12", pkcs12(made, id), true);
    return made.certificate;
  } catch (const std::exception& exception) {
    return base::failure(base::ErrorCode::file_failed, exception.what());
  }
}

base::Result<std::optional<ConsumerCertificate>> certificate_of(const Named& named, const std::string& id,
                                                                const Configuration& configuration) {
  if (!named.serial.empty()) {
    if (named.ca.empty()) return wrong("--serial needs --ca: a number alone lets nobody in");
    const auto ca = certificate_in(named.ca);
    if (!ca) return std::unexpected(ca.error());
    return ConsumerCertificate{
        .serial_hex = lower_serial(named.serial), .issuer_sha256 = base::hex(ca->fingerprint().bytes()), .not_after = {}};
  }
  if (named.file.empty() && named.issue.empty()) return std::optional<ConsumerCertificate>{};
  const auto certificate = named.issue.empty() ? certificate_in(named.file) : issued(configuration, id, named);
  if (!certificate) return std::unexpected(certificate.error());
  const auto cas = service::read_trust(configuration.consumer_cas);  // the sandbox may have been made just now
  if (!cas) return std::unexpected(cas.error());
  auto known = registered(*certificate, *cas);
  if (!known) return base::failure_of(known);
  return std::optional(std::move(*known));
}

boost::json::object shown(const Consumer& consumer) {
  boost::json::array certificates, addresses, urls;
  for (const auto& certificate : consumer.certificates) {
    boost::json::object one{{"serial", certificate.serial_hex}, {"issuer_sha256", certificate.issuer_sha256}};
    if (certificate.not_after) one["not_after"] = base::rfc3339(*certificate.not_after);
    certificates.push_back(std::move(one));
  }
  for (const auto& range : consumer.addresses) addresses.push_back(boost::json::value(range.text()));
  for (const auto& url : consumer.return_urls) urls.push_back(boost::json::value(url));
  return {{"id", consumer.id},
          {"name", consumer.name},
          {"environment", name(consumer.environment)},
          {"active", consumer.active},
          {"certificates", std::move(certificates)},
          {"addresses", std::move(addresses)},
          {"return_urls", std::move(urls)}};
}

void put(Context& context, Register& known, Consumer consumer, const std::string& said) {
  if (const auto problem = consumer_error(consumer); !problem.empty()) return say_no(context, problem);
  if (const auto put = done(known.store->put_consumer(std::move(consumer))); !put) {
    // What the register refuses, such as another's certificate, is the operator's to change, not the machine's.
    if (put.error().code == base::ErrorCode::parameter_invalid) return say_no(context, put.error().detail);
    return report(context, put.error());
  }
  std::cout << said << '\n';
}

// What `add` needs and `set` changes.
struct Changeable {
  std::string name;
  std::vector<std::string> addresses, return_urls;

  std::array<CLI::Option*, 3> add_to(CLI::App& command) {
    return {
        command.add_option("--name", name, "What people read on the Sign Page"),
        command.add_option("--address", addresses, "From where it calls: an address or a range such as 192.0.2.0/24; repeatable"),
        command.add_option("--return-url", return_urls,
                           "Where the Sign Page may lead back: the beginning of an address; repeatable")};
  }
  bool is_empty() const { return name.empty() && addresses.empty() && return_urls.empty(); }
  // What was given takes the place of what there was. Why not, or nothing.
  std::string put_into(Consumer& consumer) const {
    if (!name.empty()) consumer.name = name;
    if (!addresses.empty()) consumer.addresses.clear();
    for (const std::string& text : addresses) {
      const auto range = address_range(text);
      if (!range) return "--address " + text + " is no address and no range";
      consumer.addresses.push_back(*range);
    }
    if (!return_urls.empty()) consumer.return_urls = return_urls;
    return consumer_error(consumer);
  }
};

void add_add(CLI::App& consumer, Context& context) {
  auto* const command = consumer.add_subcommand("add", "Registers an e-service; it may call after `activate`");
  struct Options {
    Consumer consumer;
    Changeable given;
    Named named;
    std::string environment = "test";
  };
  auto options = std::make_shared<Options>();
  command->add_option("ID", options->consumer.id, "A short name for operators: a-z, 0-9, -")->required();
  command->add_option("--environment", options->environment, "test or production")
      ->check(CLI::IsMember({"test", "production"}))
      ->capture_default_str();
  for (CLI::Option* const needed : options->given.add_to(*command)) needed->required();
  command->add_flag("--active", options->consumer.active, "It may call at once");
  options->named.add_to(*command);
  command->callback([&context, options] {
    auto known = opened(context);
    if (!known) return;
    Consumer made = options->consumer;
    if (known->find(made.id) != nullptr) return say_no(context, "there is a consumer " + made.id + " already");
    made.environment = environment(options->environment).value_or(Environment::test);
    // First, so that no key is made for what is not registered.
    if (const auto problem = options->given.put_into(made); !problem.empty()) return say_no(context, problem);
    auto certificate = certificate_of(options->named, made.id, known->configuration);
    if (!certificate) return say_no(context, certificate.error().detail);
    if (!*certificate) return say_no(context, "how does it show who it is? --certificate, --serial with --ca, or --issue");
    made.certificates.push_back(std::move(**certificate));
    const std::string said =
        "registered " + made.id + (made.active ? "" : ": `signet-portal consumer activate " + made.id + "` lets it call");
    put(context, *known, std::move(made), said);
  });
}

void add_set(CLI::App& consumer, Context& context) {
  auto* const command =
      consumer.add_subcommand("set", "Changes what was registered; a list that is given takes the place of the old one");
  struct Options {
    std::string id;
    Changeable given;
  };
  auto options = std::make_shared<Options>();
  command->add_option("ID", options->id)->required();
  options->given.add_to(*command);
  command->callback([&context, options] {
    auto known = opened(context);
    if (!known) return;
    Consumer* const found = known->find(options->id);
    if (found == nullptr) return say_no(context, "there is no consumer " + options->id);
    if (options->given.is_empty()) return say_no(context, "what is to change? --name, --address or --return-url");
    if (const auto problem = options->given.put_into(*found); !problem.empty()) return say_no(context, problem);
    put(context, *known, *found, "changed " + found->id);
  });
}

void add_list(CLI::App& consumer, Context& context) {
  auto* const command = consumer.add_subcommand("list", "Who is registered");
  command->callback([&context] {
    const auto known = opened(context);
    if (!known) return;
    for (const Consumer& one : known->consumers) {
      if (context.json) {
        std::cout << boost::json::serialize(shown(one)) << '\n';
        continue;
      }
      std::cout << one.id << "  " << (one.active ? "active" : "not active") << "  " << name(one.environment) << "  " << one.name
                << '\n';
      for (const auto& certificate : one.certificates)
        std::cout << "  certificate " << certificate.serial_hex
                  << (certificate.not_after ? " until " + base::rfc3339(*certificate.not_after) : "")
                  << (certificate.not_after && *certificate.not_after < now() ? " EXPIRED" : "") << '\n';
      for (const auto& range : one.addresses) std::cout << "  from " << range.text() << '\n';
      for (const auto& url : one.return_urls) std::cout << "  back to " << url << '\n';
    }
  });
}

void add_switch(CLI::App& consumer, Context& context, const char* name_of_command, const char* description, bool active) {
  auto* const command = consumer.add_subcommand(name_of_command, description);
  auto id = std::make_shared<std::string>();
  command->add_option("ID", *id)->required();
  command->callback([&context, id, active] {
    auto known = opened(context);
    if (!known) return;
    Consumer* const found = known->find(*id);
    if (found == nullptr) return say_no(context, "there is no consumer " + *id);
    found->active = active;
    put(context, *known, *found, *id + (active ? " may call now" : " may not call any more"));
  });
}

void add_rotate(CLI::App& consumer, Context& context) {
  auto* const command = consumer.add_subcommand("rotate", "Adds a new certificate; the others stay until --only is said");
  struct Options {
    std::string id;
    Named named;
    bool only = false;
  };
  auto options = std::make_shared<Options>();
  command->add_option("ID", options->id)->required();
  options->named.add_to(*command);
  command->add_flag("--only", options->only, "Forget all other certificates (alone: all but the newest)");
  command->callback([&context, options] {
    auto known = opened(context);
    if (!known) return;
    Consumer* const found = known->find(options->id);
    if (found == nullptr) return say_no(context, "there is no consumer " + options->id);
    auto certificate = certificate_of(options->named, found->id, known->configuration);
    if (!certificate) return say_no(context, certificate.error().detail);
    if (!*certificate && !options->only)
      return say_no(context, "which certificate? --certificate, --serial with --ca, or --issue");
    if (*certificate) found->certificates.push_back(std::move(**certificate));
    if (options->only && found->certificates.size() > 1)
      found->certificates.erase(found->certificates.begin(), found->certificates.end() - 1);
    put(context, *known, *found,
        found->id + " has " + std::to_string(found->certificates.size()) + " certificate" +
            (found->certificates.size() == 1 ? "" : "s"));
  });
}

void add_remove(CLI::App& consumer, Context& context) {
  auto* const command = consumer.add_subcommand("remove", "Forgets it; its requests stay until they are deleted by age");
  auto id = std::make_shared<std::string>();
  command->add_option("ID", *id)->required();
  command->callback([&context, id] {
    auto known = opened(context);
    if (!known) return;
    const auto removed = done(known->store->remove_consumer(*id));
    if (!removed) return report(context, removed.error());
    if (!*removed) return say_no(context, "there is no consumer " + *id);
    std::cout << "removed " << *id << '\n';
  });
}

void add_test(CLI::App& consumer, Context& context) {
  auto* const command = consumer.add_subcommand("test", "Whether a caller would be let in, and by which rule not");
  struct Options {
    std::string certificate, from;
  };
  auto options = std::make_shared<Options>();
  command->add_option("--cert", options->certificate, "The certificate that it would present")->required();
  command->add_option("--from", options->from, "The address that it would call from")->required();
  command->callback([&context, options] {
    const auto known = opened(context);
    if (!known) return;
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(options->from, error);
    if (error) return say_no(context, options->from + " is no address");
    const auto certificate = certificate_in(options->certificate);
    if (!certificate) return say_no(context, certificate.error().detail);
    auto cas = service::read_trust(known->configuration.consumer_cas);
    if (!cas) return report(context, cas.error());
    Identity identity({std::move(*cas)});
    identity.know(known->consumers);
    const auto der = certificate->der();
    const base::Bytes presented(der.begin(), der.end());
    const auto who = identity.of(&presented, address, now());
    if (!who) return say_no(context, std::string(name(who.error().code)) + ": " + who.error().reason);
    std::cout << "let in as " << (*who)->id << " (" << (*who)->name << ")\n";
  });
}

}  // namespace

void add_consumer(CLI::App& app, Context& context) {
  auto* const consumer = app.add_subcommand("consumer", "The e-services that may call");
  consumer->require_subcommand(1);
  add_add(*consumer, context);
  add_set(*consumer, context);
  add_list(*consumer, context);
  add_switch(*consumer, context, "activate", "Lets it call", true);
  add_switch(*consumer, context, "deactivate", "Lets it call no more", false);
  add_rotate(*consumer, context);
  add_remove(*consumer, context);
  add_test(*consumer, context);
}

}  // namespace signet::portal
