#include "support/registry.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <exception>
#include <stdexcept>

#include "saw/autograd/ops/binary.h"
#include "saw/autograd/ops/copy.h"
#include "saw/autograd/ops/creation.h"
#include "saw/autograd/ops/view.h"
#include "saw/autograd/registry.h"
#include "saw/autograd/tape/engine.h"
#include "support/tensors.h"

namespace test {

using samples::Sample;
using saw::OpInfo;
using saw::Shape;
using saw::Tensor;
using saw::TensorList;

namespace {

constexpr std::uint64_t sample_seed = 17;

/// The axis that an expanded layout repeats: the first or the last that has more than one element; −1 if none has.
std::int64_t repeated_axis(const Tensor& x, Layout layout) {
  if (!x.defined() || !saw::is_floating(x.dtype()) || x.numel() == 0) return -1;
  std::int64_t found = -1;
  for (std::size_t i = 0; i < x.rank(); ++i)
    if (x.shape()[i] > 1) {
      found = static_cast<std::int64_t>(i);
      if (layout == Layout::expanded_first) break;
    }
  return found;
}

bool is_expanded(Layout layout) { return layout == Layout::expanded_first || layout == Layout::expanded_last; }

Tensor laid_out(const Tensor& x, Layout layout) {
  if (!x.defined()) return x;
  if (layout == Layout::transposed) return transposed(x);
  if (layout == Layout::sliced) return sliced(x);
  if (layout == Layout::row_sliced) return row_sliced(x);
  return x;
}

/// From the leaves of a call to what the op gets.
TensorList laid_out(const TensorList& leaves, const std::vector<Shape>& shapes, Layout layout) {
  TensorList result;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const Tensor& leaf = leaves[i];
    if (!leaf.defined() || !is_expanded(layout)) {
      result.push_back(laid_out(leaf, layout));
    } else {
      result.push_back(leaf.shape() == shapes[i] ? leaf : leaf.expand(shapes[i]));
    }
  }
  return result;
}

}  // namespace

const char* to_string(Layout layout) {
  switch (layout) {
    case Layout::contiguous:
      return "contiguous";
    case Layout::transposed:
      return "transposed";
    case Layout::sliced:
      return "sliced";
    case Layout::row_sliced:
      return "row-sliced";
    case Layout::expanded_first:
      return "expanded along the first axis";
    case Layout::expanded_last:
      return "expanded along the last axis";
  }
  return "";
}

bool Call::any_differentiable() const {
  return std::find(differentiable.begin(), differentiable.end(), true) != differentiable.end();
}

TensorList Call::fresh_leaves(unsigned subset) const {
  TensorList result;
  unsigned bit = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    result.push_back(copy_of(leaves[i]));
    if (!differentiable[i]) continue;
    if ((subset >> bit & 1u) != 0) result.back().set_requires_grad(true);
    ++bit;
  }
  return result;
}

std::vector<Call> calls_of(const OpInfo& op, saw::DType dtype, Layout layout) {
  const samples::OpSamples* found = samples::find(op.name);
  if (found == nullptr) throw std::runtime_error(std::string(op.name) + ": no samples in tests/samples");
  return calls_of(op, *found, dtype, layout);
}

