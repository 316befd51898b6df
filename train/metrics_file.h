#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// A value of a record: a number, a count or a text.
using MetricValue = std::variant<double, std::int64_t, std::string>;

/// What becomes of a file of an earlier run.
struct MetricsFileOptions {
  /// A file of records of an earlier run is emptied when the first record is written. Otherwise it is refused.
  bool replace = false;
  /// Goes on with the file of an earlier run, where there is one, behind this step: the records of later steps, and a
  /// line that was cut off, are removed. A record without a step belongs to that of the record before it.
  std::optional<std::int64_t> resume_step = {};
  /// The name of the count that `resume_step` is about.
  std::string step = "step";
};

/// A file of JSON objects, one a line (JSON Lines), each handed to the system whole and at once, so that a run can be
/// watched and what a killed run measured is kept.
///
///   MetricsFile metrics("run.jsonl", {.replace = true});
///   metrics.write({{"step", 100}, {"train_loss", 0.53}});
class MetricsFile {
 public:
  /// With an empty path nothing is written. Nothing that exists is changed here, unless by resume_step. Throws
  /// Error(io) where the file cannot be made or written; for a file with something in it, unless it is to be replaced
  /// or gone on with; and, then too, for a file that holds something else than records.
  explicit MetricsFile(std::string path, const MetricsFileOptions& options = {});
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /// Whether a record of an earlier run that was kept holds a value of this name.
  bool has(std::string_view name) const;

  /// NaN and infinities, which JSON does not have, become null, and bytes that are not UTF-8 become U+FFFD. Throws
  /// Error(io) where writing fails; the file ends with the record before then.
  void write(const std::vector<std::pair<std::string, MetricValue>>& record);

 private:
  struct File;

  std::unique_ptr<File> file_;
};

}  // namespace train
}  // namespace saw
