// Stride-2 convolutions and their two gradients by Winograd's minimal filtering F(4x4, 3x3).
//
// A stride-2 convolution is a stride-1 convolution of the four images made of the even and odd rows
// and columns ("phases"), each with 3 or fewer of the kernel's taps per side.  F(4x4, 3x3) makes 4x4
// outputs of one such convolution from 6x6 inputs with 36 multiplications, one at each pair (p, q) of
// the points 0, 1, -1, 2, -2, infinity, where the direct method takes 144.  Points at which a phase's
// kernel is always 0, as it has but 2 taps there, are left out: a 5x5 kernel takes 121 instead of 400.
//
// The linear maps, in the usual letters, with x the input, w the kernel, y the output:
//     forward           y  = A' [ sum over phases, channels of (G w G') * (B' x B) ] A
//     input gradient    the same with the kernel's taps reversed, a phase of dx at a time
//     weight gradient   dw = G' [ sum over tiles of (A dy A') * (B' x B) ] G
//
// A row of tiles is copied to a strip with its channels last, padded with zeros to whole vectors of
// LANES, and all sums run over such vectors; GCC's and Clang's vector types fit themselves to the CPU.

#pragma once

#include <initializer_list>

#include "convolution.h"

namespace {
namespace winograd {

constexpr int SPAN = 6, POINTS = SPAN * SPAN;
constexpr int TILES_AT_ONCE = 48;  // a task's tiles: their transforms stay in the cache
constexpr int TILES_TO_A_SUM = 512;  // tiles of a weight gradient that are in memory at once

// --- the one-dimensional maps; elements stand `step` apart

inline void b_transposed(Vector* d, int step) {
  Vector d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step],
         d5 = d[5 * step];
  Vector even = d4 - 4 * d2, odd = d3 - 4 * d1, even2 = d4 - d2, odd2 = 2 * (d3 - d1);
  d[0] = 4 * d0 - 5 * d2 + d4;
  d[step] = even + odd;
  d[2 * step] = even - odd;
  d[3 * step] = even2 + odd2;
  d[4 * step] = even2 - odd2;
  d[5 * step] = 4 * d1 - 5 * d3 + d5;
}

inline void a_transposed(Vector* m, int step) {  // 6 -> 4
  Vector sum1 = m[step] + m[2 * step], difference1 = m[step] - m[2 * step];
  Vector sum2 = m[3 * step] + m[4 * step], difference2 = m[3 * step] - m[4 * step];
  m[0] = m[0] + sum1 + sum2;
  m[step] = difference1 + 2 * difference2;
  m[2 * step] = sum1 + 4 * sum2;
  m[3 * step] = difference1 + 8 * difference2 + m[5 * step];
}

inline void a(Vector* y, int step) {  // 4 -> 6
  Vector y0 = y[0], y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
  Vector even = y0 + y2, odd = y1 + y3, even2 = y0 + 4 * y2, odd2 = 2 * y1 + 8 * y3;
  y[step] = even + odd;
  y[2 * step] = even - odd;
  y[3 * step] = even2 + odd2;
  y[4 * step] = even2 - odd2;
  y[5 * step] = y3;
}

inline void g(const Vector* w, Vector* m) {  // 3 -> 6
  Vector sum = (w[0] + w[2]) * (1.f / 6), middle = w[1] * (1.f / 6);
  Vector even = w[0] * (1.f / 24) + w[2] * (1.f / 6), odd = w[1] * (1.f / 12);
  m[0] = w[0] * (1.f / 4);
  m[1] = -sum - middle;
  m[2] = middle - sum;
  m[3] = even + odd;
  m[4] = even - odd;
  m[5] = w[2];
}

inline void g_transposed(const Vector* m, Vector* w) {  // 6 -> 3
  Vector sum = (m[1] + m[2]) * (1.f / 6), sum2 = m[3] + m[4];
  w[0] = m[0] * (1.f / 4) - sum + sum2 * (1.f / 24);
  w[1] = (m[2] - m[1]) * (1.f / 6) + (m[3] - m[4]) * (1.f / 12);
  w[2] = sum2 * (1.f / 6) - sum + m[5];
}

// Which tap of a kernel stands at each of a phase's three places, or -1.
struct Kernel {
  int taps, at[2][3] = {{-1, -1, -1}, {-1, -1, -1}};

