#include "saw/train/event_file.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/copy.h"
#include "saw/data/file.h"
#include "saw/train/internal/append_file.h"
#include "saw/train/internal/png.h"
#include "saw/train/internal/protobuf.h"
#include "saw/train/internal/tfrecord.h"

namespace saw::train {
namespace {

constexpr std::string_view version = "brain.Event:2";

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// The messages and field numbers are those of tensorflow/core/util/event.proto and framework/summary.proto:
//   Event {double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5}
//   Summary {repeated Value value = 1}
//   Value {string tag = 1; float simple_value = 2; Image image = 4; Histogram histo = 5; Tensor tensor = 8;
//          Metadata metadata = 9}

std::string first_event() { return ProtobufWriter().float64(1, wall_time()).bytes(3, version).text(); }

std::string event(std::int64_t step, const ProtobufWriter& value) {
  return ProtobufWriter()
      .float64(1, wall_time())
      .integer(2, step)
      .message(5, ProtobufWriter().message(1, value))
      .text();
}

/// Where the events that are kept end. Throws for a file that is broken before its end.
std::size_t kept_events(const std::string& path, std::int64_t last_step) {
  const std::string file = data::read_file(path);
  std::size_t at = 0, end = 0;
  const std::string first = tfrecord(first_event());
  // Killed within its first event: the length and its checksum tell, as far as they are there.
  if (file.size() < first.size() && file.substr(0, 12) == first.substr(0, std::min<std::size_t>(file.size(), 12)))
    return 0;
  while (at < file.size()) {
    if (end > 0 && is_cut_off(file, at)) break;
    const std::string_view record = *next_tfrecord(file, at, path);
    std::int64_t step = 0;
    bool begins = false;
    for (ProtobufReader reader(record); reader.next();) {
      if (reader.field() == 2) step = reader.integer();
      if (reader.field() == 3) begins = reader.bytes().starts_with("brain.Event:");
    }
    if (end == 0 && !begins) fail(ErrorKind::io, "{}: not an event file; it is left as it is", path);
    if (step > last_step) break;
    end = at;
  }
  return end;
}

}  // namespace

struct EventFile::File {
  explicit File(const std::string& path) : out(path) {}

  AppendFile out;
  bool begins_anew = true;
};

EventFile::EventFile(const std::string& folder, const EventFileOptions& options) {
  if (folder.empty()) return;
  data::make_directories(folder);
  path_ = folder + "/events.out.tfevents.0.saw";  // TensorBoard looks for "tfevents"
  file_ = std::make_unique<File>(path_);
  if (!file_->out.is_regular() || file_->out.size() == 0) return;
  if (options.resume_step) {
    file_->out.truncate(kept_events(path_, *options.resume_step));
    file_->begins_anew = file_->out.size() == 0;
  } else if (options.replace) {
    kept_events(path_, std::numeric_limits<std::int64_t>::max());  // throws where it holds something else
  } else {
    fail(ErrorKind::io, "{}: exists already; name another folder, or resume the run that wrote it", path_);
  }
}

EventFile::~EventFile() = default;

void EventFile::write(std::string event) {
  if (!file_) return;
  if (file_->begins_anew) {
    file_->out.truncate(0);
    file_->out.append(tfrecord(first_event()));
    file_->begins_anew = false;
  }
  file_->out.append(tfrecord(event));
}

void EventFile::scalar(std::string_view tag, std::int64_t step, double value) {
  write(event(step, ProtobufWriter().bytes(1, tag).float32(2, static_cast<float>(value))));
}

void EventFile::text(std::string_view tag, std::int64_t step, std::string_view markdown) {
  // Tensor {DataType dtype = 1 (7: string); TensorShape tensor_shape = 2 {repeated Dim dim = 2 {int64 size = 1}};
  // repeated bytes string_val = 8}, and in the metadata {PluginData plugin_data = 1 {string plugin_name = 1}} what
  // shows it.
  const ProtobufWriter shape = ProtobufWriter().message(2, ProtobufWriter().integer(1, 1));
  const ProtobufWriter tensor = ProtobufWriter().integer(1, 7).message(2, shape).bytes(8, markdown);
  const ProtobufWriter metadata = ProtobufWriter().message(1, ProtobufWriter().bytes(1, "text"));
  write(event(step, ProtobufWriter().bytes(1, tag).message(8, tensor).message(9, metadata)));
}

void EventFile::histogram(std::string_view tag, std::int64_t step, const Tensor& values, std::int64_t buckets) {
  if (buckets < 1) fail(ErrorKind::argument, "EventFile: buckets of a histogram; got {}; expected at least 1", buckets);
  std::vector<double> numbers = to(values.detach(), float64).to_vector<double>();
  std::erase_if(numbers, [](double number) { return !std::isfinite(number); });
  double low = 0, high = 0, sum = 0, squares = 0;
  if (!numbers.empty()) {
    const auto [smallest, largest] = std::minmax_element(numbers.begin(), numbers.end());
    low = *smallest;
    high = *largest;
  }
  const auto count = static_cast<std::size_t>(high > low ? buckets : 1);
  std::vector<double> limits(count), counts(count, 0.0);
  for (std::size_t i = 0; i < count; ++i)  // without high − low, which may be beyond all numbers
    limits[i] = low * (1 - static_cast<double>(i + 1) / static_cast<double>(count)) +
                high * (static_cast<double>(i + 1) / static_cast<double>(count));
  limits.back() = high;
  for (const double number : numbers) {
    const auto bucket = std::lower_bound(limits.begin(), limits.end(), number) - limits.begin();
    ++counts[std::min(static_cast<std::size_t>(bucket), count - 1)];
    sum += number;
    squares += number * number;
  }
  // Histogram {double min = 1, max = 2, num = 3, sum = 4, sum_squares = 5; repeated double bucket_limit = 6, bucket =
  // 7}
  const ProtobufWriter histogram = ProtobufWriter()
                                       .float64(1, low)
                                       .float64(2, high)
                                       .float64(3, static_cast<double>(numbers.size()))
                                       .float64(4, sum)
                                       .float64(5, squares)
                                       .packed(6, limits)
                                       .packed(7, counts);
  write(event(step, ProtobufWriter().bytes(1, tag).message(5, histogram)));
}

void EventFile::image(std::string_view tag, std::int64_t step, const Tensor& pixels) {
  const bool colours = pixels.rank() == 3 && pixels.size(2) == 3;
  if ((pixels.rank() != 2 && !colours) || pixels.numel() == 0)
    fail(ErrorKind::shape, "EventFile: a picture; got {}; expected (height, width, 3) or (height, width)",
         pixels.shape());
  if (!is_floating(pixels.dtype()))
    fail(ErrorKind::dtype, "EventFile: a picture; got {}; expected a floating dtype", pixels.dtype());
  std::vector<std::uint8_t> bytes;
  for (const double value : to(pixels.detach(), float64).to_vector<double>()) {
    const double clamped = std::isnan(value) ? 0.0 : std::clamp(value, 0.0, 1.0);
    bytes.insert(bytes.end(), colours ? 1 : 3, static_cast<std::uint8_t>(std::lround(255 * clamped)));
  }
  // Image {int32 height = 1, width = 2, colorspace = 3 (3: RGB); bytes encoded_image_string = 4}
  const ProtobufWriter image = ProtobufWriter()
                                   .integer(1, pixels.size(0))
                                   .integer(2, pixels.size(1))
                                   .integer(3, 3)
                                   .bytes(4, encode_png(pixels.size(1), pixels.size(0), bytes));
  write(event(step, ProtobufWriter().bytes(1, tag).message(4, image)));
}

}  // namespace saw::train
