#pragma once

// Models that language_model.cpp trained before: read again, and measured.

#include <fmt/format.h>
#include <saw/saw.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command_line.h"
#include "language_models.h"
#include "language_results.h"
#include "language_texts.h"
#include "reports.h"
#include "text_units.h"

namespace saw::examples {

/// A model and its units.
struct Trained {
  std::string name;
  TextUnits units;
  std::unique_ptr<LanguageModel> model;
};

/// The model of a file or folder, or those of the folders in it that --save made for all models.
inline std::vector<Trained> saved_models(const CommonOptions& options) {
  const auto has_model = [](const std::filesystem::path& folder) {
    return std::filesystem::exists(folder / train::model_file_name);
  };
  std::vector<std::string> known = {"lstm", "transformer"}, paths;
  if (options.model != "all") known = {options.model};
  for (const std::string& name : known)
    if (!has_model(options.load) && has_model(options.load + "/" + name)) paths.push_back(options.load + "/" + name);
  if (paths.empty()) paths = {options.load};
  if (paths.size() > 1)
    for (const auto& [name, path] : {std::pair{"--metrics", &options.metrics}, std::pair{"--report", &options.report},
                                     std::pair{"--predict", &options.predict}})
      if (!path->empty())
        throw Error(ErrorKind::argument, fmt::format("{}: is for one model; hint: --load {}", name, paths[0]));
  std::vector<Trained> models;
  for (const std::string& path : paths) {
    const train::ModelFile file = train::load_model(path);
    file.check_model(known);
    TextUnits units = TextUnits::parse(file.text("units"), file.part("units"), file.part_name("units"));
    models.push_back({file.model, units, make_language_model(file.model, size_of(file, units.size()))});
    file.load_into(*models.back().model);
  }
  return models;
}

/// Measures a model on the test part; the bits of each text, none without a part.
inline std::vector<double> measure(const Trained& trained, const LanguageTexts& texts, Reports& reports,
                                   std::vector<ResultRow>& rows) {
  const train::Stopwatch watch;
  reports.report().model(*trained.model);
  const NumberedTexts testing(texts, trained.units);
  std::vector<double> bits;
  Reports::Record record;
  if (testing.size() > 0) {
    const auto phase = reports.profile().phase("test");
    bits = bits_of(*trained.model, testing, trained.units);
    const double value = per_character(bits, testing);
    rows.push_back({trained.name, trained.model->number_of_parameters(), -1.0, {value}});
    record.emplace_back("final_test_bits", value);
    reports.report().figure("bits per character, test", fmt::format("{:.3f}", value));
  }
  record.emplace_back("parameters", trained.model->number_of_parameters());
  record.emplace_back("peak_bytes", static_cast<std::int64_t>(memory_stats().peak_bytes));
  record.emplace_back("seconds", watch.seconds());
  reports.write(record);
  return bits;
}

}  // namespace saw::examples
