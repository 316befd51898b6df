#include "saw/data/audio/sound_frames.h"

#include <memory>
#include <mutex>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/audio/audio.h"

namespace saw {
namespace data {
namespace {

class SoundFrames {
 public:
  SoundFrames(std::vector<std::string> paths, const LogMelOptions& options, std::int64_t room)
      : log_mel_(options), paths_(std::move(paths)), room_(room), kept_(paths_.size()) {}

  Tensor frames(std::int64_t number) {
    if (number < 0 || number >= std::ssize(paths_))
      fail(ErrorKind::index, "sound_frames: number of a sound; got {}; expected 0 … {}", number,
           std::ssize(paths_) - 1);
    const auto i = static_cast<std::size_t>(number);
    {
      const std::lock_guard lock(mutex_);
      if (kept_[i].defined()) return kept_[i];
    }
    const Tensor frames = compute(paths_[i]);
    const std::lock_guard lock(mutex_);
    const std::int64_t bytes = frames.numel() * static_cast<std::int64_t>(sizeof(float));
    if (!kept_[i].defined() && bytes <= room_) {
      kept_[i] = frames;
      room_ -= bytes;
    }
    return frames;
  }

 private:
  Tensor compute(const std::string& path) const {
    const LogMelOptions& options = log_mel_.options();
    const Audio audio = read_audio(path, options.sample_rate);
    if (audio.samples.numel() <= options.window / 2)
      fail(ErrorKind::io, "{}: too short; got {:.4f} s; expected more than {:.4f} s", path, audio.seconds(),
           0.5 * static_cast<double>(options.window) / static_cast<double>(audio.sample_rate));
    return log_mel_(audio.samples);
  }

  LogMel log_mel_;
  std::vector<std::string> paths_;
  std::mutex mutex_;
  std::int64_t room_;  // that is left
  TensorList kept_;
};

}  // namespace

FrameSource sound_frames(std::vector<std::string> paths, const LogMelOptions& options, std::int64_t room) {
  const auto sounds = std::make_shared<SoundFrames>(std::move(paths), options, room);
  return [sounds](std::int64_t number) { return sounds->frames(number); };
}

}  // namespace data
}  // namespace saw
