#include "saw/data/internal/zip_writer.h"

#include <zlib.h>

#include <bit>
#include <cstring>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/quote.h"

namespace saw {
namespace data {
namespace {

static_assert(std::endian::native == std::endian::little, "zip is little-endian");

// What PKWARE's APPNOTE.TXT calls the fields. Sizes and offsets always stand in the Zip64 fields, so that archives of
// all sizes are written by the same code; the 32-bit fields say so.
constexpr std::uint16_t version_of_zip64 = 45;
constexpr std::uint16_t utf8_names = 0x0800;
constexpr std::uint16_t stored = 0;
constexpr std::uint32_t first_of_january_1980 = 0x00210000;  // the earliest time that zip can say
constexpr std::uint16_t in_zip64_16 = 0xFFFF;
constexpr std::uint32_t in_zip64_32 = 0xFFFFFFFF;
constexpr std::uint16_t zip64_field = 1;
constexpr std::uint16_t padding_field = 0x4246;  // "FB", as in PyTorch's files
constexpr std::size_t alignment = 64;

class Record {
 public:
  template <class T>
  Record& put(T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    bytes_.append(bytes, sizeof value);
    return *this;
  }
  Record& put_text(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  Record& put_zeros(std::size_t count) {
    bytes_.append(count, '\0');
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// The part that the header before an entry and its place in the directory have in common.
void put_common(Record& record, std::uint32_t checksum, std::string_view name, std::size_t extra) {
  record.put(version_of_zip64).put(utf8_names).put(stored).put(first_of_january_1980).put(checksum);
  record.put(in_zip64_32).put(in_zip64_32);  // bytes in the file, bytes of the contents
  record.put(static_cast<std::uint16_t>(name.size())).put(static_cast<std::uint16_t>(extra));
}

}  // namespace

void ZipWriter::write(std::string_view bytes) {
  file_.write(bytes);
  position_ += bytes.size();
}

void ZipWriter::add(std::string_view name, std::initializer_list<std::string_view> pieces) {
  if (name.size() > 0xFFFF) fail(ErrorKind::argument, "zip: a name of {} bytes; got {}", name.size(), quote(name));
  Entry entry{.name = std::string(name), .checksum = 0, .size = 0, .offset = position_};
  for (const std::string_view piece : pieces) {
    entry.checksum = static_cast<std::uint32_t>(
        crc32_z(entry.checksum, reinterpret_cast<const unsigned char*>(piece.data()), piece.size()));
    entry.size += piece.size();
  }

  constexpr std::size_t header = 30, field = 4, sizes = 16;
  const std::size_t end = static_cast<std::size_t>(position_) + header + name.size() + field + sizes + field;
  const std::size_t padding = (alignment - end % alignment) % alignment;
  Record record;
  record.put_text("PK\3\4");
  put_common(record, entry.checksum, name, field + sizes + field + padding);
  record.put_text(name);
  record.put(zip64_field).put(static_cast<std::uint16_t>(sizes)).put(entry.size).put(entry.size);
  record.put(padding_field).put(static_cast<std::uint16_t>(padding)).put_zeros(padding);
  write(record.bytes());
  for (const std::string_view piece : pieces) write(piece);
  entries_.push_back(std::move(entry));
}

void ZipWriter::commit() {
  const std::uint64_t directory = position_;
  for (const Entry& entry : entries_) {
    constexpr std::size_t field = 4, sizes_and_offset = 24;
    Record record;
    record.put_text("PK\1\2").put(version_of_zip64);
    put_common(record, entry.checksum, entry.name, field + sizes_and_offset);
    record.put_zeros(10);  // no comment, first disk, no attributes
    record.put(in_zip64_32).put_text(entry.name);
    record.put(zip64_field).put(static_cast<std::uint16_t>(sizes_and_offset));
    record.put(entry.size).put(entry.size).put(entry.offset);
    write(record.bytes());
  }
  const std::uint64_t end = position_, count = entries_.size();
  Record record;
  constexpr std::uint64_t rest_of_zip64_end = 44;
  record.put_text("PK\6\6").put(rest_of_zip64_end).put(version_of_zip64).put(version_of_zip64);
  record.put_zeros(8).put(count).put(count).put(end - directory).put(directory);  // zeros: this disk, first disk
  constexpr std::uint32_t disks = 1;
  record.put_text("PK\6\7").put_zeros(4).put(end).put(disks);
  record.put_text("PK\5\6").put_zeros(4).put(in_zip64_16).put(in_zip64_16).put(in_zip64_32).put(in_zip64_32);
  record.put_zeros(2);  // no comment
  write(record.bytes());
  file_.commit();
}

}  // namespace data
}  // namespace saw
