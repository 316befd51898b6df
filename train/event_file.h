#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// What becomes of an event file of an earlier run.
struct EventFileOptions {
  /// A file of an earlier run is emptied when the first event is written. Otherwise it is refused.
  bool replace = false;
  /// Goes on with the file of an earlier run, where there is one, behind this step: later events, and one that was cut
  /// off, are removed. (A TensorBoard that is looking on meanwhile has to be started again.)
  std::optional<std::int64_t> resume_step = {};
};

/// What TensorBoard shows (`tensorboard --logdir FOLDER`): curves, texts, histograms and pictures by tag and step. A
/// slash groups tags: "loss/train" and "loss/dev" stand side by side. Each event is handed to the system whole and at
/// once.
///
///   EventFile events("runs/first", {.replace = true});
///   events.scalar("loss/train", step, loss);
///   events.histogram("weights/tags", step, model.tags.weight);
///
/// The file is FOLDER/events.out.tfevents.0.saw, in TensorFlow's record format (masked CRC-32C), its events Protocol
/// Buffers of the message tensorflow.Event.
class EventFile {
 public:
  /// Makes the folder; with an empty path nothing is written. Nothing that exists is changed here, unless by
  /// resume_step. Throws Error(io) where the file cannot be made or written; for an existing one, unless it is to be
  /// replaced or gone on with; and, then too, for one that is broken or no event file.
  explicit EventFile(const std::string& folder, const EventFileOptions& options = {});
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // All throw Error(io) where writing fails; the file ends with the event before then.

  /// A point of a curve, kept in float32 as TensorBoard has it; NaN and infinities are allowed.
  void scalar(std::string_view tag, std::int64_t step, double value);
  /// Markdown.
  void text(std::string_view tag, std::int64_t step, std::string_view markdown);
  /// How the finite elements of a tensor are distributed, in `buckets` equal ones between the smallest and the largest.
  /// Throws Error(argument) for less than one bucket.
  void histogram(std::string_view tag, std::int64_t step, const Tensor& values, std::int64_t buckets = 64);
  /// A picture: (height, width, 3) or (height, width), floating from 0 (black) to 1. Throws Error(shape), Error(dtype).
  void image(std::string_view tag, std::int64_t step, const Tensor& pixels);

  /// The file; empty where nothing is written.
  const std::string& path() const { return path_; }

 private:
  struct File;
  void write(std::string event);

  std::string path_;
  std::unique_ptr<File> file_;
};

/// A value of an event, as read_events() finds it; what does not belong to its kind stays empty.
struct EventValue {
  /// What kind of value it is.
  enum class Kind {
    scalar,     ///< has `scalar`
    text,       ///< has `text`
    histogram,  ///< has `histogram`
    image,      ///< has `height`, `width` and `png`
    other,      ///< nothing that EventFile writes
  };
  /// How often which values occurred.
  struct Histogram {
    double low = 0.0, high = 0.0, count = 0.0, sum = 0.0, sum_of_squares = 0.0;  ///< of all values
    std::vector<double> limits = {}, counts = {};  ///< the upper end of each bucket, and what is in it
  };
  Kind kind = Kind::other;             ///< which of the others is there
  std::string tag = {};                ///< its name: "loss/train"
  float scalar = 0.0F;                 ///< of a scalar
  std::string text = {};               ///< of a text
  Histogram histogram = {};            ///< of a histogram
  std::int64_t height = 0, width = 0;  ///< of an image, in pixels
  std::string png = {};                ///< of an image, its file
};

/// An event of an event file.
struct Event {
  double wall_time = 0.0;               ///< seconds since 1970
  std::int64_t step = 0;                ///< of training
  std::string file_version = {};        ///< of the first one alone: "brain.Event:2"
  std::vector<EventValue> values = {};  ///< that it carries; none in the first one
};

/// All events of an event file, TensorBoard's own among them. Throws Error(io) "file: byte …: …" for a record that is
/// cut off, a wrong checksum, or a message that is none.
std::vector<Event> read_events(const std::string& path);

}  // namespace train
}  // namespace saw
