#pragma once

#include <functional>
#include <string>

namespace [[gnu::visibility("default")]] saw {

/// Names where in a model this thread is computing: every Error that is made while it lives, and every message of
/// anomaly mode, says so. Modules open one in forward. It costs two pointers; work that parallel_for hands to other
/// threads is inside it, too.
class ModuleScope {
 public:
  /// `path` is called only when a message needs it; null and "" name nothing.
  explicit ModuleScope(const std::function<std::string()>* path);
  ~ModuleScope();
  ModuleScope(const ModuleScope&) = delete;
  ModuleScope& operator=(const ModuleScope&) = delete;

  /// That of this thread's innermost scope, or null: to be carried to another thread.
  static const std::function<std::string()>* current();

 private:
  const std::function<std::string()>* saved_;
};

/// The path of the module that this thread is in: "encoder.layers.3.linear1"; "" outside.
std::string current_module_path();

}  // namespace saw