std::vector<Call> calls_of(const OpInfo& op, const samples::OpSamples& op_samples, saw::DType dtype, Layout layout) {
  samples::SampleMaker make(dtype, sample_seed);
  std::vector<Call> calls;
  for (const Sample& sample : op_samples.samples(make)) {
    if (layout != Layout::contiguous && !sample.vary_layout) continue;
    Call call;
    call.name = std::string(op.name) + ", sample '" + sample.name + "', " + to_string(layout);
    call.tolerance = sample.tolerance;
    std::vector<Shape> shapes;
    bool changed = false;
    for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
      const Tensor& input = sample.inputs[i];
      shapes.push_back(input.defined() ? input.shape() : Shape());
      const bool constant = std::find(sample.constants.begin(), sample.constants.end(), i) != sample.constants.end();
      call.differentiable.push_back(input.defined() && op.differentiable && !constant &&
                                    saw::is_floating(input.dtype()));
      Tensor leaf = copy_of(input);
      if (is_expanded(layout)) {
        if (const std::int64_t axis = repeated_axis(input, layout); axis >= 0) {
          leaf = leaf.slice(axis, 0, 1).clone();
          changed = true;
        }
      } else if (input.defined()) {
        const Tensor result = laid_out(leaf, layout);
        changed = changed || result.strides() != leaf.strides() || result.offset() != leaf.offset();
      }
      call.leaves.push_back(leaf);
    }
    if (layout != Layout::contiguous && !changed) continue;
    call.run = [run = sample.run, shapes, layout](const TensorList& leaves) {
      return run(laid_out(leaves, shapes, layout));
    };
    const auto on_contiguous = [&](const Sample::Function& f) {
      return [f, shapes, layout](const TensorList& leaves) {
        TensorList inputs = laid_out(leaves, shapes, layout);
        for (Tensor& input : inputs)
          if (input.defined()) input = input.contiguous();
        return f(inputs);
      };
    };
    call.run_contiguous = on_contiguous(sample.run);
    call.reference = on_contiguous(sample.reference);
    // Samples that are about a layout of their own keep it.
    if (!sample.vary_layout) {
      call.leaves = sample.inputs;
      call.run = call.run_contiguous = sample.run;
      call.reference = sample.reference;
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

void for_each_call(saw::DType dtype, Layout layout,
                   const std::function<void(const OpInfo& op, const Call& call)>& check) {
  for (const OpInfo* op : saw::op_registry()) {
    std::string where = op->name;
    try {
      for (const Call& call : calls_of(*op, dtype, layout)) {
        where = call.name;
        try {
          check(*op, call);
        } catch (const std::exception& error) {
          FAIL_CHECK(where, ": threw ", error.what());
        }
      }
    } catch (const std::exception& error) {
      FAIL_CHECK(where, ": making its samples threw ", error.what());
    }
  }
}

TensorList gradients_of(const TensorList& outputs, const TensorList& leaves, bool create_graph) {
  TensorList tracked, targets;
  saw::GradOptions options{.create_graph = create_graph, .allow_unused = true};
  saw::Generator generator(5);
  for (const Tensor& output : outputs) {
    if (!output.defined() || !output.requires_grad()) continue;
    tracked.push_back(output);
    options.grad_outputs.push_back(
        saw::affine(saw::rand(output.shape(), generator, saw::float64).to(output.dtype()), 1.0, 0.5));
  }
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < leaves.size(); ++i)
    if (leaves[i].defined() && leaves[i].requires_grad()) {
      targets.push_back(leaves[i]);
      positions.push_back(i);
    }
  TensorList result(leaves.size());
  if (tracked.empty() || targets.empty()) return result;
  const TensorList found = saw::grad(tracked, targets, options);
  for (std::size_t i = 0; i < positions.size(); ++i) result[positions[i]] = found[i];
  return result;
}

// ---- completeness ----

std::map<std::string, std::string> declared_functions(const std::string& header_text, const std::string& file) {
  // Comments and preprocessor lines go; then statements are told apart by ';' and by the braces of types and bodies.
  // The braces of namespaces hold statements of their own.
  std::string code;
  for (std::size_t i = 0; i < header_text.size(); ++i) {
    const bool line_start = i == 0 || header_text[i - 1] == '\n';
    if (header_text.compare(i, 2, "//") == 0 || (line_start && header_text[i] == '#')) {
      i = std::min(header_text.find('\n', i), header_text.size());
      code += '\n';
    } else if (header_text.compare(i, 2, "/*") == 0) {
      i = header_text.find("*/", i) + 1;
    } else {
      code += header_text[i];
    }
  }
  std::map<std::string, std::string> names;
  std::string statement;
  int depth = 0;
  const auto finish = [&] {
    const std::size_t parenthesis = statement.find('(');
    if (parenthesis != std::string::npos && statement.find("operator") == std::string::npos &&
        statement.find("using ") == std::string::npos) {
      std::size_t end = parenthesis;
      while (end > 0 && std::isspace(static_cast<unsigned char>(statement[end - 1]))) --end;
      std::size_t begin = end;
      while (begin > 0 &&
             (std::isalnum(static_cast<unsigned char>(statement[begin - 1])) || statement[begin - 1] == '_'))
        --begin;
      if (end > begin) names[statement.substr(begin, end - begin)] = file;
    }
    statement.clear();
  };
  int parentheses = 0;
  for (const char c : code) {
    if (c == '(') ++parentheses;
    if (c == ')') --parentheses;
    if (parentheses > 0) {
      if (depth == 0) statement += c;
      continue;
    }
    if (c == '{') {
      const bool is_namespace = depth == 0 && statement.find("namespace") != std::string::npos;
      if (is_namespace) {
        statement.clear();
      } else {
        ++depth;
      }
    } else if (c == '}') {
      if (depth > 0) --depth;
      if (depth == 0 && statement.find('(') != std::string::npos) finish();  // a body ends a function
    } else if (depth == 0) {
      if (c == ';')
        finish();
      else
        statement += c;
    }
  }
  return names;
}

std::vector<std::string> without_op(const std::map<std::string, std::string>& declared,
                                    const std::vector<const OpInfo*>& ops) {
  std::vector<std::string> missing;
  for (const auto& [name, file] : declared)
    if (std::none_of(ops.begin(), ops.end(), [&name = name](const OpInfo* op) { return name == op->name; }))
      missing.push_back(name + " (" + file + ")");
  return missing;
}

std::vector<std::string> not_registered(const std::set<const OpInfo*>& seen, const std::vector<const OpInfo*>& ops) {
  std::vector<std::string> missing;
  const auto custom =
      std::find_if(ops.begin(), ops.end(), [](const OpInfo* op) { return std::string(op->name) == "custom_function"; });
  for (const OpInfo* info : seen) {
    if (std::find(ops.begin(), ops.end(), info) != ops.end()) continue;
    if (custom != ops.end() && info->formula == (*custom)->formula) continue;  // a copy under the user's name
    missing.emplace_back(info->name);
  }
  return missing;
}

std::vector<std::string> defects(const std::vector<const OpInfo*>& ops) {
  std::vector<std::string> found;
  std::set<std::string> names;
  for (const OpInfo* op : ops) {
    const std::string name = op->name == nullptr ? "" : op->name;
    if (name.empty()) found.emplace_back("an op without a name");
    if (!names.insert(name).second) found.push_back(name + ": two ops have this name");
    if (op->formula == nullptr || std::string(op->formula).empty()) found.push_back(name + ": no formula");
    const samples::OpSamples* of_op = samples::find(name);
    samples::SampleMaker make(saw::float64, sample_seed);
    if (of_op == nullptr || of_op->samples(make).empty()) found.push_back(name + ": no samples");
    if (of_op == nullptr || of_op->errors().empty()) found.push_back(name + ": no error samples");
  }
  for (const samples::OpSamples& entry : samples::all())
    if (std::none_of(ops.begin(), ops.end(), [&](const OpInfo* op) { return std::string(op->name) == entry.op; }))
      found.push_back(std::string(entry.op) + ": samples of an op that is not in the registry");
  return found;
}

}  // namespace test
