#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "saw/autograd/base/random.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// How pieces are found.
enum class SubwordModel : std::uint8_t {
  unigram,  ///< Kudo 2018: pieces with probabilities; has sampling
  bpe       ///< byte pair encoding, Sennrich et al. 2016
};

/// What train() makes of a text.
struct SubwordOptions {
  std::int64_t size = 8000;                    ///< entries, roles and characters included; unigram may find fewer
  SubwordModel model = SubwordModel::unigram;  ///< how pieces are found
  double coverage = 0.9995;  ///< of the characters of the text; rarer ones become unknown (or bytes); in (0, 1]
  bool bytes = false;        ///< spell characters that are not covered as bytes, of which each is an entry
  /// Keep every character and space as it is. Else texts are normalised (Unicode's NFKC, white space collapsed), which
  /// is better for reading and loses what cannot be seen. With `bytes`, decode(encode(text)) is then the text, but for
  /// "▁" (U+2581), which becomes a space.
  bool exact = false;
  std::vector<std::string> roles = {};  ///< entries that text cannot collide with: "mask", "separator", …
};

/// How one of several segmentations is drawn (Kudo 2018).
struct SubwordSampleOptions {
  std::int64_t best = 64;  ///< segmentations among which one is drawn
  double alpha = 0.2;  ///< with probabilities ∝ P(segmentation)^alpha: 0: equal ones; large: nearly always the best
};

/// Sub-words by SentencePiece (Kudo and Richardson 2018): text in, ids out, and back without loss but for unusual white
/// space. Copying is cheap; one may be used by several threads. Entry 0 is padding, 1 unknown, 2 begin, 3 end; then
/// come the roles and the pieces.
///
///   const data::Subwords subwords = data::Subwords::train(lines, {.size = 8000});
///   subwords.encode("I saw a saw.");                            // ids
///   metadata["subwords"] = subwords.text();                     // travels with the model
///
/// A build without SentencePiece has the class, but all that would make one throws Error(argument).
class Subwords {
 public:
  /// Whether this build has SentencePiece.
  static bool available();

  /// Learns them from lines of text; the same lines give the same sub-words. Throws Error(argument) for options out of
  /// range, lines without text, and a size that is too small for the characters or too large for the text.
  static Subwords train(std::span<const std::string> lines, const SubwordOptions& options = {});
  /// From a SentencePiece model, of train() or of the tools that come with SentencePiece. `name` begins messages.
  /// Throws Error(io) where it is none.
  static Subwords from_bytes(std::string bytes, std::string_view name);

  /// The SentencePiece model, as the contents of a `.model` file.
  const std::string& bytes() const;
  /// The same as text (base64), for metadata that has to be UTF-8; parse() reads it and throws Error(io).
  std::string text() const;
  /// What text() wrote; `name` is what messages call it. Throws Error(io).
  static Subwords parse(std::string_view text, std::string_view name);

  std::int64_t size() const;  ///< all entries, roles included: what an Embedding needs as its size
  /// The piece with a number: "▁saw", "<padding>", … Throws Error(index).
  const std::string& piece(std::int64_t id) const;
  /// The entry with a role, "padding", "unknown", "begin", "end" or one of SubwordOptions::roles, or nothing.
  std::optional<std::int64_t> find_role(std::string_view role) const;

  /// The most probable sub-words of a text, without begin and end. Bytes that are not UTF-8 count as U+FFFD.
  std::vector<std::int64_t> encode(std::string_view text) const;
  /// The same as text: "▁I ▁saw ▁a ▁saw ."
  std::vector<std::string> pieces(std::string_view text) const;
  /// One of the most probable segmentations, drawn from one stream of the generator (Kudo 2018). Throws Error(argument)
  /// for options out of range and for BPE, which has no probabilities.
  std::vector<std::int64_t> sample(std::string_view text, Generator& generator,
                                   const SubwordSampleOptions& options = {}) const;
  /// The text that sub-words stand for; roles stand for none. Throws Error(index) for a number that no entry has.
  std::string decode(std::span<const std::int64_t> ids) const;

 private:
  struct State;
  explicit Subwords(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
};

}  // namespace data
}  // namespace saw
