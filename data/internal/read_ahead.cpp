#include "saw/data/internal/read_ahead.h"

#include <algorithm>
#include <utility>

namespace saw {
namespace data {

ReadAhead::ReadAhead(Make make, std::int64_t ahead, std::int64_t threads) : make_(std::move(make)), ahead_(ahead) {
  const std::int64_t count = std::min(ahead, threads);  // one more would never have anything to do
  for (std::int64_t i = 0; i < count; ++i) threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
}

ReadAhead::~ReadAhead() {
  for (std::jthread& thread : threads_) thread.request_stop();  // all of them before one is waited for
}

ReadAhead::Made ReadAhead::make(std::int64_t number, const std::stop_token& stop) const {
  try {
    return {make_(number, stop), nullptr};
  } catch (...) {
    return {nullptr, std::current_exception()};
  }
}

void ReadAhead::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!changed_.wait(lock, stop, [this] { return !failed_ && claimed_ - given_ < ahead_; })) return;
    const std::int64_t number = claimed_++;
    lock.unlock();
    Made made = make(number, stop);
    lock.lock();
    if (!made.item && !made.error) return;  // it was told to stop
    failed_ = failed_ || made.error;
    made_.emplace(number, std::move(made));
    changed_.notify_all();
  }
}

ReadAhead::Item ReadAhead::next() {
  std::unique_lock lock(mutex_);
  if (threads_.empty() && !made_.contains(given_)) made_.emplace(given_, make(given_, {}));
  changed_.wait(lock, [this] { return made_.contains(given_); });
  const auto first = made_.find(given_);
  if (first->second.error) std::rethrow_exception(first->second.error);
  Item item = std::move(first->second.item);
  made_.erase(first);
  ++given_;
  lock.unlock();
  changed_.notify_all();
  return item;
}

}  // namespace data
}  // namespace saw
