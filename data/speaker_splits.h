#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "saw/data/manifest.h"
#include "saw/data/splits.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// The numbers of the utterances of a split, ascending. "train" has those that name no split as well.
std::vector<std::int64_t> utterances_of_split(const SpeakerData& data, std::string_view split);

/// Throws Error(argument) naming the group and both splits where utterances of one group are in two: what a recording
/// sounds like would then give the speaker away. Utterances without a group are left alone.
void check_groups(const SpeakerData& data);

/// Utterances in two parts.
struct HoldOut {
  std::vector<std::int64_t> training;  ///< numbers of utterances, ascending
  std::vector<std::int64_t> held_out;  ///< likewise
  /// Speakers with a single utterance (or group): it is trained on, so nothing tells how well they are known.
  std::vector<std::int64_t> single_speakers;
};

/// Holds out a random part of the given utterances: the fraction of them, rounded, but never a speaker's last one.
/// Utterances of one recording session come on both sides; where groups are known, hold those out. A function of the
/// arguments alone. Throws Error(argument) for a fraction out of range or an utterance whose speaker is not known.
HoldOut hold_out_utterances(const SpeakerData& data, std::span<const std::int64_t> utterances,
                            const HoldOutOptions& options = {});

/// The same by whole groups, until at least the fraction of the utterances is held out; never a speaker's last group.
/// Throws Error(argument) also for an utterance without a group.
HoldOut hold_out_groups(const SpeakerData& data, std::span<const std::int64_t> utterances,
                        const HoldOutOptions& options = {});

}  // namespace data
}  // namespace saw
