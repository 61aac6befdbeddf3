// Stride-2 convolutions and their two gradients as XLA calls them, each by the better of our ways.

#include "direct.h"
#include "winograd.h"

namespace {

// The sizes of a convolution, or taps = 0 where they do not fit together.
Shape shape_of(ffi::AnyBuffer::Dimensions x, ffi::AnyBuffer::Dimensions w,
               ffi::AnyBuffer::Dimensions y) {
  Shape s{int(y[0]), int(y[2]), int(y[3]), int(x[1]), int(y[1]), int(w[2])};
  bool fits = x[0] == y[0] && x[2] == 2 * y[2] && x[3] == 2 * y[3] && w[0] == y[1] &&
              w[1] == x[1] && w[2] == w[3] && w[2] >= 3 && w[2] <= 5;
  if (!fits) s.taps = 0;
  return s;
}

ffi::Error refuse() { return ffi::Error::InvalidArgument("not a stride-2 convolution of 3 to 5 taps"); }

ffi::Error Convolve(ffi::ThreadPool pool, Array x, Array w, Result y) {
  Shape s = shape_of(x.dimensions(), w.dimensions(), y->dimensions());
  if (!s.taps) return refuse();
  (direct::is_faster(s) ? direct::convolve : winograd::convolve)(
      pool, s, x.typed_data(), w.typed_data(), y->typed_data());
  return ffi::Error::Success();
}

ffi::Error Deconvolve(ffi::ThreadPool pool, Array dy, Array w, Result dx) {
  Shape s = shape_of(dx->dimensions(), w.dimensions(), dy.dimensions());
  if (!s.taps) return refuse();
  (direct::is_faster(s) ? direct::deconvolve : winograd::deconvolve)(
      pool, s, dy.typed_data(), w.typed_data(), dx->typed_data());
  return ffi::Error::Success();
}

ffi::Error WeightGradient(ffi::ThreadPool pool, Array x, Array dy, Result dw) {
  Shape s = shape_of(x.dimensions(), dw->dimensions(), dy.dimensions());
  if (!s.taps) return refuse();
  (direct::is_better_gradient(s) ? direct::weight_gradient : winograd::weight_gradient)(
      pool, s, x.typed_data(), dy.typed_data(), dw->typed_data());
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_convolve, Convolve,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Array>().Arg<Array>()
                                  .Ret<Array>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_deconvolve, Deconvolve,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Array>().Arg<Array>()
                                  .Ret<Array>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_weight_gradient, WeightGradient,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Array>().Arg<Array>()
                                  .Ret<Array>());
