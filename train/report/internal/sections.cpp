#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

#include "saw/autograd/base/memory.h"
#include "saw/train/internal/readable.h"
#include "saw/train/internal/svg.h"
#include "saw/train/report/internal/chart.h"
#include "saw/train/report/internal/report_data.h"

namespace saw::train {
namespace {

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string model_rows(const std::vector<ModuleRow>& modules, std::int64_t all) {
  std::string html =
      "<div class=\"scroll\"><table>\n<tr><th>module</th><th>type</th><th>parameters of its own</th><th "
      "class=\"n\">with "
      "all in it</th><th class=\"n\">share</th></tr>\n";
  for (const ModuleRow& row : modules)
    html += fmt::format(
        "<tr><td class=\"name\" style=\"padding-left:{}px\">{}</td><td>{}</td><td class=\"own\">{}</td><td "
        "class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        18 * row.depth, escape_markup(row.name), escape_markup(row.type), escape_markup(row.parameters),
        row.all > 0 ? readable_count(row.all) : "",
        row.all > 0 && all > 0 ? percent(static_cast<double>(row.all) / static_cast<double>(all)) : "");
  return html + "</table></div>\n";
}

std::string time_table(const std::vector<ProfileRow>& rows, double all, bool coloured, const char* what) {
  std::string html = fmt::format(
      "<div class=\"scroll\"><table class=\"fit\">\n<tr><th>{}</th><th class=\"n\">time</th><th "
      "class=\"n\">share</th><th class=\"n\">calls</th><th class=\"n\">each</th></tr>\n",
      what);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ProfileRow& row = rows[i];
    const std::string dot =
        !coloured ? ""
                  : fmt::format("<i class=\"dot {}\"></i>",
                                row.calls > 0 ? fmt::format("c{}", i % chart_colours) : std::string("other"));
    html += fmt::format(
        "<tr><td>{}{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td></tr>\n",
        dot, escape_markup(row.name), readable_seconds(row.seconds), percent(all > 0 ? row.seconds / all : 0),
        row.calls > 0 ? readable_count(row.calls) : "",
        row.calls > 0 ? readable_seconds(row.seconds / static_cast<double>(row.calls)) : "");
  }
  return html + "</table></div>\n";
}

/// One colour for a name in all pictures: "dev" is the same beside "train" and alone.
std::size_t colour_of(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  const auto place = static_cast<std::size_t>(found - names.begin());
  if (found == names.end()) names.push_back(name);
  return place % chart_colours;
}

std::string capitalised(std::string text) {
  std::replace(text.begin(), text.end(), '_', ' ');
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

}  // namespace

std::string curves_section(const ReportData& report) {
  if (report.charts.empty()) return {};
  std::vector<std::string> names;
  std::string html = "<div class=\"grid\">\n";
  for (const Chart& chart : report.charts) {
    html +=
        fmt::format("<div class=\"card\"><h3>{}</h3>\n<div class=\"legend\">", escape_markup(capitalised(chart.title)));
    std::int64_t lost = 0;
    std::vector<std::size_t> colours;
    for (std::size_t i = 0; i < chart.curves.size(); ++i) {
      const Series& series = chart.curves[i];
      const SeriesPoint* last = nullptr;
      for (const SeriesPoint& point : series.points()) {
        lost += point.not_finite;
        if (point.count > 0) last = &point;
      }
      // A curve that is alone has no name, and the first colour.
      colours.push_back(series.name().empty() ? 0 : colour_of(names, series.name()));
      html += fmt::format("<span><i class=\"c{}\"></i>{}{}{}</span>", colours.back(), escape_markup(series.name()),
                          series.name().empty() ? "" : " ", last != nullptr ? readable_number(last->mean()) : "–");
    }
    html += "</div>\n" + draw_chart(chart.title, chart.curves, colours, report.best_step);
    if (lost > 0) html += fmt::format("<p class=\"small\">{} NaN or infinite</p>\n", readable_count(lost));
    html += "</div>\n";
  }
  html += "</div>\n";
  if (report.best_step)
    html += fmt::format("<p class=\"small\">The dashed line marks the best weights, those of step {}.</p>\n",
                        readable_count(*report.best_step));
  return html;
}

std::string mistakes_section(const ReportData& report) {
  if (report.mistakes.empty()) return {};
  std::string html =
      "<div class=\"scroll\"><table>\n<tr><th>example</th><th>should be</th><th>was taken for</th><th "
      "class=\"n\">loss</th></tr>\n";
  for (const Mistake& mistake : report.mistakes)
    html += fmt::format("<tr><td class=\"text\">{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>\n",
                        escape_markup(mistake.text), escape_markup(mistake.target), escape_markup(mistake.prediction),
                        readable_number(mistake.loss));
  return html + "</table></div>\n";
}

std::string model_section(const ReportData& report) {
  if (report.modules.empty()) return {};
  std::string html =
      fmt::format("<p>{} parameters, {} of them trainable; {}.</p>\n", readable_count(report.parameters),
                  readable_count(report.trainable), readable_bytes(static_cast<double>(report.parameter_bytes)));
  const std::string rows = model_rows(report.modules, report.parameters);
  if (report.modules.size() <= 25) return html + rows;
  // The two upper floors, and everything for who asks.
  std::vector<ModuleRow> upper;
  for (const ModuleRow& row : report.modules)
    if (row.depth <= 1) upper.push_back(row);
  return html + model_rows(upper, report.parameters) +
         fmt::format("<details><summary>All {} modules</summary>\n{}</details>\n", report.modules.size(), rows);
}

std::string data_section(const ReportData& report) {
  std::string html = facts_table(report.data_facts);
  for (const std::string& text : report.data_texts) html += "<pre>" + escape_markup(text) + "</pre>\n";
  return html;
}

std::string time_section(const ReportData& report) {
  if (report.phases.empty()) return {};
  const double all = report.profile_seconds;
  std::vector<ProfileRow> rows = report.phases;
  double inside = 0;
  for (const ProfileRow& row : rows) inside += row.seconds;
  rows.push_back({"other", std::max(0.0, all - inside), 0});
  std::string html = "<div class=\"bar\">";
  for (std::size_t i = 0; i < rows.size(); ++i)
    html += fmt::format("<i class=\"{}\" style=\"width:{:.2f}%\" title=\"{}: {}\"></i>",
                        i + 1 < rows.size() ? fmt::format("c{}", i % chart_colours) : std::string("other"),
                        all > 0 ? 100 * rows[i].seconds / all : 0.0, escape_markup(rows[i].name),
                        readable_seconds(rows[i].seconds));
  html += "</div>\n" + time_table(rows, all, true, "phase");
  if (report.ops.empty()) return html;
  constexpr std::size_t most = 15;
  const std::vector<ProfileRow> slowest(
      report.ops.begin(), report.ops.begin() + static_cast<std::ptrdiff_t>(std::min(most, report.ops.size())));
  html += "<h3 style=\"margin-top:20px\">Slowest ops</h3>\n" + time_table(slowest, all, false, "op");
  if (report.ops.size() > most)
    html += fmt::format("<details><summary>All {} ops</summary>\n{}</details>\n", report.ops.size(),
                        time_table(report.ops, all, false, "op"));
  return html;
}

std::string memory_section() {
  const MemoryStats stats = memory_stats();
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  const auto bytes = [](std::size_t count) { return readable_bytes(static_cast<double>(count)); };
  return facts_table({{"tensors, at most", bytes(stats.peak_bytes)},
                      {"tensors now", bytes(stats.active_bytes)},
                      {"kept for reuse", bytes(stats.cached_bytes)},
                      {"whole process, at most", readable_bytes(1024.0 * static_cast<double>(usage.ru_maxrss))}});
}

std::string settings_section(const ReportData& report) {
  std::string html = facts_table(report.settings);
  if (report.notes.empty()) return html;
  html += "<ul>\n";
  for (const std::string& note : report.notes) html += "<li>" + escape_markup(note) + "</li>\n";
  return html + "</ul>\n";
}

}  // namespace saw::train
