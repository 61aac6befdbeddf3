// Instance norm with gain, shift and activation, and its gradient, one channel of one image at a time.
//
//     z = (x - mean) / sqrt(variance + epsilon) * gain + shift,    y = max(z, slope z)
//
// A channel of an image ("plane") stays in the cache while it is read several times, so x and y (in the
// backward pass x, dy and dx) go through memory only once; XLA's loops read them several times.
// slope: 0 for ReLU, 1 for no activation.  The variance is computed around the mean in a second pass, since
// E[x^2] - E[x]^2 loses all digits if the mean is large.

#include <cmath>
#include <cstring>

#include "shared.h"

namespace {

constexpr size_t PLANES_FLOATS = 1 << 15;  // numbers per task, approximately

float total(Vector v) {
  float sum = 0;
  for (int lane = 0; lane < LANES; ++lane) sum += v[lane];
  return sum;
}

// The sum over a plane of part(i), a vector (or a number) of the terms from i on.  Several partial sums
// are kept, since each addition depends on the previous one.
template <typename Of, typename One>
float sum_over(size_t size, const Of& of, const One& one) {
  Vector sums[4] = {};
  size_t i = 0;
  for (; i + 4 * LANES <= size; i += 4 * LANES)
    for (int k = 0; k < 4; ++k) sums[k] += of(i + k * LANES);
  for (; i + LANES <= size; i += LANES) sums[0] += of(i);
  float sum = total((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < size; ++i) sum += one(i);
  return sum;
}

struct Moments {
  float mean, scale;  // scale: 1 / sqrt(variance + epsilon)

  Moments(const float* x, size_t size, float epsilon) {
    mean = sum_over(size, [&](size_t i) { return load(x + i); }, [&](size_t i) { return x[i]; }) / size;
    float m = mean;
    auto squares = [&](size_t i) { Vector c = load(x + i) - m; return c * c; };
    auto square = [&](size_t i) { float c = x[i] - m; return c * c; };
    scale = 1 / std::sqrt(sum_over(size, squares, square) / size + epsilon);
  }
};

Vector larger(Vector a, Vector b) { return a > b ? a : b; }
float larger(float a, float b) { return a > b ? a : b; }

void normalize(const float* x, size_t size, float gain, float shift, float epsilon, float slope,
               float* y) {
  Moments of(x, size, epsilon);
  float factor = of.scale * gain;
  auto made = [&](auto number) {
    auto z = (number - of.mean) * factor + shift;
    return larger(z, slope * z);
  };
  size_t i = 0;
  for (; i + LANES <= size; i += LANES) store(y + i, made(load(x + i)));
  for (; i < size; ++i) y[i] = made(x[i]);
}

// The gradient of the activation times dy; at z = 0, the sum of both sides of the maximum.
Vector through(Vector z, Vector dy, float slope) {
  Vector none = {};
  return (z >= 0 ? dy : none) + (z <= 0 ? slope * dy : none);
}
float through(float z, float dy, float slope) {
  return (z >= 0 ? dy : 0) + (z <= 0 ? slope * dy : 0);
}

void normalize_gradient(const float* x, const float* dy, size_t size, float gain, float shift,
                        float epsilon, float slope, float* dx, float* d_gain, float* d_shift) {
  Moments of(x, size, epsilon);
  float factor = of.scale * gain;
  bool active = slope != 1;
  auto g_at = [&](auto number, auto dy) {
    return active ? through((number - of.mean) * factor + shift, dy, slope) : dy;
  };
  auto normal_of = [&](auto number) { return (number - of.mean) * of.scale; };
  auto product = [&](auto number, auto dy) { return g_at(number, dy) * normal_of(number); };
  *d_shift = sum_over(size, [&](size_t i) { return g_at(load(x + i), load(dy + i)); },
                      [&](size_t i) { return g_at(x[i], dy[i]); });
  *d_gain = sum_over(size, [&](size_t i) { return product(load(x + i), load(dy + i)); },
                     [&](size_t i) { return product(x[i], dy[i]); });
  float along = *d_gain / size, mean = *d_shift / size;
  auto made = [&](auto number, auto dy) {
    return (g_at(number, dy) - mean - normal_of(number) * along) * factor;
  };
  size_t i = 0;
  for (; i + LANES <= size; i += LANES) store(dx + i, made(load(x + i), load(dy + i)));
  for (; i < size; ++i) dx[i] = made(x[i], dy[i]);
}

// Call work(plane, channel) for each plane of x [N, C, H, W].
template <typename Work>
void each_plane(ffi::ThreadPool& pool, ffi::AnyBuffer::Dimensions x, const Work& work) {
  int channels = x[1], planes = x[0] * x[1];
  int together = std::max<size_t>(1, PLANES_FLOATS / (x[2] * x[3]));
  parallel(pool, (planes + together - 1) / together, [&](int task) {
    for (int plane = task * together; plane < std::min((task + 1) * together, planes); ++plane)
      work(plane, plane % channels);
  });
}

bool fits(ffi::AnyBuffer::Dimensions x, const Array& gain, const Array& shift) {
  return x.size() == 4 && x[2] * x[3] > 0 && int64_t(gain.element_count()) == x[1] &&
         int64_t(shift.element_count()) == x[1];
}

ffi::Error refuse() { return ffi::Error::InvalidArgument("no images with gains and shifts"); }

ffi::Error Normalize(ffi::ThreadPool pool, Array x, Array gain, Array shift, Result y,
                     float epsilon, float slope) {
  if (!fits(x.dimensions(), gain, shift)) return refuse();
  size_t size = x.dimensions()[2] * x.dimensions()[3];
  each_plane(pool, x.dimensions(), [&](int plane, int c) {
    normalize(x.typed_data() + plane * size, size, gain.typed_data()[c], shift.typed_data()[c],
              epsilon, slope, y->typed_data() + plane * size);
  });
  return ffi::Error::Success();
}

// The same, but scheduled only after the fourth array is computed.
ffi::Error NormalizeAgain(ffi::ThreadPool pool, Array x, Array gain, Array shift, ffi::AnyBuffer /*until*/,
                          Result y, float epsilon, float slope) {
  return Normalize(pool, x, gain, shift, y, epsilon, slope);
}

// The identity of x, in place, scheduled only after the second array is computed.
ffi::Error After(Array x, ffi::AnyBuffer /*done*/, Result same) {
  if (same->typed_data() != x.typed_data())
    std::memcpy(same->typed_data(), x.typed_data(), x.size_bytes());
  return ffi::Error::Success();
}

// d_gain and d_shift are per image, [N, C].
ffi::Error NormalizeGradient(ffi::ThreadPool pool, Array x, Array gain, Array shift, Array dy,
                             Result dx, Result d_gain, Result d_shift, float epsilon, float slope) {
  if (!fits(x.dimensions(), gain, shift) || dy.element_count() != x.element_count()) return refuse();
  size_t size = x.dimensions()[2] * x.dimensions()[3];
  each_plane(pool, x.dimensions(), [&](int plane, int c) {
    normalize_gradient(x.typed_data() + plane * size, dy.typed_data() + plane * size, size,
                       gain.typed_data()[c], shift.typed_data()[c], epsilon, slope,
                       dx->typed_data() + plane * size, d_gain->typed_data() + plane,
                       d_shift->typed_data() + plane);
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_normalize, Normalize,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Array>().Arg<Array>()
                                  .Arg<Array>().Ret<Array>().Attr<float>("epsilon")
                                  .Attr<float>("slope"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_normalize_again, NormalizeAgain,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Array>().Arg<Array>()
                                  .Arg<Array>().Arg<ffi::AnyBuffer>().Ret<Array>()
                                  .Attr<float>("epsilon").Attr<float>("slope"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_after, After,
                              ffi::Ffi::Bind().Arg<Array>().Arg<ffi::AnyBuffer>().Ret<Array>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_normalize_gradient, NormalizeGradient,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Array>().Arg<Array>()
                                  .Arg<Array>().Arg<Array>().Ret<Array>().Ret<Array>().Ret<Array>()
                                  .Attr<float>("epsilon").Attr<float>("slope"));
