#pragma once

#include <functional>
#include <utility>

namespace [[gnu::visibility("default")]] saw {

/// What registering a hook returns. The hook stays where the handle is let go of; remove() takes it away.
class HookHandle {
 public:
  HookHandle() = default;
  /// For those who keep hooks: `remove` may be called when what had the hook is gone.
  explicit HookHandle(std::function<void()> remove) : remove_(std::move(remove)) {}

  /// The hook runs no more, also in a backward that is under way. A second call does nothing.
  void remove() {
    if (remove_) std::exchange(remove_, nullptr)();
  }

 private:
  std::function<void()> remove_;
};

}  // namespace saw
