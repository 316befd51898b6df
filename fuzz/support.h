#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "saw/autograd/tape/tensor.h"

namespace fuzz {

// How much a reader may ask memory for: factor · size of the file + constant bytes. The constant has room for the
// 65,535 entries (2 MiB) that libzip provides for when a directory claims them.
struct MemoryBound {
  std::size_t factor;
  std::size_t constant = std::size_t{4} << 20;
};

// The same bytes; where they are a zip archive, with the checksums that its stored entries should have. What mutates a
// byte knows nothing of checksums, and readers look at little where those are wrong.
std::vector<std::uint8_t> with_right_checksums(const std::uint8_t* data, std::size_t size);

// Gives the bytes to `read` as a file of that path. The one way out that is allowed beside success is Error(io), whose
// text begins with the path and is one line. All else ends the program: other exceptions, and the most memory that was
// in use at a time beyond the bound.
void run(const std::uint8_t* data, std::size_t size, MemoryBound bound,
         const std::function<void(const std::string& path)>& read);

// Ends the program with this text unless the condition holds.
void require(bool condition, const char* what);

// Looks at the elements of a tensor that was read: all of them where they are few, else the first and the last.
void touch(const saw::Tensor& tensor);

}  // namespace fuzz
