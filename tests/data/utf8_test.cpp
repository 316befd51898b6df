#include "saw/data/utf8.h"

#include <doctest/doctest.h>

using namespace saw;

TEST_CASE("utf8: valid sequences have their length, others 0") {
  CHECK(data::utf8_length("a") == 1);
  CHECK(data::utf8_length("é") == 2);
  CHECK(data::utf8_length("€") == 3);
  CHECK(data::utf8_length("😀") == 4);
  CHECK(data::utf8_length("\xED\x9F\xBF") == 3);      // the last before the surrogates
  CHECK(data::utf8_length("\xF4\x8F\xBF\xBF") == 4);  // U+10FFFF
  for (const char* bad :
       {"", "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x9F\xBF", "\xE2\x82", "\xE2(\xA1",
        "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF0\x9F\x98", "\xFF"}) {
    CAPTURE(bad);
    CHECK(data::utf8_length(bad) == 0);
  }
  CHECK_FALSE(data::find_invalid_utf8("naïve 😀"));
  CHECK(data::find_invalid_utf8("na\xEF"
                                "ve") == 2);
}

TEST_CASE("utf8: every code point survives encoding and decoding") {
  std::string text;
  std::vector<char32_t> expected;
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 97) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    expected.push_back(c);
    text += data::encode_utf8(c);
  }
  CHECK_FALSE(data::find_invalid_utf8(text));
  CHECK((data::decode_utf8(text) == expected));
  CHECK(data::encode_utf8(0xD800) == "\uFFFD");
  CHECK(data::encode_utf8(0x110000) == "\uFFFD");
}

TEST_CASE("utf8: invalid bytes become U+FFFD one by one") {
  CHECK(data::split_characters("naïve") == std::vector<std::string>{"n", "a", "ï", "v", "e"});
  CHECK(data::split_characters("a\xE2\x82z") == std::vector<std::string>{"a", "\uFFFD", "\uFFFD", "z"});
  CHECK(data::split_characters("").empty());
}

TEST_CASE("utf8: lower case") {
  CHECK(data::lower_case("I SAW a Saw, 7!") == "i saw a saw, 7!");
  CHECK(data::lower_case("ÀÉÎÕÜÞ×ß÷") == "àéîõüþ×ß÷");
  CHECK(data::lower_case("ĀČĹŇŐŽŸĸŉ") == "āčĺňőžÿĸŉ");
  CHECK(data::lower_case("ΆΈΌΎΏΑΣΩ") == "άέόύώασω");
  CHECK(data::lower_case("ЁЖЯҐӨ") == "ёжяґө");
  CHECK(data::lower_case("İıſ日本") == "İıſ日本");  // no single small letter, or already small
  CHECK(data::lower_case("A\xFF") == "a\uFFFD");
}
