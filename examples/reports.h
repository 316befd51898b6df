#pragma once

// What an example program shows of a run besides its lines: metrics, TensorBoard's event file, the report, the profile.

#include <fmt/format.h>
#include <saw/saw.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "command_line.h"

namespace saw::examples {

/// Feeds metrics, event file, report and profile from a run, as the options ask. Nothing is written before the run
/// begins, when all inputs have been read; a run that goes on has each step once.
///
///   Reports reports(options, "Part-of-speech tagging");
///   reports.watch(run);                          // before run.resume()
///   …
///   reports.write({{"test_accuracy", accuracy}});
///   reports.finish();
class Reports {
 public:
  using Record = std::vector<std::pair<std::string, train::MetricValue>>;

  Reports(const CommonOptions& options, const std::string& title)
      : options_(options),
        report_(options.report, title),
        profile_({.ops = options.profile, .trace = options.profile && !options.save.empty()}) {}

  /// The effective options as the report's settings.
  void settings(const CommandLine& line) {
    const auto options = nlohmann::ordered_json::parse(line.effective());
    for (const auto& [name, value] : options.items())
      report_.setting(name, value.is_string() ? value.get<std::string>() : value.dump());
  }

  void watch(train::Run& run) {
    run.track("report", {.save =
                             [this] {
                               curves_ = report_.state();
                               return train::state_of(curves_).save();
                             },
                         .load =
                             [this](const StateDict& state) {
                               train::state_of(curves_).load(state);
                               report_.load_state(curves_);
                             }});
    run.observe({.name = "metrics",
                 .began =
                     [this](std::int64_t step) {
                       metrics_.emplace(options_.metrics, going_on<train::MetricsFileOptions>(step));
                     },
                 .evaluated = [this](std::int64_t, const train::RunRecord& record) { metrics_->write(record); }});
    run.observe({.name = "TensorBoard",
                 .began =
                     [this](std::int64_t step) {
                       events_.emplace(options_.tensorboard, going_on<train::EventFileOptions>(step));
                     },
                 .stepped = [this](std::int64_t step,
                                   const train::RunRecord& record) { scalars(*events_, step, record, "train"); },
                 .evaluated = [this](std::int64_t step,
                                     const train::RunRecord& record) { scalars(*events_, step, record, ""); }});
    run.observe({.name = "report",
                 .began =
                     [this](std::int64_t step) {
                       if (step > 0) report_.note(fmt::format("resumed at step {}", step));
                     },
                 .stepped = [this](std::int64_t step,
                                   const train::RunRecord& record) { scalars(report_, step, record, "train"); },
                 .evaluated =
                     [this, &run](std::int64_t step, const train::RunRecord& record) {
                       scalars(report_, step, record, "");
                       if (run.best_step() > 0) report_.best_step(run.best_step());
                       report_.status(
                           fmt::format("step {} of {}, {}", step, run.steps(), train::format_duration(run.seconds())));
                       report_.profile(profile_);
                       report_.write();
                     }});
  }

  train::Report& report() { return report_; }
  train::Profile& profile() { return profile_; }

  /// The last record into --metrics, which begins here if there was no run. A run that had written it before it was
  /// started again does not write it twice.
  void write(const Record& record) {
    if (!metrics_) metrics_.emplace(options_.metrics, train::MetricsFileOptions{.replace = true});
    if (metrics_->has(record.at(0).first)) return;
    metrics_->write(record);
  }

  /// The report for the last time, and what --profile asked for.
  void finish(double seconds) {
    report_.status("finished after " + train::format_duration(seconds));
    report_.profile(profile_);
    report_.write();
    if (!options_.profile) return;
    fmt::print("\n{}", profile_.table());
    if (!options_.save.empty()) profile_.save_trace(options_.save + "/trace.json");
  }

 private:
  template <class FileOptions>
  static FileOptions going_on(std::int64_t step) {
    if (step == 0) return {.replace = true};
    return {.resume_step = step};
  }

  /// "dev_accuracy" becomes the tag "accuracy/dev", so that parts of the data share a picture; names without a part
  /// belong to `part`.
  template <class Target>
  static void scalars(Target& target, std::int64_t step, const train::RunRecord& record, std::string_view part) {
    for (const auto& [name, value] : record) {
      const double* number = std::get_if<double>(&value);
      if (number == nullptr || name == "seconds") continue;
      std::string tag = name;
      if (!part.empty() && name == "loss") tag = fmt::format("{}/{}", name, part);
      for (const std::string_view prefix : {"train_", "dev_", "test_"})
        if (name.starts_with(prefix)) {
          // The loss of every step is there already; its mean is a curve of its own beside it.
          const std::string of = prefix == "train_" ? "train, mean" : std::string(prefix.substr(0, prefix.size() - 1));
          tag = fmt::format("{}/{}", name.substr(prefix.size()), of);
        }
      target.scalar(tag, step, *number);
    }
  }

  const CommonOptions& options_;
  train::Report report_;
  train::Profile profile_;
  std::string curves_;
  std::optional<train::MetricsFile> metrics_;
  std::optional<train::EventFile> events_;
};

}  // namespace saw::examples
