#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// A tagged sentence. Sentences made by hand need only `words`.
struct Sentence {
  std::vector<std::string> words = {};     ///< the forms
  std::vector<std::string> tags = {};      ///< one for each word ("_" where there is none), or empty: not tagged
  std::vector<std::int64_t> lines = {};    ///< the line of each word in its file, from 1; or empty
  std::vector<std::string> comments = {};  ///< the comment lines, without their "#" and the space after it
  std::string id = {};                     ///< what the comment `sent_id = …` says
  std::string text = {};                   ///< what the comment `text = …` says
  std::int64_t line = 0;                   ///< the sentence's first line in its file, comments included
  std::string surface = {};  ///< the text that the forms make: multiword tokens, SpaceAfter=No, no space at the end
};

/// The sentences of a file.
struct Corpus {
  std::string name;                 ///< the file's path
  std::vector<Sentence> sentences;  ///< in the order of the file
  std::vector<std::string> notes;   ///< "file:line: …": what the file has that its format does not allow but was read

  std::int64_t word_count() const;  ///< of all sentences
};

/// What a file may lack.
struct ConlluOptions {
  bool untagged = false;  ///< whether the tag may be "_"
};

/// Reads CoNLL-U (https://universaldependencies.org/format.html) for tagging: the FORM and UPOS of every syntactic
/// word. Multiword tokens (2-3) and empty nodes (2.1) are checked and skipped. A form may hold spaces, and may be "_".
/// Carriage returns, a byte order mark, a missing last line end or blank line, and blank lines too many are read with a
/// note.
///
/// Throws Error(io) "file:line: what is wrong; got …; expected …" for anything else that is not CoNLL-U: a wrong number
/// of fields, an empty field, spaces in other fields than FORM, LEMMA and MISC, ids that are not 1, 2, …, malformed or
/// overlapping ranges, comments inside a sentence, tags other than the 17 universal ones, invalid UTF-8, NUL bytes;
/// and for a file without a sentence or one that cannot be read.
Corpus read_conllu(const std::string& path, const ConlluOptions& options = {});
Corpus read_conllu(std::istream& stream, std::string_view name, const ConlluOptions& options = {});
/// The same for text in memory; `name` is what messages call it.
Corpus parse_conllu(std::string_view text, std::string_view name, const ConlluOptions& options = {});

/// The 17 universal part-of-speech tags, in the order of their names.
std::span<const std::string_view> universal_tags();

}  // namespace data
}  // namespace saw
