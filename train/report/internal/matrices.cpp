#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "saw/train/internal/readable.h"
#include "saw/train/internal/svg.h"
#include "saw/train/report/internal/matrix_picture.h"
#include "saw/train/report/internal/report_data.h"

namespace saw::train {
namespace {

constexpr std::size_t most_classes = 40, most_words = 48, most_pairs = 12;

struct Pair {
  std::size_t target, prediction;
  std::int64_t count;
};

/// The classes to draw, in their order: those that occur, and of too many those with most mistakes.
std::vector<std::size_t> drawn_classes(const ConfusionMatrix& matrix) {
  const auto classes = static_cast<std::size_t>(matrix.classes());
  std::vector<std::int64_t> wrong(classes, 0), occurring(classes, 0);
  for (std::size_t t = 0; t < classes; ++t)
    for (std::size_t p = 0; p < classes; ++p) {
      const std::int64_t count = matrix.count(static_cast<std::int64_t>(t), static_cast<std::int64_t>(p));
      for (const std::size_t c : {t, p}) {
        occurring[c] += count;
        wrong[c] += t != p ? count : 0;
      }
    }
  std::vector<std::size_t> order(classes);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase_if(order, [&](std::size_t c) { return occurring[c] == 0; });
  if (order.size() > most_classes) {
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return wrong[a] > wrong[b]; });
    order.resize(most_classes);
    std::sort(order.begin(), order.end());
  }
  return order;
}

std::string short_count(std::int64_t count) {
  if (count < 10000) return std::to_string(count);
  if (count < 1000000) return fmt::format("{}k", count / 1000);
  return fmt::format("{}M", count / 1000000);
}

std::string pairs_table(const ReportData& report) {
  const ConfusionMatrix& matrix = *report.confusion;
  std::vector<Pair> pairs;
  for (std::int64_t t = 0; t < matrix.classes(); ++t)
    for (std::int64_t p = 0; p < matrix.classes(); ++p)
      if (t != p && matrix.count(t, p) > 0)
        pairs.push_back({static_cast<std::size_t>(t), static_cast<std::size_t>(p), matrix.count(t, p)});
  if (pairs.empty()) return "<p>No mistakes.</p>\n";
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.count > b.count; });
  pairs.resize(std::min(pairs.size(), most_pairs));
  std::string html =
      "<table class=\"fit\">\n<tr><th>should be</th><th>was taken for</th><th class=\"n\">times</th></tr>\n";
  for (const Pair& pair : pairs)
    html += fmt::format("<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>\n",
                        escape_markup(report.classes[pair.target]), escape_markup(report.classes[pair.prediction]),
                        readable_count(pair.count));
  return html + "</table>\n";
}

std::string scores_rows(const ReportData& report) {
  const ConfusionMatrix& matrix = *report.confusion;
  std::string html =
      "<div class=\"scroll\"><table class=\"fit\">\n<tr><th>class</th><th class=\"n\">precision</th><th "
      "class=\"n\">recall</th><th class=\"n\">F1</th><th class=\"n\">targets</th></tr>\n";
  const auto row = [&](const std::string& name, const Scores& scores) {
    html += fmt::format(
        "<tr><td>{}</td><td class=\"n\">{:.3f}</td><td class=\"n\">{:.3f}</td><td class=\"n\">{:.3f}</td><td "
        "class=\"n\">{}</td></tr>\n",
        name, scores.precision, scores.recall, scores.f1, readable_count(scores.support));
  };
  for (std::int64_t c = 0; c < matrix.classes(); ++c) {
    const Scores scores = matrix.scores(c);
    std::int64_t predicted = 0;
    for (std::int64_t t = 0; t < matrix.classes(); ++t) predicted += matrix.count(t, c);
    if (scores.support > 0 || predicted > 0) row(escape_markup(report.classes[static_cast<std::size_t>(c)]), scores);
  }
  row("<i>macro</i>", matrix.scores(Average::macro));
  row("<i>weighted</i>", matrix.scores(Average::weighted));
  return html + "</table></div>\n";
}

/// The first words of too many.
std::vector<std::string> first_words(const std::vector<std::string>& words) {
  return {words.begin(), words.begin() + static_cast<std::ptrdiff_t>(std::min(words.size(), most_words))};
}

