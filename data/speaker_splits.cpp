#include "saw/data/speaker_splits.h"

#include <map>
#include <string>
#include <utility>

#include "saw/autograd/base/internal/check.h"
#include "saw/data/internal/quote.h"

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

/// By the labels that the utterances' speakers are; `groups` as data::hold_out wants them.
HoldOut hold_out_labelled(const SpeakerData& data, std::span<const std::int64_t> utterances,
                          std::span<const std::int64_t> groups, const HoldOutOptions& options) {
  std::vector<std::int64_t> speakers;
  speakers.reserve(utterances.size());
  for (const std::int64_t utterance : utterances) {
    const std::int64_t speaker = at(data, utterance).speaker;
    if (speaker < 0 || speaker >= std::ssize(data.speakers))
      fail(ErrorKind::argument, "hold_out: speaker of {} is not known; got {}", quote(at(data, utterance).name),
           speaker);
    speakers.push_back(speaker);
  }
  HeldOut parts = hold_out(utterances, speakers, groups, options);
  return {std::move(parts.training), std::move(parts.held_out), std::move(parts.single_labels)};
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
  return hold_out_labelled(data, utterances, {}, options);
}

HoldOut hold_out_groups(const SpeakerData& data, std::span<const std::int64_t> utterances,
                        const HoldOutOptions& options) {
  std::vector<std::string> groups;
  groups.reserve(utterances.size());
  for (const std::int64_t utterance : utterances) {
    const Utterance& known = at(data, utterance);
    if (known.group.empty())
      fail(ErrorKind::argument, "hold_out_groups: {} has no group; hint: hold_out_utterances needs none",
           quote(known.name));
    groups.push_back(known.group);
  }
  return hold_out_labelled(data, utterances, numbers_of(groups), options);
}

}  // namespace data
}  // namespace saw
