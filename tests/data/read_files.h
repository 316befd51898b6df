#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string>
#include <utility>

#include "support/errors.h"
#include "support/files.h"

namespace test {

// A directory for one reader of files: bytes are written to a file there and read by it.
template <class Reader>
class ReadFiles {
 public:
  ReadFiles(std::string name, Reader reader) : name_(std::move(name)), reader_(std::move(reader)) {}

  std::string path() const { return directory_ / name_; }
  std::string path(const std::string& name) const { return directory_ / name; }
  auto load(const std::string& bytes) const {
    write_file(path(), bytes);
    return reader_(path());
  }
  // The error that loading these bytes raises, without the path before it.
  std::string error(const std::string& bytes) const {
    std::string text = error_text(saw::ErrorKind::io, [&] { load(bytes); });
    CHECK(text.starts_with(path() + ": "));
    text.erase(0, path().size() + 2);
    CHECK(text.find('\n') == std::string::npos);
    return text;
  }
  // How many files the directory has.
  std::ptrdiff_t count() const {
    return std::distance(std::filesystem::directory_iterator(directory_.path()), std::filesystem::directory_iterator());
  }
  const TemporaryDirectory& directory() const { return directory_; }

 private:
  TemporaryDirectory directory_;
  std::string name_;
  Reader reader_;
};

}  // namespace test
