#include <boost/json.hpp>
#include <iostream>

#include "base/text.hpp"
#include "portal/program/command.hpp"

namespace signet::portal {
namespace {

base::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

// What operators may see: no names of people, no texts of e-services, no hashes.
boost::json::object shown(const StoredRequest& request) {
  boost::json::object shown{{"id", request.id},
                            {"consumer", request.consumer_id},
                            {"status", name(request.status)},
                            {"contents", request.contents},
                            {"signed", request.results},
                            {"posted", base::rfc3339(request.posted_at)},
                            {"expires", base::rfc3339(request.expires_at)}};
  if (!request.instrument.empty()) shown["instrument"] = request.instrument;
  if (!request.reason.empty()) shown["reason"] = request.reason;
  if (request.ended_at) shown["ended"] = base::rfc3339(*request.ended_at);
  if (request.contents_deleted) shown["contents_deleted"] = true;
  return shown;
}

void print(const Context& context, const std::vector<StoredRequest>& requests) {
  for (const StoredRequest& request : requests) {
    if (context.json) {
      std::cout << boost::json::serialize(shown(request)) << '\n';
      continue;
    }
    std::cout << request.id << "  " << base::rfc3339(request.posted_at) << "  " << name(request.status) << "  " << request.results
              << '/' << request.contents << "  " << request.consumer_id
              << (request.instrument.empty() ? "" : "  " + request.instrument)
              << (request.reason.empty() ? "" : "  " + request.reason) << '\n';
  }
}

}  // namespace

void add_requests(CLI::App& app, Context& context) {
  auto* const requests = app.add_subcommand("requests", "What was posted: without texts, hashes and people");
  requests->require_subcommand(1);

  auto* const list = requests->add_subcommand("list", "The newest requests");
  auto listing = std::make_shared<Store::Listing>();
  auto status = std::make_shared<std::string>();
  list->add_option("--consumer", listing->consumer_id, "Of this consumer only");
  list->add_option("--status", *status, "pending, success, failure or expired")
      ->check(CLI::IsMember({"pending", "success", "failure", "expired"}));
  list->add_option("--count", listing->count, "At most so many")->check(CLI::Range(1, 10'000))->capture_default_str();
  list->callback([&context, listing, status] {
    const auto configuration = configuration_of(context);
    if (!configuration) return;
    const auto store = store_of(context, *configuration);
    if (!store) return;
    for (const auto one : {SignStatus::pending, SignStatus::success, SignStatus::failure, SignStatus::expired}) {
      std::string known(name(one));
      known.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(known.front())));
      if (known == *status) listing->status = one;
    }
    const auto found = done(store->list(*listing, now()));
    if (!found) return report(context, found.error());
    print(context, *found);
  });

  auto* const show = requests->add_subcommand("show", "One request");
  auto id = std::make_shared<std::string>();
  show->add_option("ID", *id, "32 hexadecimal digits")->required();
  show->callback([&context, id] {
    const auto configuration = configuration_of(context);
    if (!configuration) return;
    const auto store = store_of(context, *configuration);
    if (!store) return;
    const auto found = done(store->request(*id, now()));
    if (!found) return report(context, found.error());
    if (!*found) {
      std::cerr << "signet-portal: there is no request " << base::shown(*id, 40) << '\n';
      context.exit_code = 1;
      return;
    }
    print(context, {**found});
  });
}

}  // namespace signet::portal
