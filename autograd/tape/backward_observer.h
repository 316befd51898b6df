#pragma once

#include <functional>

#include "saw/autograd/tape/op_info.h"

namespace [[gnu::visibility("default")]] saw {

/// While it lives, hears of every op's backward that this thread runs: when it begins (`begins` is true) and when it
/// has ended. For profilers; OpObserver is its counterpart for what ops compute forward.
class BackwardObserver {
 public:
  explicit BackwardObserver(std::function<void(const OpInfo&, bool begins)> observer);
  ~BackwardObserver();
  BackwardObserver(const BackwardObserver&) = delete;
  BackwardObserver& operator=(const BackwardObserver&) = delete;

 private:
  std::function<void(const OpInfo&, bool begins)> saved_;
};

}  // namespace saw
