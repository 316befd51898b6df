#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace saw {
namespace data {

/// Items 0, 1, 2, …, made ahead on background threads and handed out in order. At most `ahead` items are made or being
/// made that have not been handed out: memory is bounded. With ahead = 0 there is no thread, and next() makes the item.
///
/// What making throws comes out of next() once the items before it are used up, and then on every call.
class ReadAhead {
 public:
  using Item = std::shared_ptr<void>;
  /// Makes an item; several threads may be in it, with one a call ends before the next begins. It may give nothing
  /// when it was asked to stop.
  using Make = std::function<Item(std::int64_t number, const std::stop_token& stop)>;

  ReadAhead(Make make, std::int64_t ahead, std::int64_t threads);
  /// Asks all threads to stop and waits for what they are making.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  Item next();

 private:
  struct Made {
    Item item;
    std::exception_ptr error;
  };

  void work(const std::stop_token& stop);
  Made make(std::int64_t number, const std::stop_token& stop) const;

  const Make make_;
  const std::int64_t ahead_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::int64_t, Made> made_;
  std::int64_t claimed_ = 0;  // items that a thread has begun
  std::int64_t given_ = 0;    // and that next() has handed out
  bool failed_ = false;       // nothing more is begun

  std::vector<std::jthread> threads_;  // the last member: they stop before what they use goes away
};

}  // namespace data
}  // namespace saw
