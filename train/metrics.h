#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// A value of a record: a number, a count or a text.
using MetricValue = std::variant<double, std::int64_t, std::string>;

/// A file of JSON objects, one a line (JSON Lines), each on disk as soon as it is written, so that a run can be watched
/// and what a killed run measured is kept.
///
///   Metrics metrics("run.jsonl");
///   metrics.write({{"epoch", 1}, {"train_loss", 0.53}});
class Metrics {
 public:
  /// With an empty path nothing is written. Throws Error(io) where the file cannot be made.
  explicit Metrics(std::string path);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// NaN and infinities, which JSON does not have, become null. Throws Error(io) where writing fails.
  void write(const std::vector<std::pair<std::string, MetricValue>>& record);

 private:
  std::string path_;
  std::FILE* file_ = nullptr;
};

}  // namespace train
}  // namespace saw
