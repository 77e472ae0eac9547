#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "agent/screen.hpp"
#include "base/secret.hpp"

namespace signet::agent {

// One conversation with one pinentry process over Assuan, on the calling thread; every call may block as long as a person
// thinks. All that libassuan allocates is locked and zeroed: it keeps the PIN in a line buffer until it is released, so one
// object is made for each dialog and gone after it. The process ignores SIGPIPE: the program may end at any line.
class Pinentry {
 public:
  // no_dialog_possible if the program cannot be started. It is spoken to by greet() first.
  static base::Result<Pinentry> start(const std::string& program, const Screen& screen);
  // Reads the greeting and sets what the screen tells. A program that lets one of these lines, or later one of set(), wait for
  // longer than `patience` is ended: no_dialog_possible.
  base::Result<void> greet(const Screen& screen, std::chrono::milliseconds patience = usual_patience);
  Pinentry(Pinentry&&) noexcept;
  Pinentry& operator=(Pinentry&&) noexcept;
  ~Pinentry();

  // Ends the conversation from another thread, also before the greeting: the call under way, if any, says user_cancelled soon.
  void interrupt() const;

  // SETDESC and the like; the text is escaped here. parameter_invalid if the line would be longer than pinentry takes.
  base::Result<void> set(const std::string& command, const std::string& text);

  enum class Answer : std::uint8_t { ok, not_ok, cancelled };
  base::Result<Answer> confirm();
  // user_cancelled; the PIN as typed, possibly empty. `repeated`: the program asked for it twice itself (SETREPEAT) and both were
  // the same; not every pinentry can.
  struct Typed {
    base::Secret pin;
    bool repeated = false;
  };
  base::Result<Typed> get_pin();

  // No person is waited for: only a program that starts, perhaps from a slow disk.
  static constexpr std::chrono::milliseconds usual_patience{10'000};

 private:
  struct State;
  base::Result<void> transact(const std::string& line);
  explicit Pinentry(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Pinentry takes lines of about 1000 bytes; texts are composed to fewer.
inline constexpr std::size_t most_escaped_bytes = 900;
std::string assuan_escaped(std::string_view text);

}  // namespace signet::agent
