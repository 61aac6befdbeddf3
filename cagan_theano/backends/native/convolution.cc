// XLA entry points for stride-2 convolutions and their two gradients; the faster implementation is chosen.

#include "direct.h"
#include "winograd.h"

namespace {

// The sizes of a convolution; taps = 0 if the shapes are inconsistent.
Shape shape_of(ffi::AnyBuffer::Dimensions x, ffi::AnyBuffer::Dimensions w,
               ffi::AnyBuffer::Dimensions y) {
  Shape s{int(y[0]), int(y[2]), int(y[3]), int(x[1]), int(y[1]), int(w[2])};
  bool fits = x[0] == y[0] && x[2] == 2 * y[2] && x[3] == 2 * y[3] && w[0] == y[1] &&
              w[1] == x[1] && w[2] == w[3] && w[2] >= 3 && w[2] <= 5;
  if (!fits) s.taps = 0;
  return s;
}

// One implementation of an operation.
struct Way {
  const char* name;
  bool (*suits)(const Shape&, int threads);
  void (*run)(ffi::ThreadPool&, const Shape&, const float*, const float*, float*);
};

bool is_tiny(const Shape& s, int) { return s.tiles() <= direct::FEW; }
bool keeps_zeros(const Shape& s, int) { return s.tiles() <= direct::KEEPING_ZEROS; }
bool has_few_channels(const Shape& s, int) { return s.inner <= winograd::SIDE_BY_SIDE; }
bool always(const Shape&, int) { return true; }

// The first suitable implementation of an operation is used.
const Way CONVOLVE[] = {
    {"direct", is_tiny, direct::convolve},
    {"blocks", winograd::has_large_kernels<false>, winograd::by_blocks<false>},
    {"tiles", always, winograd::by_tiles<false>},
};
const Way DECONVOLVE[] = {
    {"direct", is_tiny, direct::deconvolve},
    {"side by side", has_few_channels, winograd::deconvolve_side_by_side},
    {"blocks", winograd::has_large_kernels<true>, winograd::by_blocks<true>},
    {"tiles", always, winograd::by_tiles<true>},
};
const Way WEIGHT_GRADIENT[] = {
    {"direct", keeps_zeros, direct::weight_gradient},
    {"parts", winograd::has_small_kernels, winograd::weight_gradient_by_parts},
    {"blocks", winograd::has_large_kernels_and_few_tiles, winograd::weight_gradient_by_blocks},
    {"tiles", always, winograd::weight_gradient},
};

// The implementation with a name, or the first suitable one if the name is empty; null if there is none.
template <size_t N>
const Way* find(const Way (&ways)[N], const Shape& s, int threads, std::string_view name) {
  for (const Way& way : ways)
    if (name.empty() ? way.suits(s, threads) : name == way.name) return &way;
  return nullptr;
}

template <size_t N>
ffi::Error run(const Way (&ways)[N], std::string_view name, ffi::ThreadPool& pool, const Shape& s,
               const Array& a, const Array& b, Result& made) {
  if (!s.taps) return ffi::Error::InvalidArgument("not a stride-2 convolution of 3 to 5 taps");
  const Way* way = find(ways, s, pool.num_threads(), name);
  if (!way) return ffi::Error::InvalidArgument("there is no such way to compute it");
  way->run(pool, s, a.typed_data(), b.typed_data(), made->typed_data());
  return ffi::Error::Success();
}

ffi::Error Convolve(ffi::ThreadPool pool, Array x, Array w, Result y, std::string_view way) {
  return run(CONVOLVE, way, pool, shape_of(x.dimensions(), w.dimensions(), y->dimensions()), x, w, y);
}

ffi::Error Deconvolve(ffi::ThreadPool pool, Array dy, Array w, Result dx, std::string_view way) {
  return run(DECONVOLVE, way, pool, shape_of(dx->dimensions(), w.dimensions(), dy.dimensions()), dy, w, dx);
}

ffi::Error WeightGradient(ffi::ThreadPool pool, Array x, Array dy, Result dw, std::string_view way) {
  return run(WEIGHT_GRADIENT, way, pool, shape_of(x.dimensions(), dw->dimensions(), dy.dimensions()), x, dy,
             dw);
}

}  // namespace

// The name of the implementation that is used, for tools/bench_layers.py.
extern "C" const char* cagan_way(int operation, int n, int height, int width, int inner, int outer,
                                 int taps, int threads) {
  Shape s{n, height, width, inner, outer, taps};
  const Way* way = operation == 0   ? find(CONVOLVE, s, threads, "")
                   : operation == 1 ? find(DECONVOLVE, s, threads, "")
                                    : find(WEIGHT_GRADIENT, s, threads, "");
  return way->name;
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_convolve, Convolve,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Array>().Arg<Array>()
                                  .Ret<Array>().Attr<std::string_view>("way"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_deconvolve, Deconvolve,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Array>().Arg<Array>()
                                  .Ret<Array>().Attr<std::string_view>("way"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(cagan_weight_gradient, WeightGradient,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Array>().Arg<Array>()
                                  .Ret<Array>().Attr<std::string_view>("way"));