std::string attention_picture(const AttentionMap& map, std::int64_t head, double cell) {
  const std::vector<std::string> rows = first_words(map.rows), columns = first_words(map.columns);
  const auto weight = [&](std::size_t r, std::size_t c) {
    return map.weights[(static_cast<std::size_t>(head) * map.rows.size() + r) * map.columns.size() + c];
  };
  double largest = 1e-12;
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t c = 0; c < columns.size(); ++c) largest = std::max(largest, weight(r, c));
  return draw_matrix(map.title, rows, columns, cell, [&](std::size_t r, std::size_t c) {
    const double here = weight(r, c);
    return MatrixCell{
        .shade = here / largest,
        .title = fmt::format("{} ({}) looks at {} ({}): {:.1f} %", rows[r], r + 1, columns[c], c + 1, 100 * here)};
  });
}

}  // namespace

std::string confusion_section(const ReportData& report) {
  if (!report.confusion || report.confusion->total() == 0) return {};
  const ConfusionMatrix& matrix = *report.confusion;
  const std::vector<std::size_t> drawn = drawn_classes(matrix);
  std::vector<std::string> names;
  for (const std::size_t c : drawn) names.push_back(report.classes[c]);
  const double cell = drawn.size() <= 12 ? 34 : drawn.size() <= 24 ? 27 : 18;
  const std::string picture = draw_matrix("confusion matrix", names, names, cell, [&](std::size_t r, std::size_t c) {
    const auto target = static_cast<std::int64_t>(drawn[r]), prediction = static_cast<std::int64_t>(drawn[c]);
    const std::int64_t count = matrix.count(target, prediction), targets = matrix.scores(target).support;
    const double share = targets > 0 ? static_cast<double>(count) / static_cast<double>(targets) : 0.0;
    // The few that are wrong would not be seen beside the many that are right.
    const double shade = r == c ? share : count > 0 ? std::min(1.0, 0.12 + 1.5 * share) : 0.0;
    return MatrixCell{.shade = shade,
                      .colour = r == c ? "m0" : "m1",
                      .text = count > 0 ? short_count(count) : "",
                      .title = r == c
                                   ? fmt::format("{}: {} right, {:.1f} %", names[r], readable_count(count), 100 * share)
                                   : fmt::format("{} taken for {}: {}, {:.1f} %", names[r], names[c],
                                                 readable_count(count), 100 * share)};
  });
  std::string html = fmt::format(
      "<p>{:.2f} % of {} are right. Rows are what it should have been, columns what it was taken for; the colour is "
      "the "
      "share of the row.</p>\n",
      100 * matrix.accuracy(), readable_count(matrix.total()));
  if (static_cast<std::int64_t>(drawn.size()) < matrix.classes())
    html += fmt::format("<p class=\"muted\">Drawn are {} of {} classes{}.</p>\n", drawn.size(), matrix.classes(),
                        drawn.size() == most_classes ? ", those with most mistakes" : ", those that occur");
  html += "<div class=\"maps\"><figure><div class=\"scroll\">" + picture + "</div></figure>\n<figure>" +
          pairs_table(report) + "</figure></div>\n";
  const std::string scores = scores_rows(report);
  return html +
         (matrix.classes() <= 20 ? scores : "<details><summary>All classes</summary>\n" + scores + "</details>\n");
}

std::string attention_section(const ReportData& report) {
  std::string html;
  for (const AttentionMap& map : report.attention) {
    if (map.rows.empty() || map.columns.empty()) continue;
    html += fmt::format("<h3>{}</h3>\n<div class=\"maps\">\n", escape_markup(map.title));
    for (std::int64_t head = 0; head < map.heads; ++head) {
      html += "<figure><div class=\"scroll\">" + attention_picture(map, head, map.heads > 1 ? 20 : 26) + "</div>";
      if (map.heads > 1) html += fmt::format("<figcaption>head {}</figcaption>", head + 1);
      html += "</figure>\n";
    }
    html += "</div>\n";
    if (map.rows.size() > most_words || map.columns.size() > most_words)
      html += fmt::format("<p class=\"muted\">The first {} words of {}.</p>\n", most_words,
                          std::max(map.rows.size(), map.columns.size()));
  }
  if (html.empty()) return {};
  return "<p>Each row is a word and shows where it looks; the strongest colour of a picture is its largest "
         "weight.</p>\n" +
         html;
}

}  // namespace saw::train
