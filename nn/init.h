#pragma once

#include <functional>

#include "saw/autograd/tape/tensor.h"
#include "saw/nn/activation.h"

namespace saw {
namespace [[gnu::visibility("default")]] nn {

/// Writes the first values of a parameter.
using Initialiser = std::function<void(const Tensor& parameter)>;

/// Initialisers. Each comes in two forms: one fills a tensor in place (a leaf that requires a gradient, too), the other
/// makes an Initialiser for Module::param. All draw from default_generator().
///
///   init::xavier_uniform(model.tags.weight);                       // now
///   param("weight", {out, in}, init::normal(0.0, 0.02));           // when the parameter is made
///
/// Weights are (out, in) or (out, in, kernel…): fan in = in · kernel, fan out = out · kernel. What needs fans throws
/// Error(shape) for tensors with fewer than two dimensions.
namespace init {

void zeros(const Tensor& parameter);                   ///< all elements 0
void ones(const Tensor& parameter);                    ///< all elements 1
void constant(const Tensor& parameter, double value);  ///< all elements `value`
/// Uniform in [low, high). Throws Error(argument) when low > high.
void uniform(const Tensor& parameter, double low, double high);
/// Throws Error(argument) for a negative standard deviation.
void normal(const Tensor& parameter, double mean, double standard_deviation);
/// Normal, but of the values in [low, high] alone, as PyTorch's trunc_normal_: the bounds are values, not multiples of
/// the standard deviation, which is that of the whole normal distribution. Throws Error(argument) when low > high, for
/// a standard deviation that is not positive, and for bounds so far from the mean that nothing lies between them.
void truncated_normal(const Tensor& parameter, double mean = 0.0, double standard_deviation = 1.0, double low = -2.0,
                      double high = 2.0);
/// Uniform in ± gain·√(6 / (fan in + fan out)) (Glorot & Bengio 2010).
void xavier_uniform(const Tensor& parameter, double gain = 1.0);
/// Normal with standard deviation gain·√(2 / (fan in + fan out)).
void xavier_normal(const Tensor& parameter, double gain = 1.0);

/// Which side keeps its variance: activations on the way forward (in) or gradients on the way back (out).
enum class Fan {
  in,   ///< in · kernel
  out,  ///< out · kernel
};
/// Uniform in ± gain·√(3 / fan) (He et al. 2015, also called Kaiming initialisation).
void he_uniform(const Tensor& parameter, Activation after = Activation::relu, Fan fan = Fan::in);
/// Normal with standard deviation gain / √fan.
void he_normal(const Tensor& parameter, Activation after = Activation::relu, Fan fan = Fan::in);
/// gain · Q with orthonormal rows or columns, whichever are fewer, uniform over all such matrices (Saxe et al. 2014).
/// Dimensions after the first count as one.
void orthogonal(const Tensor& parameter, double gain = 1.0);

/// The functions above, for param(), which calls what they give when the parameter is there. This one: all elements 0.
Initialiser zeros();
Initialiser ones();                                          ///< of all elements 1
Initialiser constant(double value);                          ///< of all elements `value`
Initialiser uniform(double low, double high);                ///< as uniform(parameter, low, high)
Initialiser normal(double mean, double standard_deviation);  ///< as normal(parameter, mean, standard_deviation)
/// As truncated_normal(parameter, mean, standard_deviation, low, high).
Initialiser truncated_normal(double mean = 0.0, double standard_deviation = 1.0, double low = -2.0, double high = 2.0);
Initialiser xavier_uniform(double gain = 1.0);  ///< as xavier_uniform(parameter, gain)
Initialiser xavier_normal(double gain = 1.0);   ///< as xavier_normal(parameter, gain)
/// As he_uniform(parameter, after, fan).
Initialiser he_uniform(Activation after = Activation::relu, Fan fan = Fan::in);
Initialiser he_normal(Activation after = Activation::relu, Fan fan = Fan::in);  ///< as he_normal(parameter, after, fan)
Initialiser orthogonal(double gain = 1.0);                                      ///< as orthogonal(parameter, gain)

/// The factor that keeps a signal's size through a nonlinearity: √2 for relu, √(2 / (1 + 0.01²)) for leaky_relu, 5/3
/// for tanh, 1 for the others, as PyTorch has it.
double gain(Activation activation);

}  // namespace init
}  // namespace nn
}  // namespace saw
