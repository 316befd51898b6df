#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// The words of a line of English text, roughly as treebanks cut them:
/// * white space separates (also no-break spaces);
/// * brackets, quotation marks and the signs . , ; : ! ? … at the beginning and the end of a word become words of their
///   own, a run of the same sign (`...`, `!!`) one word; inside a word they stay (`3.14`, `10:30`, `and/or`);
/// * the period of an abbreviation with periods inside (`U.S.`, `e.g.`) or of a single capital (`J.`) stays;
/// * n't, 's, 'm, 're, 've, 'll, 'd are cut off (`do n't`, `I 'm`), with either apostrophe.
/// Bytes that are not UTF-8 become U+FFFD.
///
///   tokenize("I saw a saw.")   // I, saw, a, saw, .
std::vector<std::string> tokenize(std::string_view line);

}  // namespace data
}  // namespace saw