  Kernel(int taps, bool reversed) : taps(taps) {
    for (int t = 0; t < taps; ++t) {
      Tap tap(t, taps);
      at[tap.phase][reversed ? 1 - tap.offset : 1 + tap.offset] = t;
    }
  }
  // Whether a phase has taps at one of the SPAN points: the first and the last are those of one place.
  bool active(int point, int phase) const {
    return point == 0 ? at[phase][0] >= 0 : point == SPAN - 1 ? at[phase][2] >= 0 : true;
  }
  bool has(int point, int phase) const {
    return active(point / SPAN, phase / 2) && active(point % SPAN, phase % 2);
  }
};

// The (point, phase) pairs in use, and where the transformed kernel has them: by phases.
struct Plan {
  Kernel kernel;
  int slot[POINTS][4], slots = 0;
  Plan(int taps, bool reversed) : kernel(taps, reversed) {
    for (int phase = 0; phase < 4; ++phase)
      for (int point = 0; point < POINTS; ++point)
        slot[point][phase] = kernel.has(point, phase) ? slots++ : -1;
  }
  // The transformed kernels of a point and phase, `step` from slot to slot; null where there are none.
  const float* at(const float* kernels, size_t step, int point, int phase, int first = 0) const {
    int place = slot[point][phase];
    return place < 0 ? nullptr : kernels + (place - first) * step;
  }
  // The first slot of a phase; 0 of all (-1).
  int first(int phase) const {
    for (int point = 0; phase >= 0 && point < POINTS; ++point)
      if (slot[point][phase] >= 0) return slot[point][phase];
    return 0;
  }
};

// --- strips

// Strips to a task: about TILES_AT_ONCE tiles, and evenly many tasks for the threads.
int strips_to_a_task(const Shape& s, int threads) {
  int tasks = divide_up(s.tiles(), TILES_AT_ONCE);
  return divide_up(s.strips(), round_up(tasks, std::max(threads, 1)));
}

// One side of the convolution, x (step 2) or y (step 1), and the strips of rows that its tiles need.
// A strip is [rows][columns][depth]; it begins `border` pixels above and left of its first tile.
struct Side {
  int channels, height, width, step, border, high;
  int depth, rows, columns;

  Side(const Shape& s, bool strided, bool bordered)
      : channels(strided ? s.inner : s.outer), height(s.height * (strided ? 2 : 1)),
        width(s.width * (strided ? 2 : 1)), step(strided ? 2 : 1), border(bordered ? step : 0),
        high(s.high()), depth(round_up(channels, LANES)), rows(TILE * step + 2 * border),
        columns(TILE * step * s.wide() + 2 * border) {}

  size_t floats() const { return size_t(rows) * columns * depth; }
  size_t picture() const { return size_t(channels) * height * width; }
  int first_row(int strip) const { return strip % high * TILE * step - border; }

  // The strip of an image [N, C, H, W], with zeros beyond its edges and in the last channels.
  void gather(const float* image, int strip, float* to) const {
    const float* picture_ = image + strip / high * picture();
    int top = first_row(strip), end = std::min(columns, width + border);
    for (int r = 0; r < rows; ++r) {
      float* row = to + size_t(r) * columns * depth;
      bool inside = top + r >= 0 && top + r < height;
      if (!inside || border || end < columns || depth > channels)
        std::memset(row, 0, size_t(columns) * depth * sizeof(float));
      if (inside)
        transpose(picture_ + size_t(top + r) * width, size_t(height) * width, channels,
                  end - border, row + border * depth, depth);
    }
  }

  // The reverse, for a side without border: the strip holds `count` channels from `first` on.
  void scatter(const float* from, int strip, float* image, int first, int count) const {
    float* picture_ = image + strip / high * picture() + size_t(first) * height * width;
    int top = first_row(strip), end = std::min(columns, width);
    for (int r = 0; r < rows && top + r < height; ++r)
      transpose(from + size_t(r) * columns * depth, depth, end, count,
                picture_ + size_t(top + r) * width, size_t(height) * width);
  }
  void scatter(const float* from, int strip, float* image) const {
    scatter(from, strip, image, 0, channels);
  }

  // The same side with strips of so many channels.
  Side of_depth(int channels_) const {
    Side part = *this;
    part.depth = channels_;
    return part;
  }

