#include "saw/train/metrics_file.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/train/internal/append_file.h"

namespace saw::train {
namespace {

/// Where the records that are kept end.
struct Kept {
  std::size_t end = 0;
  bool needs_line_end = false;  // the last record is whole, only its line end did not reach the disk
  std::set<std::string, std::less<>> names = {};
};

Kept kept_records(const std::string& path, const MetricsFileOptions& options) {
  const std::string text = data::read_file(path);
  Kept kept;
  std::int64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    ++number;
    const std::size_t line_end = text.find('\n', at);
    const bool last = line_end == std::string::npos || line_end + 1 == text.size();
    const std::string_view line = std::string_view(text).substr(at, std::min(line_end, text.size()) - at);
    const nlohmann::json record = nlohmann::json::parse(line, nullptr, false);
    if (!record.is_object()) {
      // A run that was killed may have left half a record, but only as the last one, and only behind others.
      if (last && at > 0) return kept;
      fail(ErrorKind::io, "{}:{}: not a record of metrics (a JSON object); the file is left as it is", path, number);
    }
    const auto step = record.find(options.step);
    if (options.resume_step && step != record.end() && step->is_number_integer() &&
        step->get<std::int64_t>() > *options.resume_step)
      return kept;
    kept.end = at = std::min(line_end, text.size() - 1) + 1;
    kept.needs_line_end = line_end == std::string::npos;
    for (const auto& [name, value] : record.items()) kept.names.insert(name);
  }
  return kept;
}

}  // namespace

struct MetricsFile::File {
  explicit File(const std::string& path) : out(path) {}

  AppendFile out;
  std::set<std::string, std::less<>> kept_names = {};
  bool begins_anew = false;  // what is there makes room for the first record
};

MetricsFile::MetricsFile(std::string path, const MetricsFileOptions& options) {
  if (path.empty()) return;
  file_ = std::make_unique<File>(path);
  if (!file_->out.is_regular() || file_->out.size() == 0) return;
  if (options.resume_step) {
    Kept kept = kept_records(path, options);
    file_->kept_names = std::move(kept.names);
    file_->out.truncate(kept.end);
    if (kept.needs_line_end) file_->out.append("\n");
  } else if (options.replace) {
    kept_records(path, {});  // throws where it holds something else
    file_->begins_anew = true;
  } else {
    fail(ErrorKind::io, "{}: exists and is not empty; name another file, or resume the run that wrote it", path);
  }
}

MetricsFile::~MetricsFile() = default;

bool MetricsFile::has(std::string_view name) const { return file_ && file_->kept_names.contains(name); }

void MetricsFile::write(const std::vector<std::pair<std::string, MetricValue>>& record) {
  if (!file_) return;
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const auto& [name, value] : record) std::visit([&, &key = name](const auto& v) { object[key] = v; }, value);
  const std::string line = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (file_->begins_anew) file_->out.truncate(0);
  file_->begins_anew = false;
  file_->out.append(line);
}

}  // namespace saw::train
