#include "saw/data/text.h"

#include <doctest/doctest.h>

using Words = std::vector<std::string>;
using saw::data::tokenize;

TEST_CASE("text: words and punctuation") {
  CHECK(tokenize("I saw a saw.") == Words{"I", "saw", "a", "saw", "."});
  CHECK(tokenize("  \"Stop!\"  she\tsaid... (twice) \n") ==
        Words{"\"", "Stop", "!", "\"", "she", "said", "...", "(", "twice", ")"});
  CHECK(tokenize("¿Qué? “Yes”, «no»…") == Words{"¿", "Qué", "?", "“", "Yes", "”", ",", "«", "no", "»", "…"});
  CHECK(tokenize("What?!") == Words{"What", "?", "!"});
  CHECK(tokenize("No!!!") == Words{"No", "!!!"});
  CHECK(tokenize("").empty());
  CHECK(tokenize(" \t\u00A0 ").empty());
  CHECK(tokenize("... !") == Words{"...", "!"});
}

TEST_CASE("text: what stays inside a word") {
  CHECK(tokenize("3.14, 1,000 and 10:30; and/or re-read.") ==
        Words{"3.14", ",", "1,000", "and", "10:30", ";", "and/or", "re-read", "."});
  CHECK(tokenize("The U.S. and J. Smith, e.g. (U.K.)") ==
        Words{"The", "U.S.", "and", "J.", "Smith", ",", "e.g.", "(", "U.K.", ")"});
  CHECK(tokenize("It is I.") == Words{"It", "is", "I", "."});
}

TEST_CASE("text: clitics") {
  CHECK(tokenize("I'm sure they don't, we'll see.") ==
        Words{"I", "'m", "sure", "they", "do", "n't", ",", "we", "'ll", "see", "."});
  CHECK(tokenize("CAN'T won’t the dogs' Mary’s") == Words{"CA", "N'T", "wo", "n’t", "the", "dogs", "'", "Mary", "’s"});
  CHECK(tokenize("do n't Mary 's") == Words{"do", "n't", "Mary", "'s"});
  CHECK(tokenize("'quoted'") == Words{"'", "quoted", "'"});
}

TEST_CASE("text: a long run of marks takes no time") {  // its square would be half a minute
  std::string line;
  for (int i = 0; i < 100000; ++i) line += ".,";
  CHECK(tokenize(line).size() == 200000);
}

TEST_CASE("text: bytes that are not UTF-8") { CHECK(tokenize("a\xFF b") == Words{"a\uFFFD", "b"}); }
