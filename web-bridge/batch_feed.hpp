#pragma once

#include "face_state.hpp"
#include "outbox.hpp"

namespace signet::web_bridge {

// Sends the results and the progress of one batch to one connection, as fast as it takes them: results first, then the
// progress that counts them. Held by shared_ptr; the batch's listener knows it weakly. One thread.
class BatchFeed : public std::enable_shared_from_this<BatchFeed> {
 public:
  // Becomes the one that gets the batch's events; the one before gets no more. batch_unknown.
  static base::Result<std::shared_ptr<BatchFeed>> attach(std::shared_ptr<NativeFace::State> face, std::shared_ptr<Outbox> outbox,
                                                         const signing::Origin& origin, const std::string& handle);
  BatchFeed(std::shared_ptr<NativeFace::State> face, std::shared_ptr<Outbox> outbox, signing::Origin origin, std::string handle);

  bool ended() const { return ended_; }
  // Nothing is sent while it is held: the answer to a commit comes before the first result.
  void hold() { ++holds_; }
  void release();
  // Sends what is not acknowledged again, and the progress after it.
  void rewind();
  // Looks again whether there is something to do: after an acknowledgement.
  void wake();
  // Sends nothing more, and the batch has nobody who listens.
  void detach();

 private:
  using Clock = std::chrono::steady_clock;

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<bool> send_results(const signing::BatchProgress& progress);
  bool over(const signing::BatchProgress& progress) const;
  void results_ready();
  void progress_changed();

  std::shared_ptr<NativeFace::State> face_;
  std::shared_ptr<Outbox> outbox_;
  signing::Origin origin_;
  std::string handle_;
  boost::asio::steady_timer timer_;
  bool asleep_ = false;  // without a time set
  int holds_ = 0;
  bool ended_ = false;
  std::uint64_t after_ = 0;      // results up to here were sent
  std::size_t new_results_ = 0;  // told since they were last fetched
  bool results_left_ = true;     // there may be some that were not fetched
  bool progress_changed_ = true;
  std::optional<signing::BatchState> told_state_;
  Clock::time_point results_sent_{}, progress_sent_{};
  std::size_t result_bytes_ = 4096;  // of one, as they came last
};

}  // namespace signet::web_bridge
