// Random calls of the kernels in arrays of exactly the stated size, for the sanitizers to watch,
// held against the equations written out in double precision.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "lstm.h"

#define JOIN_NOW(a, b) a##b
#define JOIN(a, b) JOIN_NOW(a, b)
#define TABLE JOIN(JOIN(kernels_, CELLSTATE_ISA), JOIN(_, CELLSTATE_REAL))

namespace cellstate {
extern const Kernels<CELLSTATE_REAL> TABLE;
}

namespace {

using namespace cellstate;
using Real = CELLSTATE_REAL;
using Numbers = std::vector<Real>;

std::mt19937 generator;

size_t draw(size_t least, size_t most) {
  return std::uniform_int_distribution<size_t>(least, most)(generator);
}

// On the heap, without room to spare, so that a step outside is seen.
std::unique_ptr<Real[]> numbers(size_t count, bool drawn = true) {
  std::unique_ptr<Real[]> out(new Real[count]);
  std::normal_distribution<Real> normal;
  for (size_t i = 0; i < count; ++i) out[i] = drawn ? normal(generator) : Real(NAN);
  return out;
}

struct Aligned {
  explicit Aligned(size_t bytes)
      : data(aligned_alloc(alignment, std::max<size_t>(1, (bytes + alignment - 1) / alignment) * alignment)) {}
  ~Aligned() { free(data); }
  void* data;
};

// Packed weights stored anew, where they are to be.
struct Narrow {
  Narrow(Packed<Real>& packed, Stored stored, size_t of_x, size_t lanes)
      : numbers(narrow_numbers(packed.count, lanes) * sizeof(Real)),
        weights(narrow_bytes(stored, packed.count, packed.terms, lanes)) {
    if (stored == Stored::full) return;
    narrow((const float*)packed.blocks, stored, packed.count, packed.terms, of_x, lanes,
           (float*)numbers.data, weights.data);
    packed = {(Real*)numbers.data, packed.count, packed.terms, stored, weights.data, packed.last_vectors};
  }
  Aligned numbers, weights;
};

double sigmoid(double x) { return 1 / (1 + exp(-x)); }

void fail(const char* what, double found, double expected) {
  printf("%s: %.17g instead of %.17g\n", what, found, expected);
  exit(1);
}

void expect(const char* what, double found, double expected, double tolerance) {
  if (!(fabs(found - expected) <= tolerance * (1 + fabs(expected)))) fail(what, found, expected);
}

// Rounds weights (rows, count) as narrow ones are stored, each row with a scale of its own.
void round_rows(Real* weights, size_t rows, size_t count, Stored stored) {
  for (size_t row = 0; row < rows; ++row, weights += count) {
    double most = 0;
    for (size_t k = 0; k < count; ++k) most = std::max(most, fabs(double(weights[k])));
    int exponent;
    const double fraction = frexp(double(float(most / 127)), &exponent);
    const double scale = ldexp(floor(ldexp(fraction, 17)), exponent - 17);
    for (size_t k = 0; k < count; ++k) {
      const double unit = weights[k] == 0 ? 0 : stored == Stored::int8 ? scale : ldexp(1, ilogb(weights[k]) - 7);
      if (unit > 0) weights[k] = Real(nearbyint(double(float(weights[k] / Real(unit)))) * unit);
    }
  }
}

// A cell's departures (7) to (14) of cellstate.ops.variant, in arrays of exactly their size.
struct Varied {
  Variant<Real> v{};
  std::unique_ptr<Real[]> peephole, keep_h, keep_g, norm_ih, norm_hh, norm_c, norm_c_bias;

  Varied(size_t B, size_t H, size_t P) {
    v.coupled = draw(0, 1);
    v.hard_gates = draw(0, 1);
    v.clip = draw(0, 1) ? Real(0.5) : Real(0);
    v.zoneout_c = draw(0, 1) ? 0.3 : 0;
    v.zoneout_h = draw(0, 1) ? 0.2 : 0;
    v.draws = draw(0, 1);
    v.key = static_cast<uint32_t>(generator());
    v.first_step = draw(0, 1000);
    const size_t none = v.coupled ? H : 0;  // gates that have no weights of their own
    if (draw(0, 1)) v.peephole = (peephole = around(3 * H, none)).get();
    if (draw(0, 2) == 0) v.keep_h = (keep_h = kept(B * P)).get();
    if (draw(0, 2) == 0) v.keep_g = (keep_g = kept(B * H)).get();
    if (draw(0, 1)) return;
    v.norm_ih = (norm_ih = around(4 * H, none)).get();
    v.norm_hh = (norm_hh = around(4 * H, none)).get();
    v.norm_c = (norm_c = around(H, 0)).get();
    v.norm_c_bias = (norm_c_bias = around(H, 0)).get();
  }

