#pragma once

#include <functional>
#include <string>
#include <vector>

namespace saw::train {

/// A cell of a picture of a matrix.
struct MatrixCell {
  double shade = 0.0;         // 0 … 1
  const char* colour = "m0";  // a class of the page: m0, or m1 for what is wrong
  std::string text = {};      // in the cell, where there is room
  std::string title = {};     // for hovering
};

/// A matrix with names on its axes as an inline SVG of its own size: names of columns stand upright above their cells.
std::string draw_matrix(const std::string& label, const std::vector<std::string>& rows,
                        const std::vector<std::string>& columns, double cell,
                        const std::function<MatrixCell(std::size_t row, std::size_t column)>& cell_of);

}  // namespace saw::train
