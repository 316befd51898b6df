#include "saw/data/audio/internal/power_spectrum.h"

#include <kiss_fft.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <numbers>

namespace saw::data {
namespace {

static_assert(sizeof(kiss_fft_cpx) == sizeof(std::complex<float>));

}  // namespace

void PowerSpectrum::Free::operator()(kiss_fft_state* plan) const { kiss_fft_free(plan); }

// An even number of real points is transformed as half as many complex ones. KissFFT has that too, as kiss_fftr, but
// its plan contains a buffer that every transform writes to, so that threads could not share it.
PowerSpectrum::PowerSpectrum(std::int64_t points) : points_(points) {
  const bool even = points % 2 == 0;
  plan_.reset(kiss_fft_alloc(static_cast<int>(even ? points / 2 : points), 0, nullptr, nullptr));
  if (!plan_) throw std::bad_alloc();
  if (!even) return;
  for (std::int64_t k = 0; k <= points / 4; ++k) {
    const double angle = -2.0 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(points);
    twiddles_.emplace_back(static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle)));
  }
}

PowerSpectrum::Scratch PowerSpectrum::scratch() const {
  const auto size = static_cast<std::size_t>(points_ % 2 == 0 ? points_ / 2 : points_);
  return {std::vector<std::complex<float>>(size), std::vector<std::complex<float>>(size)};
}

void PowerSpectrum::operator()(const float* frame, float* power, Scratch& scratch) const {
  const bool even = points_ % 2 == 0;
  if (even)
    std::copy_n(frame, points_, reinterpret_cast<float*>(scratch.packed.data()));
  else
    std::copy_n(frame, points_, scratch.packed.begin());
  kiss_fft(plan_.get(), reinterpret_cast<const kiss_fft_cpx*>(scratch.packed.data()),
           reinterpret_cast<kiss_fft_cpx*>(scratch.transformed.data()));
  const std::complex<float>* z = scratch.transformed.data();
  if (!even) {
    for (std::int64_t k = 0; k < bins(); ++k) power[k] = std::norm(z[k]);
    return;
  }
  // With z_j = x_2j + i x_2j+1, the transforms of the even and the odd samples are
  //   E_k = (Z_k + Z*_m−k) / 2,   O_k = (Z_k − Z*_m−k) / 2i,
  // and X_k = E_k + e^(−2πi k / n) O_k,  X*_m−k = E_k − e^(−2πi k / n) O_k.
  const std::int64_t m = points_ / 2;
  const float sum = z[0].real() + z[0].imag(), difference = z[0].real() - z[0].imag();
  power[0] = sum * sum;
  power[m] = difference * difference;
  for (std::int64_t k = 1; k <= m / 2; ++k) {
    const float even_real = z[k].real() + z[m - k].real(), even_imag = z[k].imag() - z[m - k].imag();
    const float odd_real = z[k].imag() + z[m - k].imag(), odd_imag = z[m - k].real() - z[k].real();
    const float cosine = twiddles_[static_cast<std::size_t>(k)].real();
    const float sine = twiddles_[static_cast<std::size_t>(k)].imag();
    const float turned_real = cosine * odd_real - sine * odd_imag, turned_imag = cosine * odd_imag + sine * odd_real;
    const float upper_real = even_real + turned_real, upper_imag = even_imag + turned_imag;
    const float lower_real = even_real - turned_real, lower_imag = even_imag - turned_imag;
    power[k] = 0.25F * (upper_real * upper_real + upper_imag * upper_imag);
    power[m - k] = 0.25F * (lower_real * lower_real + lower_imag * lower_imag);
  }
}

}  // namespace saw::data
