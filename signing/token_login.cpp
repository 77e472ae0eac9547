#include "token_login.hpp"

#include <algorithm>

namespace signet::signing {

using base::ErrorCode;
using base::failure;
using boost::asio::awaitable;

awaitable<base::Result<pkcs11::TokenPlace>> TokenLogins::find(pkcs11::TokenPlace wanted) {
  base::Result<std::vector<pkcs11::Token>> tokens;
  // Another's PIN was wiped, and its host ended with it: that is no reason to drop what was typed for this one.
  const auto again = [&] { return !tokens && pkcs11::ended_on_purpose(tokens.error()); };
  for (int asked = 0; asked == 0 || (asked < pkcs11::most_hosts_asked && again()); ++asked) {
    auto host = co_await modules_.host(wanted.module);
    if (!host) co_return base::failure_of(host);
    tokens = co_await (*host)->tokens();
  }
  if (!tokens) co_return base::failure_of(tokens);
  for (pkcs11::Token& token : *tokens) {
    if (token.serial == wanted.token.serial && token.manufacturer == wanted.token.manufacturer &&
        token.label == wanted.token.label)
      co_return pkcs11::TokenPlace{wanted.module, std::move(token)};
  }
  co_return failure(ErrorCode::token_removed, "the token is not there any more");
}

bool TokenLogins::pin_missing(const pkcs11::TokenPlace& place, const PinOwner& owner) const {
  if (!place.token.login_required) return false;
  const auto login = logins_.find(place.module);
  // Who signs with a host may still hold it when it has died.
  const auto host = login == logins_.end() ? nullptr : login->second.host.lock();
  const bool logged_in = host != nullptr && host->alive() && login->second.owner == owner;
  if (place.token.protected_authentication_path) return !logged_in;
  // The PIN may have been changed elsewhere since it was accepted: that must not cost the last try unasked.
  return pins_.find(owner) == nullptr || (place.token.pin_final_try && !logged_in);
}

awaitable<base::Result<ReadyKey>> TokenLogins::ready(pkcs11::TokenPlace place, PinOwner owner, std::optional<base::Secret> typed,
                                                     base::Time now) {
  auto host = co_await modules_.host(place.module);
  if (!host) co_return base::failure_of(host);
  if (place.token.login_required) {
    const auto before = logins_.find(place.module);
    const bool same_host = before != logins_.end() && before->second.host.lock() == *host && (*host)->alive();
    if (same_host && before->second.owner != owner) {
      const auto out = co_await (*host)->logout(before->second.slot_id);  // perhaps another slot of the same card
      logins_.erase(place.module);
      if (!out) {
        co_await (*host)->end();  // nobody would know of its login any more
        co_return std::unexpected(out.error());
      }
    }
    // Of a host that is gone: whoever wipes that login must not end this one.
    if (!same_host) logins_.erase(place.module);
    if (!logins_.contains(place.module)) {
      const base::Secret* const kept = typed ? nullptr : pins_.find(owner);
      const bool reader = place.token.protected_authentication_path;
      if (!typed && kept == nullptr && !reader) co_return failure(ErrorCode::user_cancelled, "no PIN was given");
      auto login = co_await (*host)->login(place.token, reader ? nullptr : typed ? &*typed : kept);
      std::optional<base::Error> refused;
      if (!login) {
        // The host died or was ended in the call: whether the token counted the try is unknown, so the PIN is not used again.
        refused = login.error();
      } else if (login->error) {
        refused = login->error;
        if (refused->code == ErrorCode::pin_incorrect && login->token.pin_final_try) refused->tries_left = 1;
        if (refused->code == ErrorCode::pin_incorrect && login->token.pin_locked) refused->code = ErrorCode::pin_locked;
        if (refused->code == ErrorCode::pin_locked) refused->tries_left = 0;
      }
      if (refused) {
        typed.reset();
        pins_.wipe(owner);
        co_await (*host)->end();
        co_return std::unexpected(*refused);
      }
      logins_.insert_or_assign(place.module, Login{owner, *host, place.token.slot_id});
      if (typed) pins_.keep(owner, std::move(*typed), now);
      const auto kept_for = pins_.token_serials();
      std::erase_if(module_of_, [&](const auto& row) { return !kept_for.contains(row.first); });
      module_of_.insert_or_assign(owner.token_serial, place.module);
    }
  }
  auto key = co_await (*host)->key(place.token.slot_id, owner.cka_id, place.token.quirks);
  if (!key) co_return base::failure_of(key);
  co_return ReadyKey{*host, *key};
}

awaitable<void> TokenLogins::end_hosts(std::vector<std::size_t> modules) {
  std::vector<awaitable<void>> ends;
  for (std::size_t module : modules) {
    const auto login = logins_.extract(module);
    // Asked now, all of them: where another module is being started, Modules' turn may be half a minute away.
    if (const auto host = login.empty() ? nullptr : login.mapped().host.lock()) ends.push_back(host->end());
  }
  for (awaitable<void>& end : ends) co_await std::move(end);
}

awaitable<void> TokenLogins::end_logins(std::vector<PinOwner> owners) {
  std::vector<std::size_t> modules;
  for (const auto& [module, login] : logins_) {
    for (const PinOwner& owner : owners) {
      if (login.owner == owner) modules.push_back(module);
    }
  }
  co_await end_hosts(std::move(modules));
}

awaitable<void> TokenLogins::end_login(PinOwner owner) { co_await end_logins({std::move(owner)}); }

awaitable<void> TokenLogins::wipe(PinOwner owner) {
  pins_.wipe(owner);
  co_await end_logins({std::move(owner)});
}

awaitable<void> TokenLogins::wipe_all(std::set<PinOwner> in_use) {
  pins_.wipe_all(in_use);
  std::vector<std::size_t> modules;
  for (const auto& [module, login] : logins_) {
    if (!in_use.contains(login.owner)) modules.push_back(module);
  }
  co_await end_hosts(std::move(modules));
}

awaitable<void> TokenLogins::wipe_token(std::string serial) {
  pins_.wipe_token(serial);
  std::vector<std::size_t> modules;
  for (const auto& [module, login] : logins_) {
    if (login.owner.token_serial == serial) modules.push_back(module);
  }
  co_await end_hosts(std::move(modules));
}

awaitable<void> TokenLogins::wipe_expired(base::Time now, std::set<PinOwner> in_use) {
  co_await end_logins(pins_.wipe_expired(now, in_use));
}

awaitable<void> TokenLogins::look_after(std::size_t module, pkcs11::Modules::Change what) {
  using enum pkcs11::Modules::Change;
  std::set<std::string> gone;
  const auto login = logins_.find(module);
  auto host = login == logins_.end() ? nullptr : login->second.host.lock();
  if (host != nullptr && !host->alive()) host = nullptr;
  if (login != logins_.end()) gone.insert(login->second.owner.token_serial);
  // Of a host that ended alone nobody else's token went.
  if (what != host_ended || host != nullptr) {
    for (const std::string& serial : pins_.token_serials()) {
      if (const auto known = module_of_.find(serial); known != module_of_.end() && known->second == module) gone.insert(serial);
    }
  }
  if (gone.empty()) co_return;
  if (what != pulled) {
    // What is kept may outlive its login; no host is started only to look.
    if (host == nullptr && what != host_ended && modules_.states().at(module).running) {
      if (auto running = co_await modules_.host(module)) host = std::move(*running);
    }
    auto tokens =
        host == nullptr ? std::vector<pkcs11::Token>{} : (co_await host->tokens()).value_or(std::vector<pkcs11::Token>{});
    for (const pkcs11::Token& token : tokens) gone.erase(token.serial);
  }
  for (const std::string& serial : gone) co_await wipe_token(serial);
}

}  // namespace signet::signing
