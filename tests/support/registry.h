#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "samples/samples.h"
#include "saw/autograd/gradcheck.h"
#include "saw/autograd/tape/op_info.h"

// The samples of all ops as calls to check, and what makes the registry complete.

namespace test {

// How the tensors that an op gets lie in memory.
enum class Layout {
  contiguous,
  transposed,      // the last two axes the other way round
  sliced,          // every second element, with an offset
  row_sliced,      // every second row, with an offset
  expanded_first,  // stride 0 along the first axis
  expanded_last,   // stride 0 along the last axis
};
const char* to_string(Layout layout);

// One sample of one op in one layout, as a function of contiguous leaves: the layout is made from them by ops, so that
// gradients and differences pass through it. For the expanded layouts the leaves have size 1 where they are repeated.
struct Call {
  std::string name;  // "softmax, sample 'last axis', transposed"
  saw::TensorList leaves;
  std::vector<bool> differentiable;  // per leaf
  saw::TensorFunction run;
  saw::TensorFunction run_contiguous;  // the op at the same values, contiguous
  saw::TensorFunction reference;       // and its reference
  double tolerance = 0;                // as Sample's

  bool any_differentiable() const;
  // Fresh copies of the leaves; those that are differentiable and wanted (bit i of `subset`) require gradients.
  saw::TensorList fresh_leaves(unsigned subset = ~0u) const;
};

// The calls of an op with samples of that dtype in that layout. A sample whose tensors the layout does not change is
// left out, unless contiguous. Fails the test for an op of the registry without samples.
std::vector<Call> calls_of(const saw::OpInfo& op, const samples::OpSamples& samples, saw::DType dtype, Layout layout);
std::vector<Call> calls_of(const saw::OpInfo& op, saw::DType dtype, Layout layout);

// Runs `check` for all calls of all ops; whatever is thrown fails the test with the call's name.
void for_each_call(saw::DType dtype, Layout layout,
                   const std::function<void(const saw::OpInfo& op, const Call& call)>& check);

// Gradients of the floating outputs that have history, weighted at random (the same for equal shapes), for each leaf;
// undefined for leaves that require none or are not reached.
saw::TensorList gradients_of(const saw::TensorList& outputs, const saw::TensorList& leaves, bool create_graph = false);

// The functions that the headers declare in namespace saw: name → file. Operators are left out.
std::map<std::string, std::string> declared_functions(const std::string& header_text, const std::string& file);

// The names among `declared` that no op in `ops` has, as "name (file)".
std::vector<std::string> without_op(const std::map<std::string, std::string>& declared,
                                    const std::vector<const saw::OpInfo*>& ops);

// The names of what was `seen` recording itself and is not in `ops`; copies of custom_function's info carry the
// names that users gave and count as it.
std::vector<std::string> not_registered(const std::set<const saw::OpInfo*>& seen,
                                        const std::vector<const saw::OpInfo*>& ops);

// What is wrong with the registry's entries themselves: repeated or empty names, missing formulas, samples or error
// samples.
std::vector<std::string> defects(const std::vector<const saw::OpInfo*>& ops);

}  // namespace test
