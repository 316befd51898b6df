#pragma once

#include <span>
#include <string>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace data {

// Speaker verification: does this utterance come from that speaker? A trial is accepted when its score is at least a
// threshold; each threshold misses some target trials and takes some others for targets (false alarms).

/// A question of speaker verification.
struct Trial {
  std::string enrolment;  ///< the utterance (or speaker) that is known
  std::string test;       ///< the utterance that is asked about
  bool target = false;    ///< whether both are of one speaker
};

/// Reads trials, one a line, fields separated by spaces or tabs, in VoxCeleb's form (`1 enrolment test` for targets, 0
/// for others) or Kaldi's (`enrolment test target`, or `nontarget`); the first line decides which. Throws Error(io)
/// `file:line: …`.
std::vector<Trial> read_trials(const std::string& path);

/// The error rate at the threshold where as large a part of the targets is missed as of the others is accepted, in
/// [0, 1]. Between two neighbouring thresholds the rates are interpolated linearly (the ROC curve, not its convex
/// hull); equal scores are accepted or rejected together. Throws Error(argument) for lists of different lengths, a NaN,
/// or trials all of one kind.
double equal_error_rate(std::span<const double> scores, const std::vector<bool>& is_target);

/// What misses and false alarms cost in min_detection_cost().
struct DetectionCostOptions {
  double p_target = 0.01;  ///< how probable a target is; in (0, 1)
  double c_miss = 1.0;     ///< what a miss costs
  double c_fa = 1.0;       ///< what a false alarm costs
};

/// NIST's normalised minimum detection cost: the smallest
///   (c_miss · P_miss · p_target + c_fa · P_fa · (1 − p_target)) / min(c_miss · p_target, c_fa · (1 − p_target))
/// over all thresholds. 1 is what accepting or rejecting everything costs. Throws Error(argument) as above, and for
/// options out of range.
double min_detection_cost(std::span<const double> scores, const std::vector<bool>& is_target,
                          const DetectionCostOptions& options = {});

}  // namespace data
}  // namespace saw
