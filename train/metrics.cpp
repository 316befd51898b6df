#include "saw/train/metrics.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "saw/autograd/base/internal/check.h"

namespace saw::train {

Metrics::Metrics(std::string path) : path_(std::move(path)) {
  if (path_.empty()) return;
  file_ = std::fopen(path_.c_str(), "w");
  if (file_ == nullptr) fail(ErrorKind::io, "{}: cannot be written: {}", path_, std::strerror(errno));
}

Metrics::~Metrics() {
  if (file_ != nullptr) std::fclose(file_);
}

void Metrics::write(const std::vector<std::pair<std::string, MetricValue>>& record) {
  if (file_ == nullptr) return;
  nlohmann::ordered_json object;
  for (const auto& [name, value] : record) std::visit([&, &key = name](const auto& v) { object[key] = v; }, value);
  const std::string line = object.dump() + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fflush(file_) != 0)
    fail(ErrorKind::io, "{}: cannot be written: {}", path_, std::strerror(errno));
}

}  // namespace saw::train
