#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "portal/contract.hpp"

namespace signet::portal {

// Messages that ask for a request's state, as their senders write them: each time the same bytes, but for the id. What the parser
// has read once in one of them it need not read again. One thread.
class KnownForms {
 public:
  // What the message asks for, if it is a known one but for its id.
  std::optional<GetSignResponse> read(std::string_view message, std::string_view soap_action);

  // Keeps a message's form if `parse` reads another id, in the place of its own, as just that. An id that is not as the portal
  // makes them, or stands there more than once, is not kept; and nothing more where what is kept is of no use, as with senders
  // who write a number of their own into each message.
  using Parse = std::function<std::optional<GetSignResponse>(std::string_view message)>;
  void learn(std::string_view message, std::string_view soap_action, const GetSignResponse& asked, const Parse& parse);

 private:
  struct Form {
    std::string before, after, soap_action;
    std::optional<std::string> language;
  };
  static constexpr std::size_t most_forms = 8;
  static constexpr int most_tries = 32;

  std::vector<Form> forms_;
  std::size_t next_ = 0;         // the one that makes way
  int tries_left_ = most_tries;  // each message that was known gives one back
};

}  // namespace signet::portal
