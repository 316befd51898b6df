#include "saw/train/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/copy.h"
#include "saw/data/file.h"
#include "saw/train/report/internal/report_data.h"

namespace saw::train {
namespace {

constexpr std::size_t most_mistakes = 30, most_text = 600;

void put(Facts& facts, std::string_view name, std::string_view value) {
  const auto found = std::find_if(facts.begin(), facts.end(), [&](const auto& fact) { return fact.first == name; });
  if (found == facts.end())
    facts.emplace_back(name, value);
  else
    found->second = value;
}

/// Adds the rows of a module and what is in it; the numbers that were not counted before.
std::int64_t add_rows(ReportData& report, TensorList& counted, const std::string& name, const nn::Module& module,
                      std::size_t depth) {
  ModuleRow row{.name = name, .type = module.type_name(), .parameters = {}, .depth = depth};
  for (const auto& [own_name, tensor] : module.own_parameters()) {
    const bool tied =
        std::any_of(counted.begin(), counted.end(), [&, &t = tensor](const Tensor& other) { return other.is_same(t); });
    row.parameters += fmt::format("{}{} {}{}", row.parameters.empty() ? "" : ", ", own_name, tensor.shape(),
                                  tied                     ? " (tied)"
                                  : tensor.requires_grad() ? ""
                                                           : " (frozen)");
    if (tied) continue;
    counted.push_back(tensor);
    row.own += tensor.numel();
    if (tensor.requires_grad()) report.trainable += tensor.numel();
    report.parameter_bytes += tensor.numel() * static_cast<std::int64_t>(size_of(tensor.dtype()));
  }
  const std::size_t place = report.modules.size();
  report.modules.push_back(row);
  std::int64_t all = row.own;
  for (const auto& [child_name, child] : module.children())
    all += add_rows(report, counted, child_name, *child, depth + 1);
  report.modules[place].all = all;
  return all;
}

Chart& chart_of(ReportData& report, const std::string& title) {
  for (Chart& chart : report.charts)
    if (chart.title == title) return chart;
  report.charts.push_back({title, {}});
  return report.charts.back();
}

}  // namespace

Report::Report(std::string path, std::string title) : data_(std::make_unique<ReportData>()) {
  data_->path = std::move(path);
  data_->title = std::move(title);
  std::error_code error;
  if (data_->path.empty() || !std::filesystem::is_regular_file(data_->path, error)) return;
  data::InputFile file(data_->path);
  std::string beginning(std::string(report_marker).size(), '\0');
  beginning.resize(file.read_some(beginning.data(), beginning.size()));
  if (file.size() > 0 && beginning != report_marker)
    fail(ErrorKind::io, "{}: exists and is no report; it is left as it is", data_->path);
}

Report::~Report() = default;

void Report::setting(std::string_view name, std::string_view value) { put(data_->settings, name, value); }
void Report::data_fact(std::string_view name, std::string_view value) { put(data_->data_facts, name, value); }
void Report::data_text(std::string_view text) {
  if (std::find(data_->data_texts.begin(), data_->data_texts.end(), text) == data_->data_texts.end())
    data_->data_texts.emplace_back(text);
}
void Report::status(std::string_view text) { data_->status = text; }
void Report::figure(std::string_view name, std::string_view value) { put(data_->figures, name, value); }
void Report::best_step(std::int64_t step) { data_->best_step = step; }
void Report::note(std::string_view text) { data_->notes.emplace_back(text); }

void Report::model(const nn::Module& model) {
  data_->modules.clear();
  data_->trainable = data_->parameter_bytes = 0;
  TensorList counted;
  data_->parameters = add_rows(*data_, counted, model.name().empty() ? "model" : model.name(), model, 0);
}

void Report::scalar(std::string_view tag, std::int64_t step, double value) {
  const std::size_t slash = tag.find('/');
  const std::string name(slash == std::string_view::npos ? std::string_view() : tag.substr(slash + 1));
  Chart& chart = chart_of(*data_, std::string(tag.substr(0, slash)));
  for (Series& series : chart.curves)
    if (series.name() == name) return series.add(step, value);
  chart.curves.emplace_back(name);
  chart.curves.back().add(step, value);
}

void Report::profile(const Profile& profile) {
  data_->profile_seconds = profile.seconds();
  data_->phases = profile.phases();
  data_->ops = profile.ops();
}

void Report::confusion(const ConfusionMatrix& matrix, const std::vector<std::string>& names) {
  if (!names.empty() && static_cast<std::int64_t>(names.size()) != matrix.classes())
    fail(ErrorKind::argument, "Report: names of classes; got {}; expected {} or none", names.size(), matrix.classes());
  data_->confusion = matrix;
  data_->classes = names;
  if (!names.empty()) return;
  for (std::int64_t c = 0; c < matrix.classes(); ++c) data_->classes.push_back(std::to_string(c));
}

void Report::mistake(Mistake mistake) {
  if (std::isnan(mistake.loss)) mistake.loss = HUGE_VAL;
  std::vector<Mistake>& kept = data_->mistakes;
  const auto place = std::upper_bound(kept.begin(), kept.end(), mistake,
                                      [](const Mistake& a, const Mistake& b) { return a.loss > b.loss; });
  if (place == kept.end() && kept.size() >= most_mistakes) return;
  for (std::string* text : {&mistake.text, &mistake.target, &mistake.prediction})
    if (text->size() > most_text) {
      std::size_t end = most_text;
      while (end > 0 && (static_cast<unsigned char>((*text)[end]) & 0xC0) == 0x80) --end;  // not inside a character
      *text = text->substr(0, end) + " …";
    }
  kept.insert(place, std::move(mistake));
  if (kept.size() > most_mistakes) kept.pop_back();
}

void Report::clear_mistakes() { data_->mistakes.clear(); }

void Report::attention(std::string_view title, const std::vector<std::string>& rows,
                       const std::vector<std::string>& columns, const Tensor& weights) {
  const bool many = weights.rank() == 3;
  const auto height = static_cast<std::int64_t>(rows.size()), width = static_cast<std::int64_t>(columns.size());
  if ((weights.rank() != 2 && !many) || weights.size(-2) != height || weights.size(-1) != width)
    fail(ErrorKind::shape,
         "Report: attention weights beside {} and {} words; got {}; expected ({}, {}), or so for each head", height,
         width, weights.shape(), height, width);
  AttentionMap map{std::string(title), rows, columns, many ? weights.size(0) : 1,
                   to(weights.detach(), float64).to_vector<double>()};
  for (AttentionMap& old : data_->attention)
    if (old.title == map.title) {
      old = std::move(map);
      return;
    }
  data_->attention.push_back(std::move(map));
}

std::string Report::html() const { return report_page(*data_); }

bool Report::write() {
  if (data_->path.empty()) return true;
  try {
    data::write_file(data_->path, html());
    return true;
  } catch (const Error& error) {
    if (!data_->warned) fmt::print(stderr, "warning: {}; the run goes on without its report\n", error.what());
    data_->warned = true;
    return false;
  }
}

std::string Report::state() const {
  using nlohmann::json;
  json charts = json::array();
  for (const Chart& chart : data_->charts) {
    json curves = json::array();
    for (const Series& series : chart.curves) {
      json points = json::array();
      for (const SeriesPoint& p : series.points())
        points.push_back({p.first, p.last, p.sum, p.low, p.high, p.count, p.not_finite});
      curves.push_back({{"name", series.name()}, {"stride", series.stride()}, {"points", points}});
    }
    charts.push_back({{"title", chart.title}, {"curves", curves}});
  }
  json state = {{"charts", charts}, {"notes", data_->notes}};
  if (data_->best_step) state["best_step"] = *data_->best_step;
  return state.dump(-1, ' ', false, json::error_handler_t::replace);
}

void Report::load_state(std::string_view text) {
  using nlohmann::json;
  try {
    const json state = json::parse(text);
    std::vector<Chart> charts;
    for (const json& chart : state.at("charts")) {
      std::vector<Series> curves;
      for (const json& curve : chart.at("curves")) {
        std::vector<SeriesPoint> points;
        for (const json& p : curve.at("points"))
          points.push_back({p.at(0), p.at(1), p.at(2), p.at(3), p.at(4), p.at(5), p.at(6)});
        curves.emplace_back(curve.at("name").get<std::string>(), std::move(points),
                            curve.at("stride").get<std::int64_t>());
      }
      charts.push_back({chart.at("title").get<std::string>(), std::move(curves)});
    }
    std::vector<std::string> notes = state.at("notes").get<std::vector<std::string>>();
    std::optional<std::int64_t> best;
    if (state.contains("best_step")) best = state.at("best_step").get<std::int64_t>();
    data_->charts = std::move(charts);
    data_->notes = std::move(notes);
    data_->best_step = best;
  } catch (const json::exception&) {
    fail(ErrorKind::io, "Report: the state is not one that a report has written");
  }
}

}  // namespace saw::train
