#include "batch_feed.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "answers.hpp"

namespace signet::web_bridge {

using boost::asio::awaitable;
using signing::BatchState;

BatchFeed::BatchFeed(std::shared_ptr<NativeFace::State> face, std::shared_ptr<Outbox> outbox, signing::Origin origin,
                     std::string handle)
    : face_(std::move(face)),
      outbox_(std::move(outbox)),
      origin_(std::move(origin)),
      handle_(std::move(handle)),
      timer_(face_->executor) {}

base::Result<std::shared_ptr<BatchFeed>> BatchFeed::attach(std::shared_ptr<NativeFace::State> face,
                                                           std::shared_ptr<Outbox> outbox, const signing::Origin& origin,
                                                           const std::string& handle) {
  const auto progress = face->batches.progress(origin, handle);
  if (!progress) return std::unexpected(progress.error());
  if (const auto before = face->feeds[handle].lock()) before->detach();
  const auto feed = std::make_shared<BatchFeed>(face, outbox, origin, handle);
  feed->after_ = progress->acknowledged;
  face->feeds[handle] = feed;
  const std::weak_ptr weak = feed;
  signing::BatchListener listener;
  listener.results_ready = [weak] {
    if (const auto alive = weak.lock()) alive->results_ready();
  };
  listener.progress_changed = [weak] {
    if (const auto alive = weak.lock()) alive->progress_changed();
  };
  listener.waiting = [outbox, handle](const signing::Waiting& waiting) { outbox->put(waiting_event(handle, waiting)); };
  if (auto listening = face->batches.listen(origin, handle, std::move(listener)); !listening) return base::failure_of(listening);
  boost::asio::co_spawn(face->executor, [feed] { return feed->run(); }, boost::asio::detached);
  return feed;
}

void BatchFeed::release() {
  --holds_;
  wake();
}

void BatchFeed::rewind() {
  if (const auto progress = face_->batches.progress(origin_, handle_)) after_ = std::min(after_, progress->acknowledged);
  results_left_ = true;
  progress_changed_ = true;
  told_state_.reset();
  wake();
}

void BatchFeed::wake() { timer_.cancel(); }

void BatchFeed::progress_changed() {
  progress_changed_ = true;
  wake();
}

void BatchFeed::results_ready() {
  results_left_ = true;
  ++new_results_;
  // Called for each signature: wake only for a whole message, or to set the time when fewer are sent.
  if (asleep_ || new_results_ >= face_->options.limits.results_per_message) timer_.cancel();
}

void BatchFeed::detach() {
  if (std::exchange(ended_, true)) return;
  timer_.cancel();
  face_->feeds.erase(handle_);
  (void)face_->batches.listen(origin_, handle_, {});  // batch_unknown: closed
}

bool BatchFeed::over(const signing::BatchProgress& progress) const {
  // Not so for a cancelled one: the signature in flight may still come.
  return progress.state == BatchState::complete && told_state_ == progress.state && progress.acknowledged >= progress.results &&
         progress.time_stamps_missing == 0;
}

awaitable<void> BatchFeed::run() {
  const auto self = shared_from_this();
  const NativeLimits& limits = face_->options.limits;
  while (!ended_) {
    const auto progress = face_->batches.progress(origin_, handle_);
    if (!progress) break;
    const auto now = Clock::now();
    auto next = Clock::time_point::max();
    if (holds_ == 0) {
      if (results_left_) {
        const bool all_at_once =
            progress->state != BatchState::running || progress->results >= after_ + limits.results_per_message;
        if (all_at_once || now >= results_sent_ + limits.results_interval) {
          if (!co_await send_results(*progress)) break;
          continue;
        }
        next = results_sent_ + limits.results_interval;
      }
      if (progress_changed_ && progress->state != BatchState::collecting) {
        if (told_state_ != progress->state || now >= progress_sent_ + limits.progress_interval) {
          progress_changed_ = false;
          told_state_ = progress->state;
          progress_sent_ = now;
          if (!co_await outbox_->send(progress_event(handle_, *progress))) break;
          continue;
        }
        next = std::min(next, progress_sent_ + limits.progress_interval);
      }
      if (over(*progress)) break;  // nothing more can come: let the batch be forgotten
    }
    asleep_ = next == Clock::time_point::max();
    timer_.expires_at(next);
    co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    asleep_ = false;
  }
  detach();
}

awaitable<bool> BatchFeed::send_results(const signing::BatchProgress& progress) {
  const NativeLimits& limits = face_->options.limits;
  const std::size_t most = std::clamp<std::size_t>(limits.results_bytes / result_bytes_, 1, limits.results_per_message);
  auto results = face_->batches.results(origin_, handle_, after_, most);
  if (!results) co_return false;
  new_results_ = 0;
  if (results->empty()) {
    results_left_ = false;
    co_return true;
  }
  results_left_ = results->back().sequence < progress.results || results->size() == most;
  after_ = results->back().sequence;
  results_sent_ = Clock::now();
  std::size_t largest = 1;
  for (auto first = results->begin(); first != results->end();) {
    auto last = first;
    for (std::size_t bytes = 0;
         last != results->end() && (last == first || bytes + last->document.size() <= limits.results_bytes); ++last) {
      bytes += last->document.size();
      largest = std::max(largest, last->document.size());
    }
    if (!co_await outbox_->send(results_event(handle_, {first, last}))) co_return false;
    first = last;
  }
  result_bytes_ = largest;
  co_return true;
}

}  // namespace signet::web_bridge
