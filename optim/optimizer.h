#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "saw/autograd/state_dict.h"
#include "saw/autograd/tape/sparse_gradient.h"
#include "saw/autograd/tape/tensor.h"
#include "saw/optim/parameters.h"

namespace [[gnu::visibility("default")]] saw {
namespace optim {

/// What all optimizers have in common: groups of parameters with a learning rate each, and state that belongs to each
/// parameter and is saved and loaded under its name.
///
/// A step is one pass over all parameters of all groups, laid end to end and cut into fixed chunks, so its result does
/// not depend on the number of threads. A parameter that has no gradient, as when it is frozen, is left alone, and its
/// own count of steps stands still. Of a parameter with a sparse gradient (sparse_gradient.h) only the rows that the
/// gradient has are changed, as if the others were not there: their momentum and weight decay rest.
///
/// Constructors throw Error(argument) for an empty list of parameters, a parameter that is there twice (in one group or
/// two), one that is the result of an op or is not contiguous, and options out of range.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;  // schedules refer to it
  Optimizer& operator=(const Optimizer&) = delete;

  /// Forgets the gradients of all parameters.
  void zero_grad();
  /// Changes all parameters that have a gradient, in place. Throws Error(autograd), and changes nothing, when no
  /// parameter has one, and when a parameter is no longer in the model it came from, because Module::to() or tie() has
  /// put another in its place.
  void step();
  /// Calls of step() so far, over all runs when the state was loaded.
  std::int64_t step_count() const { return step_count_; }

  std::size_t group_count() const { return learning_rates_.size(); }  ///< at least 1
  double learning_rate(std::size_t group = 0) const;  ///< of a group; throws Error(argument) where there is none
  /// The rate of all groups. Throws Error(argument) for a negative or infinite one.
  void set_learning_rate(double learning_rate);
  void set_learning_rate(std::size_t group, double learning_rate);

  /// A copy of everything that a run must have to go on as if it had not been interrupted: "step_count" (int64),
  /// "learning_rate.<group>" (float64), and for every parameter "step.<parameter>" (int64) and its state, such as
  /// "exp_avg.<parameter>". Parameters have the names they were given, or those of their leaves, or else
  /// "parameter.<i>", counted over all groups.
  StateDict state_dict() const;
  /// Takes the values of such a state over. Throws one Error(argument) that lists all names that are missing,
  /// unexpected or of another shape or dtype, and then changes nothing.
  void load_state_dict(const StateDict& state);

  /// "AdamW", …
  const std::string& name() const { return name_; }

 protected:
  /// A range of elements of one parameter, with its gradient and its state in the order in which it was declared.
  struct Piece {
    std::size_t group;           ///< whose options hold
    double learning_rate;        ///< of the group, in this step
    std::int64_t step;           ///< 1 when the parameter is updated for the first time
    std::int64_t size;           ///< elements
    DType dtype;                 ///< of gradient, parameter and state
    const void* gradient;        ///< the first element's
    void* parameter;             ///< the first element, to be changed
    std::array<void*, 3> state;  ///< null where the group has no such state

    /// gradient, as the dtype's C++ type.
    template <class T>
    const T* gradient_as() const {
      return static_cast<const T*>(gradient);
    }
    /// parameter, as the dtype's C++ type.
    template <class T>
    T* parameter_as() const {
      return static_cast<T*>(parameter);
    }
    /// state[i], as the dtype's C++ type.
    template <class T>
    T* state_as(std::size_t i) const {
      return static_cast<T*>(state[i]);
    }
  };

  /// One parameter whole, for optimizers that look at matrices.
  struct Whole {
    std::size_t group;            ///< whose options hold
    double learning_rate;         ///< of the group, in this step
    std::int64_t step;            ///< 1 when the parameter is updated for the first time
    Tensor gradient;              ///< of the parameter's shape
    Tensor parameter;             ///< to be changed in place
    std::array<Tensor, 3> state;  ///< undefined where the group has no such state
  };

  /// A tensor per parameter, of its shape and dtype.
  struct StateTensor {
    std::string name;      ///< empty: this group goes without
    double initial = 0.0;  ///< of all its elements
  };

  explicit Optimizer(std::string name) : name_(std::move(name)) {}
  /// To be called by constructors, once per group, followed by finish().
  void add_group(const Parameters& parameters, double learning_rate, const std::vector<StateTensor>& state);
  /// Checks the parameters of all groups and makes their state.
  void finish();
  /// Throws Error(argument) unless low ≤ value < high.
  void check_option(const char* option, double value, double low, double high) const;
  /// Throws Error(argument) unless 0 ≤ value < ∞.
  void check_option(const char* option, double value) const;

  /// Whether the optimizer looks at single elements, and has update() called for pieces, or at whole parameters, and
  /// has update_whole() called.
  virtual bool is_elementwise() const { return true; }
  /// Updates one piece. Runs on several threads at once.
  virtual void update(const Piece& piece) const;
  /// Updates one parameter. Runs on the thread of step(), under NoGradGuard, for one parameter after the other.
  virtual void update_whole(const Whole& whole) const;

 private:
  struct Entry {
    std::string name;
    std::size_t group = 0;
    Tensor parameter;
    std::int64_t step = 0;
    std::array<Tensor, 3> state;
  };

  void check_gradients() const;
  void add_piece(const Piece& piece);
  void add_rows(const Piece& table, const SparseGradient& gradient);
  StateDict described_state() const;

  std::string name_;
  std::vector<double> learning_rates_;
  std::vector<std::vector<StateTensor>> declared_;  // per group
  std::vector<std::size_t> group_of_;               // per parameter, until finish()
  Parameters parameters_;
  std::vector<Entry> entries_;
  std::int64_t step_count_ = 0;
  // of a step, kept for their memory
  std::vector<Piece> whole_;
  std::vector<std::int64_t> ends_;
  TensorList gradients_;
};

}  // namespace optim
}  // namespace saw
