#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// What a Profile measures beside phases.
struct ProfileOptions {
  bool ops = false;                      ///< also measures every op, forward and backward; costs about 0.2 µs an op
  bool trace = false;                    ///< keeps when everything happened, for save_trace()
  std::size_t trace_events = 1'000'000;  ///< at most so many; what comes later is counted but not in the trace
};

/// Time measured under one name.
struct ProfileRow {
  std::string name;        ///< of the phase or the op
  double seconds = 0.0;    ///< without the phases inside it
  std::int64_t calls = 0;  ///< how often
};

/// Where the time goes: seconds per phase of a training loop and, on request, per op.
///
///   Profile profile;
///   for (…) {
///     auto phase = profile.phase("data");
///     const Batch batch = loader.next();
///     phase.next("forward");
///     const Tensor loss = …;
///     phase.next("backward");
///     loss.backward();
///     phase.next("step");
///     adam.step();
///   }                                  // the phase ends here
///   fmt::print("{}", profile.table());
///
/// A profile and its phases belong to one thread.
class Profile {
 public:
  /// Begins to measure.
  explicit Profile(const ProfileOptions& options = {});
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  /// A phase from its making to its end. Phases nest; the time of an inner one is not the outer one's.
  class [[nodiscard]] Phase {
   public:
    ~Phase() { end(); }
    Phase(const Phase&) = delete;
    Phase& operator=(const Phase&) = delete;
    /// Ends this phase and begins another in its place.
    void next(std::string_view name);
    void end();

   private:
    friend class Profile;
    Phase(Profile& profile, std::string_view name);
    Profile* profile_;
    std::size_t depth_ = 0;
    bool running_ = false;
  };
  /// Measures until what it gives goes out of scope: `const auto phase = profile.phase("forward");`.
  Phase phase(std::string_view name) { return Phase(*this, name); }

  /// Since it was made or reset.
  double seconds() const;
  /// In the order in which they first began.
  std::vector<ProfileRow> phases() const;
  /// The slowest first; a backward is a row of its own, "softmax, backward". The time of an op forward is that since
  /// the op before it (or since its phase began), so it includes what the program does between the two.
  std::vector<ProfileRow> ops() const;
  /// Phases, the time outside of them ("other"), and up to 20 ops as lines of text:
  ///
  ///   phase       seconds    share     calls       each
  ///   forward      12.345   41.2 %     1,000    12.3 ms
  std::string table() const;
  /// The trace in the Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing open. Throws
  /// Error(argument) unless the profile keeps one.
  std::string trace() const;
  /// Writes trace() to a file, all of it or nothing. Throws Error(argument) and Error(io).
  void save_trace(const std::string& path) const;
  /// Forgets everything. Throws Error(argument) inside a phase.
  void reset();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace train
}  // namespace saw