  // Pixel (i, j) of a tile in a strip, in the phase of even or odd rows and columns.
  size_t at(int tile, int i, int j, int phase) const {
    return (size_t(step * i + phase / 2) * columns + step * (TILE * tile + j) + phase % 2) * depth;
  }
};

// --- the two-dimensional maps of one tile, for one vector of channels

// B' x B of a tile: POINTS vectors, `stride` apart, of which those that no kernel reads are left out.
inline void transform_input(const Plan& plan, const Side& side, const float* strip, int tile, int phase,
                            float* to, size_t stride) {
  Vector d[POINTS];
  for (int i = 0; i < SPAN; ++i)
    for (int j = 0; j < SPAN; ++j) d[i * SPAN + j] = load(strip + side.at(tile, i, j, phase));
  for (int j = 0; j < SPAN; ++j) b_transposed(d + j, SPAN);
  for (int i = 0; i < SPAN; ++i) b_transposed(d + i * SPAN, 1);
  for (int p = 0; p < POINTS; ++p)
    if (side.step == 1 || plan.slot[p][phase] >= 0) store(to + p * stride, d[p]);
}

// B' x B of every tile of a strip, in so many phases: to[tile][phase][channel].
void transform_strip(const Plan& plan, const Side& side, const float* strip, int tiles, int phases,
                     float* to, size_t depth, size_t stride) {
  for (int tile = 0; tile < tiles; ++tile)
    for (int phase = 0; phase < phases; ++phase)
      for (int c = 0; c < side.depth; c += LANES)
        transform_input(plan, side, strip + c, tile, phase, to + tile * depth + phase * side.depth + c,
                        stride);
}

// A' m A of a tile into its place in a strip.
inline void transform_output(const Side& side, const float* from, size_t stride, int tile,
                             int phase, float* strip) {
  Vector m[POINTS];
  for (int p = 0; p < POINTS; ++p) m[p] = load(from + p * stride);
  for (int j = 0; j < SPAN; ++j) a_transposed(m + j, SPAN);
  for (int i = 0; i < TILE; ++i) a_transposed(m + i * SPAN, 1);
  for (int i = 0; i < TILE; ++i)
    for (int j = 0; j < TILE; ++j) store(strip + side.at(tile, i, j, phase), m[i * SPAN + j]);
}

// The same of every tile of a strip, from[tile][channel] at each point.
void transform_outputs(const Side& side, const float* from, size_t across, size_t stride, int tiles,
                       int phase, float* strip) {
  for (int tile = 0; tile < tiles; ++tile)
    for (int c = 0; c < side.depth; c += LANES)
      transform_output(side, from + tile * across + c, stride, tile, phase, strip + c);
}

// A dy A' of a tile: POINTS vectors, `stride` apart.
inline void transform_gradient(const Side& side, const float* strip, int tile, float* to,
                               size_t stride) {
  Vector m[POINTS];
  for (int i = 0; i < TILE; ++i)
    for (int j = 0; j < TILE; ++j) m[i * SPAN + j] = load(strip + side.at(tile, i, j, 0));
  for (int i = 0; i < TILE; ++i) a(m + i * SPAN, 1);
  for (int j = 0; j < SPAN; ++j) a(m + j, SPAN);
  for (int p = 0; p < POINTS; ++p) store(to + p * stride, m[p]);
}

// G w G' of up to COLUMNS kernels, whose taps stand [taps][COLUMNS], into every slot in use of one
// phase or (-1) of all.
inline void transform_kernel(const Plan& plan, const float* taps, float* to, size_t stride,
                             int only) {
  const Kernel& kernel = plan.kernel;
  int k = kernel.taps, first = plan.first(only);
  for (int v = 0; v < COLUMNS; v += LANES)
    for (int down = 0; down < 2; ++down) {
      if (only >= 0 && only / 2 != down) continue;
      Vector half[5][SPAN];
      for (int j = 0; j < k; ++j) {
        Vector w[3] = {};
        for (int o = 0; o < 3; ++o)
          if (int i = kernel.at[down][o]; i >= 0) w[o] = load(taps + (i * k + j) * COLUMNS + v);
        g(w, half[j]);
      }
      for (int phase = 2 * down; phase < 2 * down + 2; ++phase)
        for (int p = 0; p < SPAN; ++p) {
          if ((only >= 0 && only != phase) || !kernel.active(p, down)) continue;
          Vector w[3] = {}, m[SPAN];
          for (int o = 0; o < 3; ++o)
            if (int j = kernel.at[phase % 2][o]; j >= 0) w[o] = half[j][p];
          g(w, m);
          for (int q = 0; q < SPAN; ++q)
            if (int slot = plan.slot[p * SPAN + q][phase]; slot >= 0)
              store(to + (slot - first) * stride + v, m[q]);
        }
    }
}

// V vectors of columns of every tile at a point: to[tile][columns] = the sum over phases of
// inputs[tile][phase][depth] kernels[phase][depth][columns]; no kernels: nothing of that phase.
template <int V = VECTORS>
void multiply(const float* inputs, size_t tile_step, size_t phase_step,
              std::initializer_list<const float*> kernels, int depth, int tiles, float* to,
              size_t across) {
  for (int t = 0; t < tiles; t += ROWS) {
    Block<V> sums;
    const float* phase = inputs + t * tile_step;
    for (const float* kernel : kernels) {
      if (kernel) sums.add(phase, tile_step, 1, kernel, V * LANES, depth);
      phase += phase_step;
    }
    sums.write(to + t * across, across);
  }
}

// --- the three operations

// The transformed kernels of one block of columns that read one channel of the depth, of one phase or
// (-1) all, `stride` from slot to slot.  swapped: columns are the channels of x and the depth is those
// of y, as the input gradient wants them.
void transform_kernels_of(const Plan& plan, const Shape& s, const float* w, bool swapped, int block,
                          int only, int channel, float* to, size_t stride) {
  int columns = swapped ? s.inner : s.outer, taps = s.taps * s.taps;
  size_t column_step = size_t(taps) * (swapped ? 1 : s.inner);
  size_t depth_step = size_t(taps) * (swapped ? s.inner : 1);
  float buffer[MAX_TAPS * COLUMNS] = {};
  int first = block * COLUMNS;
  transpose(w + first * column_step + channel * depth_step, column_step,
            std::min(COLUMNS, columns - first), taps, buffer, COLUMNS);
  transform_kernel(plan, buffer, to, stride, only);
}

// The same of the channels first to last - 1: to[slot][depth][COLUMNS].
void transform_block(const Plan& plan, const Shape& s, const float* w, bool swapped, int block,
                     int only, int first, int last, float* to, size_t slot_step) {
  for (int d = first; d < last; ++d)
    transform_kernels_of(plan, s, w, swapped, block, only, d, to + size_t(d) * COLUMNS, slot_step);
}

// The same of all blocks: to[block][slot][depth][COLUMNS].
void transform_kernels(ffi::ThreadPool& pool, const Plan& plan, const Shape& s, const float* w,
                       bool swapped, float* to, size_t slot_step) {
  int columns = swapped ? s.inner : s.outer, depth = swapped ? s.outer : s.inner;
  int blocks = divide_up(columns, COLUMNS), chunk = 16, chunks = divide_up(depth, chunk);
  parallel(pool, blocks * chunks, [&](int task) {
    int block = task / chunks, first = task % chunks * chunk;
    transform_block(plan, s, w, swapped, block, -1, first, std::min(first + chunk, depth),
                    to + block * plan.slots * slot_step, slot_step);
  });
}

// The transforms of the tiles of some strips: at[point][tile][channel], one phase of the channels after
// another.
struct Tiles {
  const Plan& plan;
  const Side& from;
  int phases, wide, first, strips, tiles;
  size_t depth, room, step;  // room: tiles, in whole ROWS
  Scratch inputs;

