#pragma once

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <map>
#include <memory>

#include "agent/configuration.hpp"
#include "agent/screen.hpp"
#include "signing/dialog.hpp"
#include "signing/turns.hpp"

namespace signet::agent {

// The dialogs of a desktop or a terminal, by pinentry, one at a time, in the agent's language.
class PinentryDialog : public signing::Dialog {
 public:
  PinentryDialog(boost::asio::any_io_executor executor, Configuration::Dialog options, std::function<Screen()> screen);
  ~PinentryDialog() override;

  boost::asio::awaitable<base::Result<signing::ConsentAnswer>> consent(signing::ConsentRequest request, WaitingCallback waiting) override;
  boost::asio::awaitable<base::Result<std::size_t>> choose(signing::Origin origin, std::vector<signing::SigningCertificate> certificates,
                                                           WaitingCallback waiting) override;
  void close(const signing::Origin& origin) override;

 private:
  template <class T>
  boost::asio::awaitable<base::Result<T>> ask(signing::Origin origin, signing::Waiting::For what, WaitingCallback waiting,
                                              std::function<base::Result<T>(const Screen&)> dialog);

  Configuration::Dialog options_;
  std::function<Screen()> screen_;
  std::shared_ptr<signing::Turns> turns_;
  boost::asio::thread_pool thread_{1};
  std::string open_for_;                  // whose dialog is open
  std::map<std::string, unsigned> closes_;  // by origin: a dialog that waited meanwhile is not opened any more
  std::atomic<int> process_{0};           // of the open dialog, to close it
};

// What the dialog says, exposed for tests: never longer than pinentry takes, the origin and the count always whole.
std::string consent_text(const signing::ConsentRequest& request);
std::string choice_text(const signing::Origin& origin, const signing::SigningCertificate& certificate, std::size_t number, std::size_t of);

}  // namespace signet::agent
