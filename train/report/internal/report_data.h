#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "saw/train/profile.h"
#include "saw/train/report/internal/series.h"
#include "saw/train/report/report.h"

namespace saw::train {

/// A module as a row of the table of modules.
struct ModuleRow {
  std::string name, type, parameters;
  std::size_t depth = 0;
  std::int64_t own = 0, all = 0;  // numbers in its own parameters, and with those of the modules in it
};

/// The curves of one picture.
struct Chart {
  std::string title;
  std::vector<Series> curves;
};

struct AttentionMap {
  std::string title;
  std::vector<std::string> rows, columns;
  std::int64_t heads = 1;
  std::vector<double> weights;  // (heads, rows, columns)
};

using Facts = std::vector<std::pair<std::string, std::string>>;

/// What a Report has been fed.
struct ReportData {
  std::string path, title, status;
  bool warned = false;
  Facts settings, data_facts, figures;
  std::vector<std::string> data_texts, notes;
  std::vector<ModuleRow> modules;
  std::int64_t parameters = 0, trainable = 0, parameter_bytes = 0;
  std::vector<Chart> charts;
  std::optional<std::int64_t> best_step;
  double profile_seconds = 0.0;
  std::vector<ProfileRow> phases, ops;
  std::optional<ConfusionMatrix> confusion;
  std::vector<std::string> classes;
  std::vector<Mistake> mistakes;  // the worst first
  std::vector<AttentionMap> attention;
};

/// What a page begins with, so that no other file is taken for a report.
inline constexpr const char* report_marker = "<!DOCTYPE html>\n<!-- a report of saw -->\n";

std::string report_page(const ReportData& report);

// The parts of the page, each empty where there is nothing to say.
std::string curves_section(const ReportData& report);
std::string confusion_section(const ReportData& report);
std::string mistakes_section(const ReportData& report);
std::string attention_section(const ReportData& report);
std::string model_section(const ReportData& report);
std::string data_section(const ReportData& report);
std::string time_section(const ReportData& report);
std::string memory_section();
std::string settings_section(const ReportData& report);

/// Names and values in two columns.
std::string facts_table(const Facts& facts);

}  // namespace saw::train
