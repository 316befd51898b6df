#pragma once

#include <string>

#include "saw/autograd/state_dict.h"
#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace data {

/// Reads NumPy's format for one array (.npy, versions 1 to 3). Elements float32, float64, int64 and bool are read as
/// they are, float16 becomes float32, all other integers int64; little-endian or big-endian. An array in Fortran's
/// order becomes a view with such strides. Throws Error(io) that begins with the path: for a file that breaks the
/// format, for other elements (Python objects, text, complex numbers, times, records), for more than 8 dimensions, for
/// bytes that are missing or left over, for bools other than 0 and 1. What it asks memory for is at most 8 times the
/// file's size.
Tensor load_npy(const std::string& path);

/// Writes an array that numpy.load reads: version 1, C's order; any layout; float32, float64, int64, bool. The file
/// appears whole or not at all. Throws Error(argument) for an undefined tensor, Error(io) where it cannot be written.
void save_npy(const std::string& path, const Tensor& tensor);

/// Reads a zip archive of arrays, as numpy.savez and numpy.savez_compressed write them: names without ".npy", in the
/// order of the file. Throws as load_npy does, for entries that are no arrays, and for damaged or impossible archives.
/// Compressed arrays of zeros can be 1,032 times as large as their file; beyond that a size is refused as impossible.
StateDict load_npz(const std::string& path);

/// Writes what numpy.load reads as a dict of arrays, uncompressed. The same tensors give the same bytes. Throws
/// Error(argument) for undefined tensors and for names that are empty, repeated or not UTF-8.
void save_npz(const std::string& path, const StateDict& arrays);

}  // namespace data
}  // namespace saw
