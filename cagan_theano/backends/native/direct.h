// Stride-2 convolutions and their two gradients for few pixels, as matrix products.
//
// With few tiles, Winograd's algorithm spends most of its time on transforming kernels.  Here kernels are
// used untransformed, and each is read once.  With p the pixels of y and (c, t) a channel of x and a tap:
//     forward           y[k, p] = sum over (c, t) of w[k, (c, t)] patch[(c, t), p]
//     input gradient    dx[c, p] = sum over (t, k) of w[k, c, t] dy[k, p moved by t], a phase at a time
//     weight gradient   dw[k, (c, t)] = sum over p of dy[k, p] patch[p, (c, t)]

#pragma once

#include <vector>

#include "convolution.h"

namespace {
namespace direct {

constexpr int FEW = 8;  // 4x4 tiles; for more, Winograd's algorithm is faster (measured)

// With few pixels, a tap may read only zeros.  Its gradient is exactly 0 here.  Winograd's algorithm would
// leave a rounding error, which Adam turns into a step.
constexpr int KEEPING_ZEROS = 40;  // tiles

size_t pixels(const Shape& s) { return size_t(s.n) * s.height * s.width; }

// `multiply` for any number of columns that is a multiple of the vector width.
void multiply_all(size_t columns, int rows, const float* left, size_t row_step, size_t depth_step,
                  const float* right, size_t right_step, int depth, bool more, float* to,
                  size_t to_step) {
  for (size_t at = 0; at < columns; at += COLUMNS)
    multiply(std::min<size_t>(VECTORS, (columns - at) / LANES), rows, left, row_step, depth_step,
             right + at, right_step, depth, more, to + at, to_step);
}

// to[pixel] = from[pixel moved down and right by (down, right)], with zeros outside the image.
void copy_moved(const float* from, int height, int width, int down, int right, float* to) {
  int first = std::max(0, -right), count = width - std::abs(right);
  for (int r = 0; r < height; ++r, to += width) {
    bool inside = r + down >= 0 && r + down < height && count > 0;
    if (!inside || right) std::memset(to, 0, width * sizeof(float));
    if (inside)
      std::memcpy(to + first, from + (r + down) * width + first + right, count * sizeof(float));
  }
}

// The pixels of a channel of x that each tap reads for each pixel of y: to[tap][pixel], stride `columns`.
void unfold(const Shape& s, const float* x, int c, float* to, size_t columns) {
  int h = s.height, w = s.width, size = h * w;
  std::vector<float> phases(4 * size_t(size));
  for (int n = 0; n < s.n; ++n) {
    const float* picture = x + (size_t(n) * s.inner + c) * 4 * size;
    for (int r = 0; r < 2 * h; ++r)
      for (int j = 0; j < 2 * w; ++j)
        phases[(2 * (r % 2) + j % 2) * size + r / 2 * w + j / 2] = picture[r * 2 * w + j];
    for (int t = 0; t < s.taps * s.taps; ++t) {
      Tap down(t / s.taps, s.taps), right(t % s.taps, s.taps);
      copy_moved(phases.data() + (2 * down.phase + right.phase) * size, h, w, down.offset, right.offset,
                 to + t * columns + size_t(n) * size);
    }
  }
  for (int t = 0; t < s.taps * s.taps; ++t)
    std::fill(to + t * columns + pixels(s), to + (t + 1) * columns, 0.f);
}

// y [N, K, h, w] = stride-2 convolution of x [N, C, 2h, 2w] with w [K, C, k, k].
void convolve(ffi::ThreadPool& pool, const Shape& s, const float* x, const float* w, float* y) {
  int all = s.taps * s.taps, depth = s.inner * all, size = s.height * s.width;
  size_t columns = round_up(pixels(s), LANES);
  Scratch patches(depth * columns);
  parallel(pool, s.inner, [&](int c) { unfold(s, x, c, patches.data() + c * all * columns, columns); });
  each_group(pool, s.outer, ROWS, [&](int first, int count) {
    Scratch made(ROWS * columns);
    multiply_all(columns, count, w + size_t(first) * depth, depth, 1, patches.data(), columns, depth, false,
                 made.data(), columns);
    for (int k = 0; k < count; ++k)
      for (int n = 0; n < s.n; ++n)
        std::memcpy(y + (size_t(n) * s.outer + first + k) * size, made.data() + k * columns + n * size,
                    size * sizeof(float));
  });
}

// The four phases of some channels of dx from made[phase][channel][pixel].
void interleave(const Shape& s, const float* made, size_t columns, int first, int count, float* dx) {
  int h = s.height, w = s.width;
  for (int n = 0; n < s.n; ++n)
    for (int c = 0; c < count; ++c)
      for (int r = 0; r < 2 * h; ++r) {
        float* row = dx + ((size_t(n) * s.inner + first + c) * 2 * h + r) * 2 * w;
        const float* even = made + (2 * (r % 2) * ROWS + c) * columns + (n * h + r / 2) * w;
        for (int j = 0; j < w; ++j) row[2 * j] = even[j], row[2 * j + 1] = even[ROWS * columns + j];
      }
}

// dx [N, C, 2h, 2w]: the transpose of `convolve`, from dy [N, K, h, w].
void deconvolve(ffi::ThreadPool& pool, const Shape& s, const float* dy, const float* w, float* dx) {
  int all = s.taps * s.taps, size = s.height * s.width;
  size_t columns = round_up(pixels(s), LANES), moved_step = apart(s.outer * columns);
  Scratch moved(9 * moved_step);  // [offset][channel of y][pixel]
  parallel(pool, s.outer, [&](int k) {
    for (int o = 0; o < 9; ++o) {
      float* to = moved.data() + o * moved_step + k * columns;
      for (int n = 0; n < s.n; ++n)
        copy_moved(dy + (size_t(n) * s.outer + k) * size, s.height, s.width, 1 - o / 3, 1 - o % 3,
                   to + n * size);
      std::fill(to + pixels(s), to + columns, 0.f);
    }
  });
  each_group(pool, s.inner, ROWS, [&](int first, int count) {
    size_t tap_step = apart(s.outer * ROWS);
    Scratch kernels(all * tap_step), made(4 * ROWS * columns);  // kernels: [tap][channel of y][of x]
    for (int k = 0; k < s.outer; ++k)
      transpose(w + (size_t(k) * s.inner + first) * all, all, count, all, kernels.data() + k * ROWS,
                tap_step);
    bool begun[4] = {};
    for (int t = 0; t < all; ++t) {
      Tap down(t / s.taps, s.taps), right(t % s.taps, s.taps);
      int phase = 2 * down.phase + right.phase;
      multiply_all(columns, count, kernels.data() + t * tap_step, 1, ROWS,
                   moved.data() + (3 * (1 + down.offset) + 1 + right.offset) * moved_step, columns,
                   s.outer, begun[phase], made.data() + phase * ROWS * columns, columns);
      begun[phase] = true;
    }
    interleave(s, made.data(), columns, first, count, dx);
  });
}

// dw [K, C, k, k]: the gradient of `convolve` for its kernels.
void weight_gradient(ffi::ThreadPool& pool, const Shape& s, const float* x, const float* dy,
                     float* dw) {
  int all = s.taps * s.taps, size = s.height * s.width, width = s.inner * all;
  size_t columns = round_up(pixels(s), LANES), across = apart(round_up(width, COLUMNS));
  Scratch patches(columns * across);  // [pixel][channel of x][tap]
  parallel(pool, s.inner, [&](int c) {
    Scratch of_taps(all * columns);
    unfold(s, x, c, of_taps.data(), columns);
    transpose(of_taps.data(), columns, all, pixels(s), patches.data() + c * all, across);
  });
  each_group(pool, width, COLUMNS, [&](int first, int count) {
    Scratch made(ROWS * COLUMNS);
    for (int k = 0; k < s.outer; k += ROWS) {
      int rows = std::min(ROWS, s.outer - k);
      for (int n = 0; n < s.n; ++n)
        multiply(VECTORS, rows, dy + (size_t(n) * s.outer + k) * size, size, 1,
                 patches.data() + n * size * across + first, across, size, n > 0, made.data(), COLUMNS);
      for (int r = 0; r < rows; ++r)
        std::memcpy(dw + size_t(k + r) * width + first, made.data() + r * COLUMNS, count * sizeof(float));
    }
  });
}

}  // namespace direct
}  // namespace
