#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "saw/autograd/tape/tensor.h"
#include "saw/nn/module.h"
#include "saw/train/metrics/confusion_matrix.h"
#include "saw/train/profile.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

struct ReportData;

/// An example that a model got wrong.
struct Mistake {
  std::string text;        ///< the example as people read it
  std::string target;      ///< what it should have been
  std::string prediction;  ///< what it was taken for
  double loss = 0.0;       ///< how wrong: the worst are shown
};

/// A run as one HTML page that needs nothing else: no script, no network, no other file; light or dark as the reader's
/// system is, and readable on a phone. The program feeds it and writes it as often as it likes.
///
///   Report report("tagger/report.html", "Part-of-speech tagging");
///   report.setting("learning rate", "0.002");
///   report.model(tagger);
///   for (…) report.scalar("loss/train", step, loss);      // and after each evaluation:
///   report.scalar("loss/dev", step, dev_loss);
///   report.write();
///
/// All texts are escaped. What is fed twice under one name replaces what was there.
class Report {
 public:
  /// With an empty path nothing is written. Throws Error(io) where something else than a report lies at `path`; nothing
  /// is written yet.
  Report(std::string path, std::string title);
  ~Report();
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  // ---- what a run is ----
  void setting(std::string_view name, std::string_view value);  ///< an option of the run: "learning rate", "0.002"
  /// A fact about the data: "training sentences", "12,544".
  void data_fact(std::string_view name, std::string_view value);
  /// Lines about the data that keep their form: a summary, a table of splits.
  void data_text(std::string_view text);
  /// Modules and parameters as they are now.
  void model(const nn::Module& model);

  // ---- what it does ----
  /// A line below the title: "step 800 of 3,000", "finished after 58 s".
  void status(std::string_view text);
  /// A figure that stands at the top in large letters: "test accuracy", "98.79 %".
  void figure(std::string_view name, std::string_view value);
  /// A point of a curve. Tags with a slash share a picture: "loss/train" and "loss/dev". Memory is bounded: long curves
  /// are joined. A step that is not larger than those before removes them: a resumed run has each step once.
  void scalar(std::string_view tag, std::int64_t step, double value);
  /// Marks the step of the best weights in all curves.
  void best_step(std::int64_t step);
  /// The time per phase, and per op where it was measured.
  void profile(const Profile& profile);
  /// Something that happened: "resumed at step 400 of 3,000".
  void note(std::string_view text);

  // ---- what came out ----
  /// With the classes' names; of more than 40 classes those with most mistakes are drawn. Throws Error(argument) unless
  /// there is a name for each class, or none.
  void confusion(const ConfusionMatrix& matrix, const std::vector<std::string>& names = {});
  /// The 30 worst are kept.
  void mistake(Mistake mistake);
  void clear_mistakes();  ///< those of an earlier evaluation
  /// Weights (T, S), or of several heads (heads, T, S): row t says where word t looks. Up to 48 words are drawn. Throws
  /// Error(shape) unless there is a word for each row and column.
  void attention(std::string_view title, const std::vector<std::string>& rows, const std::vector<std::string>& columns,
                 const Tensor& weights);

  // ---- the page ----
  std::string html() const;  ///< the page as it would be written now
  /// Writes the page, all of it or nothing. Where that fails it says so on standard error, the first time, and returns
  /// false: nobody wants to lose a run over its report.
  bool write();

  // ---- resuming ----
  /// Curves, the best step and notes, as a text for a checkpoint; the rest is fed anew.
  std::string state() const;
  /// Throws Error(io) for a text that state() did not write.
  void load_state(std::string_view state);

 private:
  std::unique_ptr<ReportData> data_;
};

}  // namespace train
}  // namespace saw
