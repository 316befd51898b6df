#include "saw/data/internal/zip_reader.h"

#include <zip.h>

#include <algorithm>
#include <array>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/file.h"
#include "saw/data/internal/quote.h"

namespace saw {
namespace data {
namespace {

// The most that deflate makes of a byte: 258 bytes for each 2 bits.
constexpr std::uint64_t largest_growth = 1032;

std::uint64_t size_of_regular_file(const std::string& path) {
  const InputFile file(path);
  if (!file.is_regular()) fail(ErrorKind::io, "{}: not a zip archive: not a regular file", path);
  return file.size();
}

std::string describe(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

}  // namespace

ZipReader::ZipReader(const std::string& path) : path_(path), archive_(nullptr, zip_discard) {
  const std::uint64_t file_size = size_of_regular_file(path);
  int code = 0;
  archive_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!archive_) fail(ErrorKind::io, "{}: not a zip archive that can be read: {}", path, describe(code));
  read_directory(file_size);
}

ZipReader::~ZipReader() = default;

void ZipReader::read_directory(std::uint64_t file_size) {
  const auto count = static_cast<std::uint64_t>(zip_get_num_entries(archive_.get(), 0));
  entries_.reserve(count);
  std::uint64_t room = file_size;  // what the entries so far have left of the file
  for (std::uint64_t i = 0; i < count; ++i) {
    constexpr std::uint64_t needed =
        ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_t stat;
    if (zip_stat_index(archive_.get(), i, ZIP_FL_ENC_RAW, &stat) != 0 || (stat.valid & needed) != needed)
      fail(ErrorKind::io, "{}: not a zip archive that can be read: entry {} of {} is incomplete", path_, i + 1, count);
    Entry& entry = entries_.emplace_back();
    entry = {stat.name, stat.size, stat.comp_size, stat.comp_method == ZIP_CM_DEFLATE};
    if (stat.encryption_method != ZIP_EM_NONE)
      fail(ErrorKind::io, "{}: record {} is encrypted", path_, quote(entry.name));
    if (!entry.deflated && stat.comp_method != ZIP_CM_STORE)
      fail(ErrorKind::io, "{}: record {} is compressed; got method {}; expected stored or deflated", path_,
           quote(entry.name), stat.comp_method);
    const bool possible =
        entry.deflated ? entry.size / largest_growth <= entry.file_bytes : entry.size == entry.file_bytes;
    if (!possible)
      fail(ErrorKind::io, "{}: record {} has an impossible size; got {} bytes in {} bytes of the file", path_,
           quote(entry.name), entry.size, entry.file_bytes);
    if (entry.file_bytes > room)
      fail(ErrorKind::io, "{}: record {} runs past the end of the file or overlaps others; got {} bytes", path_,
           quote(entry.name), entry.file_bytes);
    room -= entry.file_bytes;
  }
  std::vector<std::string_view> names;
  names.reserve(entries_.size());
  for (const Entry& entry : entries_) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  if (const auto repeated = std::adjacent_find(names.begin(), names.end()); repeated != names.end())
    fail(ErrorKind::io, "{}: two records have the name {}", path_, quote(*repeated));
}

std::optional<std::size_t> ZipReader::find(std::string_view name) const {
  if (name.find('\0') != std::string_view::npos) return std::nullopt;  // libzip would look for what comes before it
  const zip_int64_t index = zip_name_locate(archive_.get(), std::string(name).c_str(), ZIP_FL_ENC_RAW);
  if (index < 0) return std::nullopt;
  return static_cast<std::size_t>(index);
}

std::string ZipReader::read(std::size_t entry, std::uint64_t limit) const {
  const std::uint64_t size = entries_[entry].size;
  if (size > limit)
    fail(ErrorKind::io, "{}: record {} is too large; got {} bytes; expected at most {}", path_,
         quote(entries_[entry].name), size, limit);
  std::string result(size, '\0');
  Record record(*this, entry);
  record.read(result.data(), result.size());
  record.finish();
  return result;
}

ZipReader::Record::Record(const ZipReader& archive, std::size_t entry)
    : archive_(archive),
      entry_(archive.entries_[entry]),
      file_(zip_fopen_index(archive.archive_.get(), entry, 0)),
      remaining_(entry_.size) {
  if (file_ == nullptr)
    fail(ErrorKind::io, "{}: record {} cannot be read: {}", archive_.path_, quote(entry_.name),
         zip_strerror(archive_.archive_.get()));
}

ZipReader::Record::~Record() { zip_fclose(file_); }

void ZipReader::Record::read(void* bytes, std::size_t count) {
  if (count > remaining_)
    fail(ErrorKind::io, "{}: record {} is too short; got {} bytes; expected {} more", archive_.path_,
         quote(entry_.name), entry_.size, count - remaining_);
  char* next = static_cast<char*>(bytes);
  while (count > 0) {
    const zip_int64_t got = zip_fread(file_, next, count);
    if (got <= 0) fail_to_read();
    next += got;
    count -= static_cast<std::size_t>(got);
    remaining_ -= static_cast<std::uint64_t>(got);
  }
}

void ZipReader::Record::finish() {
  std::array<char, 1 << 16> rest;
  while (remaining_ > 0) read(rest.data(), std::min<std::uint64_t>(remaining_, rest.size()));
  // libzip compares the checksum when it meets the end.
  if (zip_fread(file_, rest.data(), 1) != 0) fail_to_read();
}

void ZipReader::Record::fail_to_read() const {
  // What libzip calls "CRC error", in words; an end too early has no error of its own.
  const int code = zip_error_code_zip(zip_file_get_error(file_));
  const std::string why = code == ZIP_ER_CRC  ? "its checksum is wrong; the file is damaged"
                          : code == ZIP_ER_OK ? "its size is not what the directory says"
                                              : zip_file_strerror(file_);
  fail(ErrorKind::io, "{}: record {} cannot be read: {}", archive_.path_, quote(entry_.name), why);
}

}  // namespace data
}  // namespace saw
