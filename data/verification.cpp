#include "saw/data/verification.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/lines.h"
#include "saw/data/internal/quote.h"

namespace saw {
namespace data {
namespace {

struct OperatingPoint {
  double miss, false_alarm;  // parts of the targets and of the others
};

/// Every pair of error rates that a threshold can give, from the threshold that accepts nothing to the one that accepts
/// everything.
std::vector<OperatingPoint> operating_points(const char* op, std::span<const double> scores,
                                             const std::vector<bool>& is_target) {
  if (scores.size() != is_target.size())
    fail(ErrorKind::argument, "{}: as many scores as answers are needed; got {} and {}", op, scores.size(),
         is_target.size());
  const auto nan = std::find_if(scores.begin(), scores.end(), [](double score) { return std::isnan(score); });
  if (nan != scores.end()) fail(ErrorKind::argument, "{}: the score of trial {} is NaN", op, nan - scores.begin());
  const auto targets = std::count(is_target.begin(), is_target.end(), true);
  const auto others = std::ssize(scores) - targets;
  if (targets == 0 || others == 0)
    fail(ErrorKind::argument, "{}: trials of both kinds are needed; got {} targets and {} others", op, targets, others);

  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  std::vector<OperatingPoint> points{{1.0, 0.0}};
  std::ptrdiff_t accepted_targets = 0, accepted_others = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    ++(is_target[order[i]] ? accepted_targets : accepted_others);
    if (i + 1 < order.size() && scores[order[i + 1]] == scores[order[i]]) continue;
    points.push_back({static_cast<double>(targets - accepted_targets) / static_cast<double>(targets),
                      static_cast<double>(accepted_others) / static_cast<double>(others)});
  }
  return points;
}

/// The three fields of a line, between any number of spaces and tabs.
std::vector<std::string_view> three_fields(const Lines& lines) {
  std::vector<std::string_view> fields;
  std::string_view rest = lines.line();
  for (;;) {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    if (rest.empty()) break;
    const std::size_t length = std::min(rest.find_first_of(" \t"), rest.size());
    fields.push_back(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  if (fields.size() != 3)
    lines.reject("wrong number of fields; got {}; expected 3, as in \"1 enrolment test\" or \"enrolment test target\"",
                 fields.size());
  return fields;
}

}  // namespace

std::vector<Trial> read_trials(const std::string& path) {
  const std::string text = read_file(path);
  std::vector<Trial> trials;
  bool kaldi = false;
  for (Lines lines(text, path); lines.next();) {
    const std::vector<std::string_view> fields = three_fields(lines);
    if (trials.empty()) kaldi = fields[2] == "target" || fields[2] == "nontarget";
    const std::string_view answer = fields[kaldi ? 2 : 0], yes = kaldi ? "target" : "1", no = kaldi ? "nontarget" : "0";
    if (answer != yes && answer != no)
      lines.reject("field {}; got {}; expected {} or {}", kaldi ? 3 : 1, quote(answer), yes, no);
    trials.push_back({std::string(fields[kaldi ? 0 : 1]), std::string(fields[kaldi ? 1 : 2]), answer == yes});
  }
  if (trials.empty()) fail(ErrorKind::io, "{}: no trial in it", path);
  return trials;
}

double equal_error_rate(std::span<const double> scores, const std::vector<bool>& is_target) {
  const std::vector<OperatingPoint> points = operating_points("equal_error_rate", scores, is_target);
  // From point to point misses become fewer and false alarms more: from (1, 0) to (0, 1) they must meet.
  const auto after = std::find_if(points.begin() + 1, points.end(),
                                  [](const OperatingPoint& point) { return point.miss <= point.false_alarm; });
  const OperatingPoint &a = *(after - 1), &b = *after;
  const double gap_a = a.miss - a.false_alarm, gap_b = b.false_alarm - b.miss;  // gap_a > 0, gap_b ≥ 0
  return a.miss + gap_a / (gap_a + gap_b) * (b.miss - a.miss);
}

double min_detection_cost(std::span<const double> scores, const std::vector<bool>& is_target,
                          const DetectionCostOptions& options) {
  if (!(options.p_target > 0 && options.p_target < 1))
    fail(ErrorKind::argument, "min_detection_cost: p_target; got {}; expected more than 0 and less than 1",
         options.p_target);
  const auto is_cost = [](double cost) { return cost > 0 && std::isfinite(cost); };
  if (!is_cost(options.c_miss) || !is_cost(options.c_fa))
    fail(ErrorKind::argument, "min_detection_cost: c_miss and c_fa; got {} and {}; expected positive numbers",
         options.c_miss, options.c_fa);
  const double miss = options.c_miss * options.p_target, false_alarm = options.c_fa * (1 - options.p_target);
  double smallest = std::min(miss, false_alarm);
  for (const OperatingPoint& point : operating_points("min_detection_cost", scores, is_target))
    smallest = std::min(smallest, miss * point.miss + false_alarm * point.false_alarm);
  return smallest / std::min(miss, false_alarm);
}

}  // namespace data
}  // namespace saw
