#include "saw/data/audio/audio.h"

#include <sndfile.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <system_error>
#include <vector>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/ops/creation.h"
#include "saw/data/audio/internal/samples.h"
#include "saw/data/file.h"

namespace saw {
namespace data {
namespace {

static_assert(std::endian::native == std::endian::little, "WAV files are little-endian");

struct CloseFile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using SoundFile = std::unique_ptr<SNDFILE, CloseFile>;

// Bytes of a regular file. libsndfile would wait for the other end of a pipe, and says nothing useful of a directory.
std::int64_t size_of_regular(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (error) fail(ErrorKind::io, "{}: cannot read; {}", path, error.message());
  if (std::filesystem::is_directory(status)) fail(ErrorKind::io, "{}: cannot read; it is a directory", path);
  if (!std::filesystem::is_regular_file(status)) fail(ErrorKind::io, "{}: cannot read; it is not a regular file", path);
  const auto size = std::filesystem::file_size(path, error);
  if (error) fail(ErrorKind::io, "{}: cannot read; {}", path, error.message());
  return static_cast<std::int64_t>(size);
}

// The text of libsndfile without its "Error : " and full stop.
std::string reason(const char* text) {
  std::string result = text;
  for (const char* prefix : {"Error : ", "Error: "})
    if (result.rfind(prefix, 0) == 0) result.erase(0, std::strlen(prefix));
  while (!result.empty() && (result.back() == '.' || result.back() == '\n')) result.pop_back();
  return result;
}

SoundFile open_sound(const std::string& path, SF_INFO& info) {
  // Why a file could not be opened is in a variable that all threads share.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  SoundFile file(sf_open(path.c_str(), SFM_READ, &info));
  if (!file) fail(ErrorKind::io, "{}: cannot read as sound; {}", path, reason(sf_strerror(nullptr)));
  return file;
}

std::int64_t bytes_of_sample(int format) {
  switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW:
      return 1;
    case SF_FORMAT_PCM_16:
      return 2;
    case SF_FORMAT_PCM_24:
      return 3;
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_FLOAT:
      return 4;
    case SF_FORMAT_DOUBLE:
      return 8;
    default:
      return 0;  // compressed
  }
}

// The frames that the header of a WAV file promises; libsndfile itself reports those that are there. Writers to a pipe,
// which cannot come back to fill in the size, leave 0 or about 2³¹ or 2³² there: those promise nothing.
std::int64_t promised_frames(SNDFILE* file, const SF_INFO& info) {
  const int container = info.format & SF_FORMAT_TYPEMASK;
  const std::int64_t bytes = bytes_of_sample(info.format) * info.channels;
  if ((container != SF_FORMAT_WAV && container != SF_FORMAT_WAVEX) || bytes == 0) return 0;
  SF_CHUNK_INFO chunk{};
  std::memcpy(chunk.id, "data", 4);
  chunk.id_size = 4;
  const SF_CHUNK_ITERATOR* found = sf_get_chunk_iterator(file, &chunk);
  if (found == nullptr || sf_get_chunk_size(found, &chunk) != SF_ERR_NO_ERROR) return 0;
  constexpr unsigned from_a_pipe = 0x7FFF0000;
  return chunk.datalen >= from_a_pipe ? 0 : chunk.datalen / bytes;
}

}  // namespace

double Audio::seconds() const {
  if (!samples.defined() || sample_rate < 1) return 0.0;
  return static_cast<double>(samples.numel()) / static_cast<double>(sample_rate);
}

Audio read_audio(const std::string& path) {
  constexpr float largest_sample = 0x1p40F;
  const std::int64_t bytes = size_of_regular(path);
  SF_INFO info{};
  const SoundFile file = open_sound(path, info);
  if (info.samplerate < 1) fail(ErrorKind::io, "{}: the sample rate is {}", path, info.samplerate);

  // Piece by piece: memory is taken for what is there, not for what the header says.
  const std::int64_t channels = info.channels;
  const sf_count_t piece_frames = std::max<sf_count_t>(1, 65536 / channels);
  std::vector<float> piece(static_cast<std::size_t>(piece_frames * channels));
  std::vector<float> samples;
  samples.reserve(static_cast<std::size_t>(std::clamp<std::int64_t>(info.frames, 0, bytes)));
  while (const sf_count_t frames = sf_readf_float(file.get(), piece.data(), piece_frames)) {
    const float* next = piece.data();
    for (sf_count_t i = 0; i < frames; ++i) {
      double sum = 0.0;
      for (std::int64_t channel = 0; channel < channels; ++channel) sum += static_cast<double>(*next++);
      const auto mean = static_cast<float>(sum / static_cast<double>(channels));
      if (!(std::abs(mean) <= largest_sample))
        fail(ErrorKind::io, "{}: sample {} is damaged; got {}; full scale is 1", path, samples.size(), mean);
      samples.push_back(mean);
    }
  }
  if (sf_error(file.get()) != SF_ERR_NO_ERROR)
    fail(ErrorKind::io, "{}: damaged after {} frames; {}", path, samples.size(), reason(sf_strerror(file.get())));
  // A stream of unknown length says SF_COUNT_MAX.
  const std::int64_t known = info.frames == SF_COUNT_MAX ? 0 : info.frames;
  const std::int64_t promised = std::max<std::int64_t>(known, promised_frames(file.get(), info));
  if (static_cast<std::int64_t>(samples.size()) < promised)
    fail(ErrorKind::io, "{}: the file ends too early; got {} frames; expected {}", path, samples.size(), promised);
  if (samples.empty()) fail(ErrorKind::io, "{}: no samples", path);
  return {tensor(samples), info.samplerate};
}

Audio read_audio(const std::string& path, std::int64_t sample_rate) {
  const Audio audio = read_audio(path);
  try {
    return resample(audio, sample_rate);
  } catch (const Error& error) {
    fail(ErrorKind::io, "{}: {}", path, error.what());
  }
}

void write_wav(const std::string& path, const Audio& audio) {
  const Tensor samples = checked_samples("write_wav", audio.samples);
  const std::int64_t count = samples.numel();
  if (audio.sample_rate < 1 || audio.sample_rate > 0x7FFFFFFF)
    fail(ErrorKind::argument, "write_wav: the sample rate does not fit the format; got {}; expected 1 to 2^31 - 1",
         audio.sample_rate);
  constexpr std::int64_t header_bytes = 44, most = (0xFFFFFFFF - header_bytes) / 2;
  if (count > most)
    fail(ErrorKind::argument, "write_wav: too long for a WAV file; got {} samples; at most {}", count, most);

  std::vector<std::int16_t> pcm(static_cast<std::size_t>(count));
  const float* values = samples.data<float>();
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    if (!std::isfinite(values[i])) fail(ErrorKind::argument, "write_wav: sample {} is NaN or infinite", i);
    pcm[i] = static_cast<std::int16_t>(std::lrint(std::clamp(values[i] * 32768.0F, -32768.0F, 32767.0F)));
  }

  const auto data_bytes = static_cast<std::uint32_t>(2 * count), rate = static_cast<std::uint32_t>(audio.sample_rate);
  std::string header;
  const auto put = [&header](auto value) { header.append(reinterpret_cast<const char*>(&value), sizeof value); };
  header += "RIFF";
  put(static_cast<std::uint32_t>(header_bytes - 8 + data_bytes));
  header += "WAVEfmt ";
  put(std::uint32_t{16});  // bytes of this chunk
  put(std::uint16_t{1});   // PCM
  put(std::uint16_t{1});   // channels
  put(rate);
  put(std::uint32_t{2 * rate});  // bytes in a second
  put(std::uint16_t{2});         // bytes of a frame
  put(std::uint16_t{16});        // bits of a sample
  header += "data";
  put(data_bytes);

  AtomicFile file(path);
  file.write(header);
  file.write(pcm.data(), data_bytes);
  file.commit();
}

}  // namespace data
}  // namespace saw
