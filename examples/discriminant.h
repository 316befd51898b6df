#pragma once

// A linear discriminant on the statistics of an utterance, fitted in one step: the classical speaker recogniser, and
// the second opinion of speaker_identification.cpp.

#include <saw/saw.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace saw::examples {

/// Fisher's linear discriminant with one covariance for all classes (Fisher 1936), on the mean and standard deviation
/// over time of each feature. What it knows that a net learns late is which directions vary little within a speaker:
/// there small differences count much. Its numbers are buffers, made by fit() and saved with the model.
struct Discriminant : nn::Module {
  Discriminant(std::int64_t features, std::int64_t classes)
      : centre(buffer("centre", zeros({2 * features}))),
        weight(buffer("weight", zeros({classes, 2 * features}))),
        bias(buffer("bias", zeros({classes}))) {}

  const Tensor& centre;
  const Tensor& weight;
  const Tensor& bias;
  nn::StatisticsPooling& statistics = child<nn::StatisticsPooling>("statistics");

  /// log p(class | utterance) if all classes are equally likely: x (N, features) → (B, classes).
  Tensor log_probabilities(const Tensor& x, const Segments& utterances) const {
    return log_softmax(linear(statistics.forward(x, utterances) - centre, weight, bias), 1);
  }

  /// From the statistics of the training utterances, rows (B, 2 · features), and their classes: with class means m_c
  /// and the covariance S around them, w_c = S⁻¹ m_c and b_c = −½ m_cᵀ S⁻¹ m_c.
  void fit(const Tensor& rows, const std::vector<std::int64_t>& labels) {
    const std::int64_t count = rows.size(0), width = rows.size(1), classes = weight.size(0);
    const Tensor middle = mean(rows.to(float64), {0});
    const Tensor x = rows.to(float64) - middle;
    const Tensor of_class = one_hot(tensor(labels), classes, float64);                // (B, classes)
    const Tensor sizes = clamp(sum(of_class, {0}), 1.0, static_cast<double>(count));  // (classes)
    const Tensor means = matmul(of_class.transpose(0, 1), x) / sizes.unsqueeze(1);    // (classes, width)
    const Tensor apart = x - matmul(of_class, means);                                 // (B, width)
    Tensor covariance = matmul(apart.transpose(0, 1), apart) / std::max(1.0, static_cast<double>(count - classes));
    // A little more variance than was seen, so that few utterances make no direction certain.
    covariance = covariance + covariance * eye(width, width, float64) * 1e-3 + eye(width, width, float64) * 1e-6;
    // S = L Lᵀ is positive definite, so that it needs no row exchanges.
    const Tensor lower = cholesky(covariance);
    const Tensor halfway = solve_triangular(lower, means.transpose(0, 1), false);
    const Tensor solved = solve_triangular(lower.transpose(0, 1), halfway, true).transpose(0, 1);  // (classes, width)
    Tensor(centre).copy_(middle.to(float32));
    Tensor(weight).copy_(solved.to(float32));
    Tensor(bias).copy_((sum(solved * means, {1}) * -0.5).to(float32));
  }
};

}  // namespace saw::examples
