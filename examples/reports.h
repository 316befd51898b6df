#pragma once

// Feeds metrics, event file, report and profile from a run, as the options ask.

#include <optional>

#include "command_line.h"

namespace saw::examples {

class Reports {
 public:
  Reports(const CommonOptions& options, const std::string& title) : options_(options), report_(options.report, title) {}
  void watch(train::Run& run) {
    run.observe({.name = "metrics",
                 .began = [this](std::int64_t) { open(); },
                 .evaluated = [this](std::int64_t, const train::RunRecord& record) { write(record); }});
  }
  train::Report& report() { return report_; }
  train::Profile& profile() { return profile_; }
  void write(const std::vector<std::pair<std::string, train::MetricValue>>& record) {
    open();
    metrics_->write(record);
  }
  void finish() {
    if (!options_.report.empty()) report_.write();
    if (options_.profile) fmt::print("{}", profile_.table());
  }

 private:
  void open() {
    if (!metrics_) metrics_.emplace(options_.metrics, train::MetricsFileOptions{.replace = true});
  }
  const CommonOptions& options_;
  train::Report report_;
  train::Profile profile_;
  std::optional<train::MetricsFile> metrics_;
};

}  // namespace saw::examples
