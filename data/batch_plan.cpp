#include "saw/data/batch_plan.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>

#include "saw/autograd/base/internal/check.h"
#include "saw/autograd/base/random.h"
#include "saw/data/batches.h"
#include "saw/data/internal/batch_position.h"
#include "saw/data/internal/cut_batches.h"
#include "saw/data/internal/fnv.h"
#include "saw/data/internal/quote.h"
#include "saw/data/internal/shuffle.h"

namespace saw {
namespace data {
namespace {

using Numbers = std::vector<std::int64_t>;

constexpr std::uint64_t balance_streams = std::uint64_t{6} << 61;  // nothing else draws from them; one per epoch, label

void check(const Lengths& lengths, const BatchesOptions& options) {
  const auto at_least = [](const char* name, std::int64_t value, std::int64_t least) {
    if (value < least) fail(ErrorKind::argument, "batches: {}; got {}; expected at least {}", name, value, least);
  };
  at_least("number of examples", lengths.count(), 1);
  at_least("rows", options.rows, 0);
  at_least("examples", options.examples, 0);
  at_least("bucket", options.bucket, 0);
  at_least("ranks", options.ranks, 1);
  if (options.rows == 0 && options.examples == 0)
    fail(ErrorKind::argument, "batches: no budget; expected rows, examples, or both");
  if (options.rank < 0 || options.rank >= options.ranks)
    fail(ErrorKind::argument, "batches: rank; got {}; expected 0 to {}", options.rank, options.ranks - 1);
  if (lengths.count() < options.ranks)
    fail(ErrorKind::argument, "batches: number of examples; got {}; expected one for each of {} ranks", lengths.count(),
         options.ranks);
  if (options.examples > 0 && options.examples < options.ranks)
    fail(ErrorKind::argument, "batches: examples; got {}; expected one for each of {} ranks", options.examples,
         options.ranks);
  if (options.balance.empty()) return;
  if (std::ssize(options.balance) != lengths.count())
    fail(ErrorKind::argument, "batches: labels to balance; got {}; expected one for each of {} examples",
         options.balance.size(), lengths.count());
  if (!options.shuffle) fail(ErrorKind::argument, "batches: balance without shuffle; what is balanced is drawn");
}

}  // namespace

Lengths::Lengths(Numbers lengths) : Lengths(std::vector<Numbers>{std::move(lengths)}) {}

Lengths::Lengths(Numbers source, Numbers target)
    : Lengths(std::vector<Numbers>{std::move(source), std::move(target)}) {}

Lengths::Lengths(std::vector<Numbers> parts) : parts_(std::move(parts)) {
  if (parts_.empty()) fail(ErrorKind::argument, "lengths: no list of lengths");
  total_.assign(parts_[0].size(), 0);
  for (const Numbers& part : parts_) {
    if (part.size() != total_.size())
      fail(ErrorKind::argument, "lengths: lists of different lengths; got {} and {}", total_.size(), part.size());
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (part[i] < 0) fail(ErrorKind::argument, "lengths: of example {}; got {}; expected at least 0", i, part[i]);
      if (total_[i] > INT64_MAX - part[i]) fail(ErrorKind::argument, "lengths: of example {}; beyond 64 bits", i);
      total_[i] += part[i];
    }
  }
}

Lengths Lengths::of_count(std::int64_t count) {
  if (count < 0) fail(ErrorKind::argument, "lengths: number of examples; got {}; expected at least 0", count);
  return {Numbers(static_cast<std::size_t>(count), 1)};
}

bool Lengths::shorter(std::int64_t a, std::int64_t b) const {
  for (const Numbers& part : parts_) {
    const std::int64_t of_a = part[static_cast<std::size_t>(a)], of_b = part[static_cast<std::size_t>(b)];
    if (of_a != of_b) return of_a < of_b;
  }
  return false;
}

BatchPlan::BatchPlan(Lengths lengths, BatchesOptions options)
    : lengths_(std::move(lengths)), options_(std::move(options)) {
  check(lengths_, options_);
}

std::vector<Numbers> BatchPlan::epoch(std::int64_t epoch) const {
  if (epoch < 0) fail(ErrorKind::argument, "batches: epoch; got {}; expected at least 0", epoch);
  const std::uint64_t streams = 2 * static_cast<std::uint64_t>(epoch);
  Numbers order;
  if (options_.balance.empty()) {
    order.resize(static_cast<std::size_t>(lengths_.count()));
    std::iota(order.begin(), order.end(), 0);
  } else {
    order = balanced_order(epoch);
  }
  if (options_.shuffle) shuffle(order, RandomStream(options_.seed, streams));

  const std::size_t bucket = options_.bucket == 0 ? order.size() : static_cast<std::size_t>(options_.bucket);
  const auto shorter = [&](std::int64_t a, std::int64_t b) { return lengths_.shorter(a, b); };
  for (std::size_t begin = 0; bucket > 1 && begin < order.size(); begin += bucket) {
    const std::size_t end = begin + std::min(bucket, order.size() - begin);
    std::stable_sort(order.begin() + static_cast<std::ptrdiff_t>(begin),
                     order.begin() + static_cast<std::ptrdiff_t>(end), shorter);
  }
  std::vector<Numbers> batches = cut_batches(
      order, [&](std::int64_t example) { return lengths_.total(example); }, options_.rows, options_.examples,
      options_.ranks);
  if (options_.shuffle) shuffle(batches, RandomStream(options_.seed, streams + 1));
  return batches;
}

Numbers BatchPlan::balanced_order(std::int64_t epoch) const {
  std::map<std::int64_t, Numbers> members;
  for (std::int64_t i = 0; i < lengths_.count(); ++i)
    members[options_.balance[static_cast<std::size_t>(i)]].push_back(i);
  const std::int64_t labels = std::ssize(members), each = lengths_.count() / labels, more = lengths_.count() % labels;
  Numbers order;
  std::int64_t label = 0;
  for (auto& [name, examples] : members) {
    const RandomStream random(options_.seed, balance_streams | static_cast<std::uint64_t>(epoch));
    const std::uint64_t label_seed = random.word(static_cast<std::uint64_t>(label));
    // Which labels have one more goes round.
    std::int64_t wanted = each + ((label + epoch) % labels < more ? 1 : 0);
    for (std::uint64_t pass = 0; wanted > 0; ++pass) {
      shuffle(examples, RandomStream(label_seed, pass));
      const std::int64_t taken = std::min(wanted, std::ssize(examples));
      order.insert(order.end(), examples.begin(), examples.begin() + taken);
      wanted -= taken;
    }
    ++label;
  }
  return order;
}

Numbers BatchPlan::share(std::span<const std::int64_t> batch, std::int64_t rank) const {
  const auto ranks = static_cast<std::size_t>(options_.ranks);
  if (ranks == 1) return {batch.begin(), batch.end()};
  // The longest first, each to the rank that has least so far.
  std::vector<std::size_t> places(batch.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  std::stable_sort(places.begin(), places.end(),
                   [&](std::size_t a, std::size_t b) { return lengths_.total(batch[a]) > lengths_.total(batch[b]); });
  Numbers rows(ranks, 0), examples(ranks, 0);
  std::vector<std::size_t> chosen;
  std::size_t given = 0;
  for (const std::size_t place : places) {
    std::size_t least = 0;
    for (std::size_t r = 1; r < ranks; ++r)
      if (std::pair(rows[r], examples[r]) < std::pair(rows[least], examples[least])) least = r;
    // Examples without rows: each rank has one first.
    if (const auto none = std::find(examples.begin(), examples.end(), 0);
        none != examples.end() &&
        places.size() - given <= static_cast<std::size_t>(std::count(examples.begin(), examples.end(), 0)))
      least = static_cast<std::size_t>(none - examples.begin());
    rows[least] += lengths_.total(batch[place]);
    ++examples[least];
    ++given;
    if (least == static_cast<std::size_t>(rank)) chosen.push_back(place);
  }
  std::sort(chosen.begin(), chosen.end());
  Numbers result;
  result.reserve(chosen.size());
  for (const std::size_t place : chosen) result.push_back(batch[place]);
  return result;
}

std::int64_t BatchPlan::fingerprint() const {
  Fnv hash;
  for (const Numbers& part : lengths_.parts()) hash.add(part).add(std::ssize(part));
  hash.add(options_.rows).add(options_.examples).add(options_.bucket).add(std::int64_t{options_.shuffle});
  hash.add(static_cast<std::int64_t>(options_.seed)).add(options_.balance);
  return hash.number();
}

// ---- positions ----

std::string to_string(const BatchPosition& position) {
  return fmt::format("epoch {}, batch {}, example {}, width {}, fingerprint {}", position.epoch, position.batch,
                     position.example, position.width, position.fingerprint);
}

BatchPosition parse_batch_position(std::string_view text) {
  BatchPosition result;
  std::string_view rest = text;
  bool good = true;
  const auto take = [&](std::string_view name, std::int64_t& value) {
    good = good && rest.starts_with(name);
    if (!good) return;
    rest.remove_prefix(name.size());
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    good = error == std::errc() && value >= 0;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  };
  take("epoch ", result.epoch);
  take(", batch ", result.batch);
  take(", example ", result.example);
  take(", width ", result.width);
  take(", fingerprint ", result.fingerprint);
  if (!good || !rest.empty())
    fail(ErrorKind::argument,
         "batch position: not one; got {}; expected \"epoch 0, batch 0, example 0, width 0, "
         "fingerprint 0\" or the like",
         quote(text));
  return result;
}

void check_belongs(std::string_view op, const BatchPosition& position, std::int64_t fingerprint,
                   std::string_view same) {
  if (position.fingerprint == fingerprint) return;
  fail(ErrorKind::argument,
       "{}: the position belongs to other data or options; got fingerprint {}; expected {}; hint: {} have to be the "
       "same",
       op, position.fingerprint, fingerprint, same);
}

}  // namespace data
}  // namespace saw
