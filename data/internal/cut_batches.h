#pragma once

#include <cstdint>
#include <vector>

namespace saw {
namespace data {

/// Greedily: a batch ends before the example that would take it beyond the budget of rows or of examples (0: none), but
/// has at least `least` of them; a last one that has fewer goes to the batch before it. `rows(example)` says how many.
template <class Rows>
std::vector<std::vector<std::int64_t>> cut_batches(const std::vector<std::int64_t>& order, const Rows& rows,
                                                   std::int64_t most_rows, std::int64_t most_examples,
                                                   std::int64_t least) {
  std::vector<std::vector<std::int64_t>> batches;
  std::int64_t taken = 0;
  for (const std::int64_t example : order) {
    const bool enough = !batches.empty() && static_cast<std::int64_t>(batches.back().size()) >= least;
    const bool full =
        batches.empty() ||
        (enough && ((most_rows > 0 && rows(example) > most_rows - taken) ||
                    (most_examples > 0 && static_cast<std::int64_t>(batches.back().size()) >= most_examples)));
    if (full) {
      batches.emplace_back();
      taken = 0;
    }
    batches.back().push_back(example);
    taken += rows(example);
  }
  if (batches.size() > 1 && static_cast<std::int64_t>(batches.back().size()) < least) {
    const std::vector<std::int64_t> last = std::move(batches.back());
    batches.pop_back();
    batches.back().insert(batches.back().end(), last.begin(), last.end());
  }
  return batches;
}

}  // namespace data
}  // namespace saw
