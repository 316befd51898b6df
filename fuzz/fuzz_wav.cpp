// read_audio on any bytes that begin as WAV files do. What becomes of other sound is up to the decoders behind
// libsndfile (libvorbis, for one, leaks memory for damaged headers), which have fuzzers of their own.

#include <cmath>
#include <cstring>

#include "saw/data/audio/audio.h"
#include "support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  for (const char* container : {"RIFF", "RIFX", "RF64"}) {
    if (std::memcmp(data, container, 4) != 0) continue;
    fuzz::run(data, size, {.factor = 200, .constant = std::size_t{8} << 20}, [](const std::string& path) {
      const saw::data::Audio audio = saw::data::read_audio(path);
      fuzz::touch(audio.samples);
      fuzz::require(audio.samples.rank() == 1 && audio.samples.numel() > 0, "sound without samples");
      fuzz::require(audio.sample_rate > 0, "sound without a sample rate");
      fuzz::require(std::isfinite(audio.seconds()), "sound without a length");
    });
  }
  return 0;
}
