#pragma once

#include <boost/asio/thread_pool.hpp>

#include <list>
#include <memory>

#include "agent/configuration.hpp"
#include "agent/screen.hpp"
#include "signing/dialog.hpp"
#include "signing/turns.hpp"

namespace signet::agent {

// The dialogs of a desktop or a terminal, by pinentry, one at a time, in the language of who asks.
class PinentryDialog : public signing::Dialog {
 public:
  // `language` gives the language of an origin's pages, empty for the agent's own; `screen` is called on the dialog thread.
  PinentryDialog(boost::asio::any_io_executor executor, Configuration::Dialog options, std::function<Screen()> screen,
                 std::function<std::string(const signing::Origin&)> language);
  ~PinentryDialog() override;

  boost::asio::awaitable<base::Result<signing::ConsentAnswer>> consent(signing::ConsentRequest request, WaitingCallback waiting) override;
  boost::asio::awaitable<base::Result<signing::PinEntry>> enter_pins(signing::PinEntryRequest request, WaitingCallback waiting) override;
  boost::asio::awaitable<base::Result<std::size_t>> choose(signing::Asker asker, signing::Origin origin,
                                                           std::vector<signing::SigningCertificate> certificates,
                                                           WaitingCallback waiting) override;
  void close(const signing::Asker& asker) override;

 private:
  class Question;
  template <class T>
  boost::asio::awaitable<base::Result<T>> ask(signing::Asker asker, signing::Origin origin, signing::Waiting::For what,
                                              WaitingCallback waiting,
                                              std::function<base::Result<T>(const Screen&, Question&)> dialog);
  base::Result<signing::PinEntry> talk_about_pins(const signing::PinEntryRequest& request, const Screen& screen, Question& question);
  base::Result<bool> confirmed(const std::string& text, const Screen& screen, Question& question);
  base::Result<base::Secret> old_secret(const signing::PinEntryRequest& request, const Screen& screen, Question& question);
  base::Result<base::Secret> new_pin(const signing::PinEntryRequest& request, const Screen& screen, Question& question);
  template <class Talk>
  auto with_pinentry(const Screen& screen, Question& question, Talk talk);

  Configuration::Dialog options_;
  std::function<Screen()> screen_;
  std::function<std::string(const signing::Origin&)> language_;
  std::shared_ptr<signing::Turns> turns_;
  boost::asio::thread_pool thread_{1};
  std::list<std::weak_ptr<Question>> questions_;  // the open one and those that wait their turn
};

// What the dialog says, exposed for tests: never longer than pinentry takes, the origin and the count always whole.
std::string consent_text(const signing::ConsentRequest& request);
// What the person is asked to state, in a dialog before; empty where it is in the text above, or nothing is stated.
std::string statements_text(const signing::ConsentRequest& request);
std::string old_secret_text(const signing::PinEntryRequest& request);
std::string new_pin_text(const signing::PinEntryRequest& request);
std::string last_try_text(const signing::PinEntryRequest& request);
std::string choice_text(const signing::Origin& origin, const signing::SigningCertificate& certificate, std::size_t number, std::size_t of);

}  // namespace signet::agent
