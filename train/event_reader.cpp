#include <bit>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/train/event_file.h"
#include "saw/train/internal/protobuf.h"
#include "saw/train/internal/tfrecord.h"

namespace saw::train {
namespace {

std::vector<double> packed_doubles(std::string_view bytes) {
  if (bytes.size() % 8 != 0) fail(ErrorKind::io, "protobuf: an array of {} bytes is none of doubles", bytes.size());
  std::vector<double> values;
  for (; !bytes.empty(); bytes.remove_prefix(8)) values.push_back(std::bit_cast<double>(read_fixed(bytes, 8)));
  return values;
}

EventValue::Histogram histogram_of(std::string_view message) {
  EventValue::Histogram histogram;
  for (ProtobufReader reader(message); reader.next();) {
    switch (reader.field()) {
      case 1:
        histogram.low = reader.float64();
        break;
      case 2:
        histogram.high = reader.float64();
        break;
      case 3:
        histogram.count = reader.float64();
        break;
      case 4:
        histogram.sum = reader.float64();
        break;
      case 5:
        histogram.sum_of_squares = reader.float64();
        break;
      case 6:
        histogram.limits = packed_doubles(reader.bytes());
        break;
      case 7:
        histogram.counts = packed_doubles(reader.bytes());
        break;
      default:
        break;
    }
  }
  return histogram;
}

/// The text of a tensor of one string; other tensors stay "other".
void read_tensor(std::string_view message, EventValue& value) {
  for (ProtobufReader reader(message); reader.next();) {
    if (reader.field() == 8) {
      value.kind = EventValue::Kind::text;
      value.text = reader.bytes();
    }
  }
}

void read_image(std::string_view message, EventValue& value) {
  value.kind = EventValue::Kind::image;
  for (ProtobufReader reader(message); reader.next();) {
    if (reader.field() == 1) value.height = reader.integer();
    if (reader.field() == 2) value.width = reader.integer();
    if (reader.field() == 4) value.png = reader.bytes();
  }
}

EventValue value_of(std::string_view message) {
  EventValue value;
  for (ProtobufReader reader(message); reader.next();) {
    switch (reader.field()) {
      case 1:
        value.tag = reader.bytes();
        break;
      case 2:
        value.kind = EventValue::Kind::scalar;
        value.scalar = reader.float32();
        break;
      case 4:
        read_image(reader.bytes(), value);
        break;
      case 5:
        value.kind = EventValue::Kind::histogram;
        value.histogram = histogram_of(reader.bytes());
        break;
      case 8:
        read_tensor(reader.bytes(), value);
        break;
      default:
        break;
    }
  }
  return value;
}

Event event_of(std::string_view message) {
  Event event;
  for (ProtobufReader reader(message); reader.next();) {
    switch (reader.field()) {
      case 1:
        event.wall_time = reader.float64();
        break;
      case 2:
        event.step = reader.integer();
        break;
      case 3:
        event.file_version = reader.bytes();
        break;
      case 5:
        for (ProtobufReader summary(reader.bytes()); summary.next();)
          if (summary.field() == 1) event.values.push_back(value_of(summary.bytes()));
        break;
      default:
        break;
    }
  }
  return event;
}

}  // namespace

std::vector<Event> read_events(const std::string& path) {
  const std::string file = data::read_file(path);
  std::vector<Event> events;
  for (std::size_t at = 0;;) {
    const std::size_t begin = at;
    const std::optional<std::string_view> record = next_tfrecord(file, at, path);
    if (!record) return events;
    try {
      events.push_back(event_of(*record));
    } catch (const Error& error) {
      fail(ErrorKind::io, "{}: byte {}: {}", path, begin, error.what());
    }
  }
}

}  // namespace saw::train
