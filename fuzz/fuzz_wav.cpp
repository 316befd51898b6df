// read_audio on any bytes.

#include <cmath>
#include <cstring>

#include "saw/data/audio/audio.h"
#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // In a WAV file a byte stands for a few samples. A block of FLAC can stand for 65,535 samples of silence in 14 bytes.
  const bool wav = size >= 4 && std::memcmp(data, "RIF", 3) == 0;
  fuzz::run(data, size, {.factor = wav ? 200U : 65'535U, .constant = std::size_t{8} << 20},
            [](const std::string& path) {
              const saw::data::Audio audio = saw::data::read_audio(path);
              fuzz::touch(audio.samples);
              fuzz::require(audio.samples.rank() == 1 && audio.samples.numel() > 0, "sound without samples");
              fuzz::require(audio.sample_rate > 0, "sound without a sample rate");
              fuzz::require(std::isfinite(audio.seconds()), "sound without a length");
            });
  return 0;
}
