#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "saw/autograd/tape/tensor.h"

namespace [[gnu::visibility("default")]] saw {
namespace train {

/// An axis of a picture: names for all its cells, or numbers from `first` in steps of `step` per cell.
struct Axis {
  std::string label = {};               ///< what the axis shows, with its unit
  std::vector<std::string> names = {};  ///< one for each cell; empty: numbers
  double first = 0.0, step = 1.0;       ///< of numbered cells
};

/// From the smallest value to the largest.
enum class ColourMap {
  fire,  ///< black, violet, orange, pale yellow; for spectra
  blue,  ///< white to dark blue; for counts
};

/// Texts for the columns, below the cells: labels of frames, for instance. Neighbours that are equal share a box.
struct Tier {
  std::string label = {};               ///< what it shows, on its left
  std::vector<std::string> cells = {};  ///< one for each column; empty: no box
};

/// What stands around a heat map, and how it is drawn.
struct HeatMapOptions {
  std::string title = {};                     ///< above it; empty: none
  Axis rows = {}, columns = {};               ///< what the rows and columns are
  bool first_row_below = false;               ///< as frequencies are drawn; else as matrices are
  ColourMap colours = ColourMap::fire;        ///< of the cells
  std::optional<double> low = {}, high = {};  ///< values of the two ends of the scale; default: those that occur
  std::int64_t width = 720, height = 280;     ///< of the cells, in pixels of the picture, about
  /// From the top; where one differs from the first, a red line marks it.
  std::vector<Tier> tiers = {};
};

/// Writes a matrix (rows, columns) as a picture with axes, names and a scale of colours: an SVG file, in which the
/// cells are an embedded PNG. NaN and infinite cells are grey. The file appears whole or not at all. Throws
/// Error(shape) unless the matrix has rows and columns, Error(argument) for names and tiers that do not fit and in a
/// build without images (SAW_AUDIO=OFF), Error(io).
void save_heat_map(const std::string& path, const Tensor& matrix, const HeatMapOptions& options = {});

}  // namespace train
}  // namespace saw