  Tiles(const Plan& plan, const Shape& s, const Side& from, int phases, int first, int strips)
      : plan(plan), from(from), phases(phases), wide(s.wide()), first(first), strips(strips),
        tiles(strips * wide), depth(size_t(phases) * from.depth), room(round_up(tiles, ROWS)),
        step(apart(room * depth)), inputs(step * POINTS) {}

  void take(const float* image, int n) {
    Scratch strip(from.floats());
    from.gather(image, first + n, strip.data());
    transform_strip(plan, from, strip.data(), wide, phases, inputs.data() + n * wide * depth, depth, step);
  }
  void take_all(const float* image) {
    for (int n = 0; n < strips; ++n) take(image, n);
  }
  void take_all(const float* image, ffi::ThreadPool& pool) {
    parallel(pool, strips, [&](int n) { take(image, n); });
  }
  const float* at(int point) const { return inputs.data() + point * step; }
};

// --- large kernels and few tiles: by blocks of the channels that are made, so that a block's
// transformed kernels stay in the cache and no more of them are in memory than threads are at work

// Whether less goes through memory by blocks: all tiles for each of them, instead of all kernels for
// each task; and there is a block for every thread.
bool by_blocks(const ffi::ThreadPool& pool, const Shape& s, const Plan& plan, int columns, int depth,
               int phases) {
  size_t blocks = divide_up(columns, COLUMNS), tiles = s.tiles();
  size_t inputs = tiles * round_up(depth, LANES) * phases * POINTS;
  size_t kernels = blocks * plan.slots * depth * COLUMNS;
  return blocks >= size_t(pool.num_threads()) && inputs * blocks < kernels * (1 + tiles / TILES_AT_ONCE);
}

void convolve_by_blocks(ffi::ThreadPool& pool, const Shape& s, const Plan& plan, const float* x,
                        const float* w, float* y) {
  Side from(s, true, true), to = Side(s, false, false).of_depth(COLUMNS);
  Tiles tiles(plan, s, from, 4, 0, s.strips());
  tiles.take_all(x, pool);
  parallel(pool, divide_up(s.outer, COLUMNS), [&](int block) {
    size_t m_step = apart(tiles.room * COLUMNS), slot_step = apart(s.inner * COLUMNS);
    Scratch kernels(plan.slots * slot_step), products(m_step * POINTS), strip(to.floats());
    transform_block(plan, s, w, false, block, -1, 0, s.inner, kernels.data(), slot_step);
    for (int point = 0; point < POINTS; ++point) {
      auto in = [&](int phase) { return plan.at(kernels.data(), slot_step, point, phase); };
      multiply(tiles.at(point), tiles.depth, from.depth, {in(0), in(1), in(2), in(3)}, s.inner,
               tiles.tiles, products.data() + point * m_step, COLUMNS);
    }
    int first = block * COLUMNS;
    for (int n = 0; n < s.strips(); ++n) {
      transform_outputs(to, products.data() + size_t(n) * s.wide() * COLUMNS, COLUMNS, m_step,
                        s.wide(), 0, strip.data());
      to.scatter(strip.data(), n, y, first, std::min(COLUMNS, s.outer - first));
    }
  });
}

void deconvolve_by_blocks(ffi::ThreadPool& pool, const Shape& s, const Plan& plan, const float* dy,
                          const float* w, float* dx) {
  Side from(s, false, true), to = Side(s, true, false).of_depth(COLUMNS);
  Tiles tiles(plan, s, from, 1, 0, s.strips());
  tiles.take_all(dy, pool);
  parallel(pool, divide_up(s.inner, COLUMNS), [&](int block) {
    size_t m_step = apart(tiles.room * COLUMNS), slot_step = apart(s.outer * COLUMNS);
    Scratch kernels(POINTS * slot_step), products(m_step * POINTS);
    Scratch made(to.floats() * s.strips());
    for (int phase = 0; phase < 4; ++phase) {
      transform_block(plan, s, w, true, block, phase, 0, s.outer, kernels.data(), slot_step);
      for (int point = 0; point < POINTS; ++point)
        multiply(tiles.at(point), tiles.depth, 0,
                 {plan.at(kernels.data(), slot_step, point, phase, plan.first(phase))}, s.outer,
                 tiles.tiles, products.data() + point * m_step, COLUMNS);
      for (int n = 0; n < s.strips(); ++n)
        transform_outputs(to, products.data() + size_t(n) * s.wide() * COLUMNS, COLUMNS, m_step,
                          s.wide(), phase, made.data() + n * to.floats());
    }
    int first = block * COLUMNS;
    for (int n = 0; n < s.strips(); ++n)
      to.scatter(made.data() + n * to.floats(), n, dx, first, std::min(COLUMNS, s.inner - first));
  });
}

// --- otherwise: by tiles

// y [N, K, h, w] = stride-2 convolution of x [N, C, 2h, 2w] with w [K, C, k, k].
void convolve(ffi::ThreadPool& pool, const Shape& s, const float* x, const float* w, float* y) {
  Plan plan(s.taps, false);
  if (by_blocks(pool, s, plan, s.outer, s.inner, 4))
    return convolve_by_blocks(pool, s, plan, x, w, y);
  Side from(s, true, true), to(s, false, false);
  int blocks = divide_up(s.outer, COLUMNS), across = blocks * COLUMNS;
  size_t slot_step = apart(s.inner * COLUMNS);
  Scratch kernels(blocks * plan.slots * slot_step);
  transform_kernels(pool, plan, s, w, false, kernels.data(), slot_step);
  each_group(pool, s.strips(), strips_to_a_task(s, pool.num_threads()), [&](int first, int strips) {
    Tiles tiles(plan, s, from, 4, first, strips);
    tiles.take_all(x);
    size_t m_step = apart(tiles.room * across);
    Scratch products(m_step * POINTS), strip(to.floats());
    for (int point = 0; point < POINTS; ++point)
      for (int block = 0; block < blocks; ++block) {
        const float* ours = kernels.data() + block * plan.slots * slot_step;
        auto in = [&](int phase) { return plan.at(ours, slot_step, point, phase); };
        multiply(tiles.at(point), tiles.depth, from.depth, {in(0), in(1), in(2), in(3)}, s.inner,
                 tiles.tiles, products.data() + point * m_step + block * COLUMNS, across);
      }
    for (int n = 0; n < strips; ++n) {
      transform_outputs(to, products.data() + size_t(n) * s.wide() * across, across, m_step,
                        s.wide(), 0, strip.data());
      to.scatter(strip.data(), first + n, y);
    }
  });
}

// --- few channels to make: their four phases side by side in V vectors, [phase][channel]

// Transformed kernels: to[point][channel of y][columns], zeros where a phase has no taps at a point.
void transform_side_by_side(const Plan& plan, const Shape& s, const float* w, int columns, int k,
                            float* to, size_t point_step) {
  float phases[POINTS * 4 * COLUMNS];
  transform_kernels_of(plan, s, w, true, 0, -1, k, phases, COLUMNS);
  for (int point = 0; point < POINTS; ++point) {
    float* place = to + point * point_step + size_t(k) * columns;
    std::memset(place, 0, columns * sizeof(float));
    for (int phase = 0; phase < 4; ++phase)
      if (const float* from = plan.at(phases, COLUMNS, point, phase))
        std::memcpy(place + phase * s.inner, from, s.inner * sizeof(float));
  }
}

// A strip [TILE][pixels of dy][columns] into the rows of dx, [TILE][2] of each channel.
void scatter_side_by_side(const Shape& s, const Side& to, const float* made, int strip, float* lines,
                          float* dx) {
  int top = to.first_row(strip), rows = std::min(TILE, s.height - top), width = 2 * s.width;
  float* picture = dx + size_t(strip / s.high()) * s.inner * 2 * s.height * width;
  for (int r = 0; r < rows; ++r) {
    transpose(made + size_t(r) * to.columns * to.depth, to.depth, s.width, 4 * s.inner, lines, s.width);
    for (int c = 0; c < s.inner; ++c)
      for (int half = 0; half < 2; ++half) {
        const float* even = lines + size_t(2 * half * s.inner + c) * s.width;
        const float* odd = even + size_t(s.inner) * s.width;
        float* row = picture + (size_t(c) * 2 * s.height + 2 * (top + r) + half) * width;
        for (int j = 0; j < s.width; ++j) row[2 * j] = even[j], row[2 * j + 1] = odd[j];
      }
  }
}

template <int V>
void deconvolve_few(ffi::ThreadPool& pool, const Shape& s, const Plan& plan, const float* dy,
                    const float* w, float* dx) {
  constexpr int columns = V * LANES;
  Side from(s, false, true), to = Side(s, false, false).of_depth(columns);
  size_t point_step = apart(s.outer * columns);
  Scratch kernels(POINTS * point_step);
  parallel(pool, s.outer, [&](int k) {
    transform_side_by_side(plan, s, w, columns, k, kernels.data(), point_step);
  });
  each_group(pool, s.strips(), strips_to_a_task(s, pool.num_threads()), [&](int first, int strips) {
    Tiles tiles(plan, s, from, 1, first, strips);
    tiles.take_all(dy);
    size_t m_step = apart(tiles.room * columns);
    Scratch products(m_step * POINTS), strip(to.floats()), lines(size_t(columns) * s.width);
    for (int point = 0; point < POINTS; ++point)
      multiply<V>(tiles.at(point), tiles.depth, 0, {kernels.data() + point * point_step}, s.outer,
                  tiles.tiles, products.data() + point * m_step, columns);
    for (int n = 0; n < strips; ++n) {
      transform_outputs(to, products.data() + size_t(n) * s.wide() * columns, columns, m_step, s.wide(),
                        0, strip.data());
      scatter_side_by_side(s, to, strip.data(), first + n, lines.data(), dx);
    }
  });
}

// `deconvolve_few` with as many vectors as the channels need, V or fewer; false: they need more.
template <int V>
bool deconvolve_if_few(ffi::ThreadPool& pool, const Shape& s, const Plan& plan, const float* dy,
                       const float* w, float* dx) {
  if (4 * s.inner > V * LANES) return false;
  if constexpr (V > 1)
    if (deconvolve_if_few<V - 1>(pool, s, plan, dy, w, dx)) return true;
  deconvolve_few<V>(pool, s, plan, dy, w, dx);
  return true;
}

// dx [N, C, 2h, 2w]: the transpose of `convolve`, from dy [N, K, h, w].
void deconvolve(ffi::ThreadPool& pool, const Shape& s, const float* dy, const float* w, float* dx) {
  Plan plan(s.taps, true);
  if (deconvolve_if_few<VECTORS>(pool, s, plan, dy, w, dx)) return;
  if (by_blocks(pool, s, plan, s.inner, s.outer, 1))
    return deconvolve_by_blocks(pool, s, plan, dy, w, dx);
  Side from(s, false, true), to(s, true, false);
  int blocks = divide_up(s.inner, COLUMNS), across = blocks * COLUMNS;
  size_t slot_step = apart(s.outer * COLUMNS);
  Scratch kernels(blocks * plan.slots * slot_step);
  transform_kernels(pool, plan, s, w, true, kernels.data(), slot_step);
  each_group(pool, s.strips(), strips_to_a_task(s, pool.num_threads()), [&](int first, int strips) {
    Tiles tiles(plan, s, from, 1, first, strips);
    tiles.take_all(dy);
    size_t m_step = apart(tiles.room * across);
    Scratch products(m_step * POINTS), made(to.floats() * strips);
    for (int phase = 0; phase < 4; ++phase) {
      for (int point = 0; point < POINTS; ++point)
        for (int block = 0; block < blocks; ++block)
          multiply(tiles.at(point), tiles.depth, 0,
                   {plan.at(kernels.data() + block * plan.slots * slot_step, slot_step, point, phase)},
                   s.outer, tiles.tiles, products.data() + point * m_step + block * COLUMNS, across);
      for (int n = 0; n < strips; ++n)
        transform_outputs(to, products.data() + size_t(n) * s.wide() * across, across, m_step,
                          s.wide(), phase, made.data() + n * to.floats());
    }
    for (int n = 0; n < strips; ++n)
      to.scatter(made.data() + n * to.floats(), first + n, dx);
  });
}

// dw of one channel of x and `count` channels of y, from sums of `slot_step` from slot to slot.
void gather_kernels(const Plan& plan, const Shape& s, const float* sums, size_t slot_step, int c,
                    int first, int count, float* dw) {
  const Kernel& kernel = plan.kernel;
  int taps = s.taps, all = taps * taps;
  for (int k = 0; k < count; k += LANES) {
    Vector made[MAX_TAPS];
    for (int down = 0; down < 2; ++down) {
      Vector half[5][SPAN] = {};
      for (int phase = 2 * down; phase < 2 * down + 2; ++phase)
        for (int p = 0; p < SPAN; ++p) {
          Vector m[SPAN] = {}, w[3];
          for (int q = 0; q < SPAN; ++q)
            if (int slot = plan.slot[p * SPAN + q][phase]; slot >= 0)
              m[q] = load(sums + slot * slot_step + k);
          g_transposed(m, w);
          for (int o = 0; o < 3; ++o)
            if (int j = kernel.at[phase % 2][o]; j >= 0) half[j][p] = w[o];
        }
      for (int j = 0; j < taps; ++j) {
        Vector w[3];
        g_transposed(half[j], w);
        for (int o = 0; o < 3; ++o)
          if (int i = kernel.at[down][o]; i >= 0) made[i * taps + j] = w[o];
      }
    }
    transpose(reinterpret_cast<const float*>(made), LANES, all, std::min(LANES, count - k),
              dw + (size_t(first + k) * s.inner + c) * all, size_t(s.inner) * all);
  }
}

// The transforms of some strips of x and of dy for the weight gradient: at[point][tile][channel].
struct Transforms {
  const Plan& plan;
  const Side &left, &right;
  int wide;                     // tiles in a strip
  size_t depth, across;         // channels of x in all phases, and of dy; whole blocks
  size_t room;                  // tiles
  size_t x_step, dy_step;       // from point to point
  Scratch inputs, gradients;