  // Zeros, then numbers.
  static std::unique_ptr<Real[]> around(size_t count, size_t zeros) {
    auto out = numbers(count);
    for (size_t i = 0; i < count; ++i) out[i] = i < zeros ? 0 : out[i] / 2;
    return out;
  }

  // A dropout mask.
  static std::unique_ptr<Real[]> kept(size_t count) {
    auto out = numbers(count);
    for (size_t i = 0; i < count; ++i) out[i] = draw(0, 3) ? Real(4) / 3 : 0;
    return out;
  }

  double gate(double a, bool departs) const {
    return departs && v.hard_gates ? std::min(std::max(a / 6 + 0.5, 0.0), 1.0) : sigmoid(a);
  }

  // The share of the old value in the new one: the second of the two numbers at a place, or the first.
  double zone(double rate, uint32_t stream, size_t t, size_t place, bool second) const {
    if (!v.draws) return rate;
    uint32_t left = static_cast<uint32_t>(place), key = v.key;
    uint32_t right = static_cast<uint32_t>(v.first_step + t) | stream << 28;
    for (int round = 0; round < 10; ++round) {
      const uint64_t product = uint64_t{left} * 0xD256D193u;
      left = static_cast<uint32_t>(product >> 32) ^ key ^ right;
      right = static_cast<uint32_t>(product);
      key += 0x9E3779B9u;
    }
    return (second ? right : left) < static_cast<uint32_t>(rate * 4294967296.0) ? 1 : 0;
  }
};

void normalise(double* values, size_t count) {
  double mean = 0, variance = 0;
  for (size_t i = 0; i < count; ++i) mean += values[i] / double(count);
  for (size_t i = 0; i < count; ++i) variance += (values[i] - mean) * (values[i] - mean) / double(count);
  for (size_t i = 0; i < count; ++i) values[i] = (values[i] - mean) / sqrt(variance + 1e-5);
}

void expect_finite(const char* what, const std::unique_ptr<Real[]>& values, size_t count) {
  for (size_t i = 0; i < count; ++i) if (!isfinite(values[i])) fail(what, values[i], 0);
}

void once() {
  const Kernels<Real>& kernels = TABLE;
  const size_t T = draw(0, 9), B = draw(0, 9), I = draw(1, 40), H = draw(1, 70), lanes = kernels.lanes;
  const bool projects = draw(0, 2) == 0, ragged = draw(0, 1), anew = draw(0, 1), reverse = draw(0, 1);
  const size_t P = projects ? draw(1, H) : H, stride = P + draw(0, 5);
  const auto scale = [&](std::unique_ptr<Real[]>& values, size_t count) {
    for (size_t i = 0; i < count; ++i) values[i] /= static_cast<Real>(sqrt(double(I + P)));
  };
  auto weight_ih = numbers(4 * H * I), weight_hh = numbers(4 * H * P), bias = numbers(4 * H);
  auto weight_hr = numbers(P * H);
  scale(weight_ih, 4 * H * I);
  scale(weight_hh, 4 * H * P);
  scale(weight_hr, P * H);
  auto x = numbers(T * B * I), h0 = numbers(B * P), c0 = numbers(B * H);
  auto start_h = numbers(P), start_c = numbers(H);
  std::vector<int64_t> lengths(B, static_cast<int64_t>(T));
  std::vector<uint8_t> reset(T * B);
  if (ragged) for (auto& length : lengths) length = static_cast<int64_t>(draw(0, T));
  for (auto& mark : reset) mark = draw(0, 3) == 0;
  std::vector<size_t> order(B);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });

  const Varied varied(B, H, P);
  const bool departs = draw(0, 1), normed = departs && varied.v.norm_hh;
  const Variant<Real> v = departs ? varied.v : Variant<Real>{};
  if (v.coupled) {  // the input gate has no weights
    std::fill_n(weight_ih.get(), H * I, Real(0));
    std::fill_n(weight_hh.get(), H * P, Real(0));
    std::fill_n(bias.get(), H, Real(0));
  }
  const Stored stored = sizeof(Real) == 4 ? Stored(draw(0, 2)) : Stored::full;
  if (stored != Stored::full) {  // what the equations see; what is packed rounds to the same
    round_rows(weight_ih.get(), 4 * H, I, stored);
    round_rows(weight_hh.get(), 4 * H, P, stored);
    round_rows(weight_hr.get(), P, H, stored);
  }
  Aligned packed(packed_size(cell_blocks(H, lanes), I + P, lanes) * sizeof(Real));
  pack_cell(weight_ih.get(), weight_hh.get(), bias.get(), I, H, P, lanes, (Real*)packed.data);
  Aligned projection(packed_size(product_blocks(P, lanes), H, lanes) * sizeof(Real));
  pack_product<Real>(weight_hr.get(), nullptr, H, P, lanes, (Real*)projection.data);

  auto y = numbers(T * B * stride, false), h = numbers(B * P, false), c = numbers(B * H, false);
  auto gates = numbers(T * B * 4 * H, false), cells = numbers(T * B * H, false);
  Forward<Real> call{};
  call.weights = {(Real*)packed.data, cell_blocks(H, lanes), I + P};
  if (projects) call.projection = {(Real*)projection.data, product_blocks(P, lanes), H, Stored::full, nullptr, last_vectors(P, lanes)};
  Narrow narrow_weights(call.weights, stored, I, lanes);
  Narrow narrow_projection(call.projection, stored, H, lanes);
  call.shape = {T, B, I, H, P, reverse, ragged ? lengths.data() : nullptr,
                anew ? reset.data() : nullptr, start_h.get(), start_c.get()};
  call.x = x.get();
  call.h0 = h0.get();
  call.c0 = c0.get();
  // Or h and c of each row side by side, anywhere, changed in place.
  const bool spread = draw(0, 1);
  const size_t apart = P + H + draw(0, 3);
  auto states = numbers(spread ? (B + 2) * apart : 0);
  std::vector<int64_t> places(B + 2);
  std::iota(places.begin(), places.end(), int64_t{0});
  std::shuffle(places.begin(), places.end(), generator);
  for (size_t b = 0; spread && b < B; ++b) {
    std::copy_n(h0.get() + b * P, P, states.get() + places[b] * apart);
    std::copy_n(c0.get() + b * H, H, states.get() + places[b] * apart + P);
  }
  const Numbers around(states.get(), states.get() + (spread ? (B + 2) * apart : 0));
  call.y = y.get();
  call.y_stride = stride;
  call.h = h.get();
  call.c = c.get();
  call.gates = gates.get();
  call.cells = cells.get();
  auto normal_sums = numbers(normed ? T * B * 8 * H : 0, false), stats = numbers(normed ? T * B * 4 : 0, false);
  if (spread) {
    call.h0 = call.h = states.get();
    call.c0 = call.c = states.get() + P;
    call.spread = {apart, apart, places.data()};
  }
  if (departs) call.variant = &v;
  if (normed) call.normed = normal_sums.get(), call.stats = stats.get();
  Aligned workspace(kernels.forward_bytes(call, B));
  kernels.forward(call, Rows{order.data(), B}, workspace.data, alone);
  for (size_t b = 0; spread && b < B; ++b) {
    std::copy_n(states.get() + places[b] * apart, P, h.get() + b * P);
    std::copy_n(states.get() + places[b] * apart + P, H, c.get() + b * H);
  }
  for (size_t place = 0; spread && place < B + 2; ++place) {
    const bool taken = std::find(places.begin(), places.begin() + B, place) != places.begin() + B;
    for (size_t i = taken ? P + H : 0; i < apart; ++i) {
      expect("around", states[place * apart + i], around[place * apart + i], 0);
    }
  }

  // Normalising brings out the rounding of numbers that are nearly equal.
  const double tolerance = (sizeof(Real) == 4 ? 2e-4 : 1e-12) * (normed ? 10 : 1);
  for (size_t b = 0; b < B; ++b) {
    std::vector<double> hs(h0.get() + b * P, h0.get() + (b + 1) * P);
    std::vector<double> cs(c0.get() + b * H, c0.get() + (b + 1) * H);
    const size_t length = static_cast<size_t>(lengths[b]);
    for (size_t s = 0; s < length; ++s) {
      const size_t t = reverse ? length - 1 - s : s, place = t * B + b;
      if (anew && reset[place]) {
        hs.assign(start_h.get(), start_h.get() + P);
        cs.assign(start_c.get(), start_c.get() + H);
      }
      std::vector<double> of_x(4 * H), of_h(4 * H), inner(H), shown(H), o(H);
      for (size_t row = 0; row < 4 * H; ++row) {
        for (size_t k = 0; k < I; ++k) of_x[row] += double(weight_ih[row * I + k]) * x[place * I + k];
        for (size_t k = 0; k < P; ++k) {
          of_h[row] += double(weight_hh[row * P + k]) * hs[k] * (v.keep_h ? v.keep_h[b * P + k] : 1);
        }
      }
      const size_t first = v.coupled ? H : 0;
      if (normed) normalise(of_x.data() + first, 4 * H - first), normalise(of_h.data() + first, 4 * H - first);
      for (size_t u = 0; u < H; ++u) {
        double a[4];
        for (size_t gate = 0; gate < 4; ++gate) {
          const size_t row = gate * H + u;
          a[gate] = bias[row] + (normed ? v.norm_ih[row] : 1) * of_x[row] + (normed ? v.norm_hh[row] : 1) * of_h[row];
        }
        const auto peep = [&](size_t gate) { return v.peephole ? double(v.peephole[gate * H + u]) : 0; };
        const double f = varied.gate(a[1] + peep(1) * cs[u], departs);
        const double i = v.coupled ? 1 - f : varied.gate(a[0] + peep(0) * cs[u], departs), g = tanh(a[2]);
        double fresh = f * cs[u] + i * g * (v.keep_g ? v.keep_g[b * H + u] : 1);
        if (v.clip != 0) fresh = std::min(std::max(fresh, -double(v.clip)), double(v.clip));
        o[u] = varied.gate(a[3] + peep(2) * fresh, departs);
        const double found[4] = {i, f, g, o[u]};
        for (size_t gate = 0; gate < 4; ++gate) {
          expect("gate", gates[place * 4 * H + gate * H + u], found[gate], tolerance);
        }
        shown[u] = fresh;
        const double share = departs ? varied.zone(v.zoneout_c, 0, t, b * H + u, false) : 0;
        cs[u] = share * cs[u] + (1 - share) * fresh;
        expect("c", cells[place * H + u], cs[u], tolerance);
      }
      if (normed) normalise(shown.data(), H);
      for (size_t u = 0; u < H; ++u) {
        if (normed) shown[u] = v.norm_c[u] * shown[u] + v.norm_c_bias[u];
        inner[u] = o[u] * tanh(shown[u]);
      }
      for (size_t p = 0; p < P; ++p) {
        double fresh = projects ? 0 : inner[p];
        for (size_t u = 0; projects && u < H; ++u) fresh += double(weight_hr[p * H + u]) * inner[u];
        const double share = departs ? varied.zone(v.zoneout_h, projects ? 4 : 0, t, b * P + p, true) : 0;
        hs[p] = share * hs[p] + (1 - share) * fresh;
        expect("y", y[place * stride + p], hs[p], tolerance);
      }
    }
    for (size_t t = length; t < T; ++t) {
      for (size_t p = 0; p < P; ++p) expect("padding", y[(t * B + b) * stride + p], 0, 0);
    }
    for (size_t p = 0; p < P; ++p) expect("h_n", h[b * P + p], hs[p], tolerance);
    for (size_t u = 0; u < H; ++u) expect("c_n", c[b * H + u], cs[u], tolerance);
  }

  // The gradient's numbers are held to autograd's elsewhere; here its memory is watched.
  Aligned recurrent(packed_size(product_blocks(P, lanes), 4 * H, lanes) * sizeof(Real));
  pack_transposed(weight_hh.get(), 4 * H, P, lanes, (Real*)recurrent.data);
  Aligned inward(packed_size(product_blocks(H, lanes), P, lanes) * sizeof(Real));
  pack_transposed(weight_hr.get(), P, H, lanes, (Real*)inward.data);
  auto dy = numbers(T * B * stride), dh_n = numbers(B * P), dc_n = numbers(B * H);
  auto dgates = numbers(T * B * 4 * H), dcells = numbers(T * B * H);
  auto dsums = numbers(T * B * 4 * H, false), dh = numbers(T * B * P, false);
  auto dh0 = numbers(B * P, false), dc0 = numbers(B * H, false);
  auto dstart_h = numbers(B * P, false), dstart_c = numbers(B * H, false);
  const Numbers zeros(std::max(4 * H, P));
  Backward<Real> back{};
  back.recurrent = {(Real*)recurrent.data, product_blocks(P, lanes), 4 * H, Stored::full, nullptr, last_vectors(P, lanes)};
  if (projects) back.projection = {(Real*)inward.data, product_blocks(H, lanes), P, Stored::full, nullptr, last_vectors(H, lanes)};
  back.shape = call.shape;
  back.c0 = c0.get();
  back.gates = gates.get();
  back.cells = cells.get();
  back.dy = dy.get();
  back.dy_stride = stride;
  back.dh_n = dh_n.get();
  back.dc_n = dc_n.get();
  back.dgates = draw(0, 1) ? dgates.get() : nullptr;
  back.dcells = draw(0, 1) ? dcells.get() : nullptr;
  back.zeros = zeros.data();
  back.dsums = dsums.get();
  back.dh = projects ? dh.get() : nullptr;
  back.dh0 = dh0.get();
  back.dc0 = dc0.get();
  back.dstart_h = anew ? dstart_h.get() : nullptr;
  back.dstart_c = anew ? dstart_c.get() : nullptr;
  const size_t of_norm = normed ? 1 : 0, of_peephole = v.peephole ? 1 : 0;
  auto inner = numbers(departs && projects ? T * B * H : 0, false);
  auto dpeephole = numbers(of_peephole * B * 3 * H, false), dinputs = numbers(of_norm * T * B * 4 * H, false);
  auto dgates_norm = numbers(of_norm * B * 12 * H, false), dcells_norm = numbers(of_norm * B * 2 * H, false);
  back.variant = call.variant;
  back.inner = departs && projects ? inner.get() : nullptr;
  back.dpeephole = v.peephole ? dpeephole.get() : nullptr;
  if (normed) {
    back.normed = normal_sums.get();
    back.stats = stats.get();
    back.dinputs = dinputs.get();
    back.dgates_norm = dgates_norm.get();
    back.dcells_norm = dcells_norm.get();
  }
  Aligned space(kernels.backward_bytes(back, B));
  kernels.backward(back, Rows{order.data(), B}, space.data, alone);
  expect_finite("dsums", dsums, T * B * 4 * H);
  expect_finite("dh0", dh0, B * P);
  expect_finite("dc0", dc0, B * H);
  expect_finite("inner", inner, departs && projects ? T * B * H : 0);
  expect_finite("dpeephole", dpeephole, of_peephole * B * 3 * H);
  expect_finite("dinputs", dinputs, of_norm * T * B * 4 * H);
  expect_finite("dgates_norm", dgates_norm, of_norm * B * 12 * H);
  expect_finite("dcells_norm", dcells_norm, of_norm * B * 2 * H);

  const size_t K = draw(0, 300), M = draw(1, 300), N = draw(1, 150), b_stride = N + draw(0, 3);
  auto a = numbers(K * M), b = numbers(K * b_stride), product = numbers(M * N), sums = numbers(M);
  const Numbers before(product.get(), product.get() + M * N), sums_before(sums.get(), sums.get() + M);
  const size_t middle = draw(0, M);
  const Accumulate<Real> add{K, M, N, a.get(), b.get(), b_stride, product.get(), sums.get()};
  kernels.accumulate(add, 0, middle);
  kernels.accumulate(add, middle, M);
  for (size_t m = 0; m < M; ++m) {
    double total = sums_before[m];
    for (size_t k = 0; k < K; ++k) total += a[k * M + m];
    expect("sums", sums[m], total, 20 * tolerance);
    for (size_t n = 0; n < N; ++n) {
      double sum = before[m * N + n];
      for (size_t k = 0; k < K; ++k) sum += double(a[k * M + m]) * b[k * b_stride + n];
      expect("product", product[m * N + n], sum, 20 * tolerance);
    }
  }
}

}  // namespace

#if CELLSTATE_CHAINS
#include "fuzz_chain.h"
#endif

int main(int count, char** arguments) {
  const int rounds = count > 1 ? atoi(arguments[1]) : 100;
  for (int round = 0; round < rounds; ++round) {
    generator.seed(static_cast<unsigned>(round));
    once();
#if CELLSTATE_CHAINS
    if (round % 2 == 0) chain_once();
#endif
  }
  printf("%d rounds\n", rounds);
}
