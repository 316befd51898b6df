#include "saw/data/splits.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/data/internal/quote.h"
#include "saw/data/internal/shuffle.h"

namespace saw {
namespace data {
namespace {

std::string_view split_of(const Utterance& utterance) {
  return utterance.split.empty() ? std::string_view("train") : std::string_view(utterance.split);
}

const Utterance& at(const SpeakerData& data, std::int64_t utterance) {
  if (utterance < 0 || utterance >= std::ssize(data.utterances))
    fail(ErrorKind::index, "hold_out: number of an utterance out of range; got {}; expected 0 to {}", utterance,
         std::ssize(data.utterances) - 1);
  return data.utterances[static_cast<std::size_t>(utterance)];
}

/// Holds out units, which stay whole, in random order.
HoldOut hold_out(const SpeakerData& data, std::vector<std::vector<std::int64_t>> units, std::size_t utterance_count,
                 const HoldOutOptions& options) {
  if (!(options.fraction >= 0 && options.fraction < 1))
    fail(ErrorKind::argument, "hold_out: fraction; got {}; expected at least 0 and below 1", options.fraction);
  const auto speakers_of = [&](const std::vector<std::int64_t>& unit) {
    std::set<std::int64_t> speakers;
    for (const std::int64_t utterance : unit) {
      const std::int64_t speaker = at(data, utterance).speaker;
      if (speaker < 0 || speaker >= std::ssize(data.speakers))
        fail(ErrorKind::argument, "hold_out: speaker of {} is not known; got {}", quote(at(data, utterance).name),
             speaker);
      speakers.insert(speaker);
    }
    return speakers;
  };
  std::map<std::int64_t, std::int64_t> trained_units;  // of each speaker
  for (const auto& unit : units)
    for (const std::int64_t speaker : speakers_of(unit)) ++trained_units[speaker];
  HoldOut result;
  for (const auto& [speaker, count] : trained_units)
    if (count == 1) result.single_speakers.push_back(speaker);

  const auto wanted = std::lround(options.fraction * static_cast<double>(utterance_count));
  shuffle(units, RandomStream(options.seed, 0));
  for (const auto& unit : units) {
    const std::set<std::int64_t> speakers = speakers_of(unit);
    const bool spared = std::ssize(result.held_out) >= wanted ||
                        std::any_of(speakers.begin(), speakers.end(),
                                    [&](std::int64_t speaker) { return trained_units[speaker] == 1; });
    auto& part = spared ? result.training : result.held_out;
    part.insert(part.end(), unit.begin(), unit.end());
    if (!spared)
      for (const std::int64_t speaker : speakers) --trained_units[speaker];
  }
  std::sort(result.training.begin(), result.training.end());
  std::sort(result.held_out.begin(), result.held_out.end());
  return result;
}

}  // namespace

std::vector<std::int64_t> utterances_of_split(const SpeakerData& data, std::string_view split) {
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i < data.utterances.size(); ++i)
    if (split_of(data.utterances[i]) == split) numbers.push_back(static_cast<std::int64_t>(i));
  return numbers;
}

void check_groups(const SpeakerData& data) {
  std::map<std::string_view, const Utterance*> first_of;  // each group's first utterance
  for (const Utterance& utterance : data.utterances) {
    if (utterance.group.empty()) continue;
    const Utterance& first = *first_of.emplace(utterance.group, &utterance).first->second;
    if (split_of(first) != split_of(utterance))
      fail(ErrorKind::argument, "check_groups: group {} is in two splits; got {} in {} and {} in {}",
           quote(utterance.group), quote(first.name), split_of(first), quote(utterance.name), split_of(utterance));
  }
}

HoldOut hold_out_utterances(const SpeakerData& data, std::span<const std::int64_t> utterances,
                            const HoldOutOptions& options) {
  std::vector<std::vector<std::int64_t>> units;
  units.reserve(utterances.size());
  for (const std::int64_t utterance : utterances) units.push_back({utterance});
  return hold_out(data, std::move(units), utterances.size(), options);
}

HoldOut hold_out_groups(const SpeakerData& data, std::span<const std::int64_t> utterances,
                        const HoldOutOptions& options) {
  std::map<std::string_view, std::vector<std::int64_t>> members;
  for (const std::int64_t utterance : utterances) {
    const Utterance& known = at(data, utterance);
    if (known.group.empty())
      fail(ErrorKind::argument, "hold_out_groups: {} has no group; hint: hold_out_utterances needs none",
           quote(known.name));
    members[known.group].push_back(utterance);
  }
  std::vector<std::vector<std::int64_t>> units;
  for (auto& [group, numbers] : members) units.push_back(std::move(numbers));
  return hold_out(data, std::move(units), utterances.size(), options);
}

}  // namespace data
}  // namespace saw