  Transforms(const Plan& plan, const Shape& s, const Side& left, const Side& right, int strips)
      : plan(plan), left(left), right(right), wide(s.wide()),
        depth(4 * left.depth + LANES),  // ROWS may reach beyond
        across(round_up(s.outer, COLUMNS)), room(size_t(strips) * s.wide()),
        x_step(apart(room * depth)), dy_step(apart(room * across)),
        inputs(x_step * POINTS), gradients(dy_step * POINTS) {}

  // Put the transform of a strip at a place among them.
  void take(const float* x, const float* dy, int strip, int place) {
    Scratch read(std::max(left.floats(), right.floats()));
    size_t first = size_t(place) * wide;
    left.gather(x, strip, read.data());
    transform_strip(plan, left, read.data(), wide, 4, inputs.data() + first * depth, depth, x_step);
    right.gather(dy, strip, read.data());
    for (int tile = 0; tile < wide; ++tile)
      for (int k = 0; k < right.depth; k += LANES)
        transform_gradient(right, read.data() + k, tile,
                           gradients.data() + (first + tile) * across + k, dy_step);
  }

  // sums[slot][channel of x][COLUMNS of dy] = or (more) += the products over the first strips at a point
  // and phase, for so many channels of x from `first` on.
  void multiply(int point, int phase, int block, int first, int channels, int strips, bool more,
                float* sums, size_t slot_step, size_t row_step) const {
    if (plan.slot[point][phase] < 0) return;
    sums += plan.slot[point][phase] * slot_step;
    const float* x = inputs.data() + point * x_step + phase * left.depth + first;
    const float* dy = gradients.data() + point * dy_step + block * COLUMNS;
    for (int c = 0; c < channels; c += ROWS) {
      Block<VECTORS> made;
      if (more) made.read(sums + c * row_step, row_step);
      made.add(x + c, 1, depth, dy, across, strips * wide);
      made.write(sums + c * row_step, row_step);
    }
  }
};

// The weight gradient of few tiles: their transforms once, then the sums of COLUMNS channels of y with
// ROWS_AT_ONCE of x at every slot, which stay in the cache.
constexpr int ROWS_AT_ONCE = 4 * ROWS;

void weight_gradient_by_blocks(ffi::ThreadPool& pool, const Shape& s, const Plan& plan, const float* x,
                               const float* dy, float* dw) {
  Side left(s, true, true), right(s, false, false);
  Transforms transforms(plan, s, left, right, s.strips());
  parallel(pool, s.strips(), [&](int n) { transforms.take(x, dy, n, n); });
  int groups = divide_up(s.inner, ROWS_AT_ONCE), blocks = transforms.across / COLUMNS;
  size_t slot_step = apart(ROWS_AT_ONCE * COLUMNS);
  parallel(pool, groups * blocks, [&](int task) {
    int block = task / groups, first = task % groups * ROWS_AT_ONCE;
    int channels = std::min(ROWS_AT_ONCE, s.inner - first), k = block * COLUMNS;
    Scratch sums(plan.slots * slot_step);
    for (int point = 0; point < POINTS; ++point)
      for (int phase = 0; phase < 4; ++phase)
        transforms.multiply(point, phase, block, first, channels, s.strips(), false, sums.data(),
                            slot_step, COLUMNS);
    for (int c = 0; c < channels; ++c)
      gather_kernels(plan, s, sums.data() + c * COLUMNS, slot_step, first + c, k,
                     std::min(COLUMNS, s.outer - k), dw);
  });
}

// All sums at once, of one part of the strips after another: [slot][channel of x][channel of y].
struct Sums {
  const Shape& s;
  const Plan& plan;
  size_t across, rows, slot_step;

  Sums(const Shape& s, const Plan& plan)
      : s(s), plan(plan), across(round_up(s.outer, COLUMNS)), rows(round_up(s.inner, ROWS)),
        slot_step(apart(rows * across)) {}
  size_t floats() const { return plan.slots * slot_step; }
  int blocks() const { return across / COLUMNS; }

  // Add the products of the first strips at a point, for a block of channels of y; not more: set.
  void add(const Transforms& transforms, int point, int block, int strips, bool more, float* to) const {
    for (int phase = 0; phase < 4; ++phase)
      transforms.multiply(point, phase, block, 0, s.inner, strips, more, to + block * COLUMNS, slot_step,
                          across);
  }
  void gather(ffi::ThreadPool& pool, const float* from, float* dw) const {
    parallel(pool, s.inner, [&](int c) {
      gather_kernels(plan, s, from + c * across, slot_step, c, 0, s.outer, dw);
    });
  }
};

// The weight gradient of small kernels: each of PARTS has sums of its own and few tiles at a time, all
// of which stays in the cache.
constexpr int PARTS = 16, FEW_TILES = 24;
constexpr size_t SMALL = 1 << 17;  // sums

void weight_gradient_by_parts(ffi::ThreadPool& pool, const Shape& s, const Sums& sums, const float* x,
                              const float* dy, float* dw) {
  Side left(s, true, true), right(s, false, false);
  int together = std::max(1, FEW_TILES / s.wide());
  int parts = std::min(PARTS, divide_up(s.strips(), together));
  Scratch made(parts * sums.floats());
  parallel(pool, parts, [&](int part) {
    Transforms transforms(sums.plan, s, left, right, together);
    float* ours = made.data() + part * sums.floats();
    for (int first = part * together; first < s.strips(); first += parts * together) {
      int strips = std::min(together, s.strips() - first);
      for (int n = 0; n < strips; ++n) transforms.take(x, dy, first + n, n);
      for (int point = 0; point < POINTS; ++point)
        for (int block = 0; block < sums.blocks(); ++block)
          sums.add(transforms, point, block, strips, first >= parts * together, ours);
    }
  });
  for (int part = 1; part < parts; ++part)
    for (size_t i = 0; i < sums.floats(); ++i) made.data()[i] += made.data()[part * sums.floats() + i];
  sums.gather(pool, made.data(), dw);
}

// dw [K, C, k, k]: the gradient of `convolve` for its kernels.
void weight_gradient(ffi::ThreadPool& pool, const Shape& s, const float* x, const float* dy,
                     float* dw) {
  Plan plan(s.taps, false);
  Sums sums(s, plan);
  if (sums.floats() <= SMALL) return weight_gradient_by_parts(pool, s, sums, x, dy, dw);
  int together = std::min(s.strips(), divide_up(TILES_TO_A_SUM, s.wide()));
  if (together == s.strips()) return weight_gradient_by_blocks(pool, s, plan, x, dy, dw);
  Side left(s, true, true), right(s, false, false);
  Transforms transforms(plan, s, left, right, together);
  Scratch made(sums.floats());
  for (int first = 0; first < s.strips(); first += together) {
    int strips = std::min(together, s.strips() - first);
    parallel(pool, strips, [&](int n) { transforms.take(x, dy, first + n, n); });
    parallel(pool, POINTS * sums.blocks(), [&](int task) {
      sums.add(transforms, task / sums.blocks(), task % sums.blocks(), strips, first > 0, made.data());
    });
  }
  sums.gather(pool, made.data(), dw);
}

}  // namespace winograd
}  // namespace
