// Random chains of layers: a step of many rows, whose states lie anywhere, must be the bits of each
// row alone, layer by layer, and must leave all other memory as it was.

#include <functional>
#include <utility>

#include "chain.h"

namespace {

using Row = std::vector<float>;


// A layer, what it borrows, and how it runs for one row and that row's state, which it changes.
struct Own {
  Layer layer;
  size_t state = 0;
  std::function<Row(const Row& x, float* state)> alone;
  std::vector<std::shared_ptr<void>> borrowed;

  template <class T>
  T* keep(std::shared_ptr<T> owned) {
    borrowed.push_back(owned);
    return owned.get();
  }

  float* drawn(size_t count) {
    std::shared_ptr<float[]> owned(numbers(count));
    borrowed.push_back(owned);
    return owned.get();
  }
};

Own linear(size_t inputs) {
  Own own;
  const size_t outputs = draw(1, 40), lanes = TABLE.lanes;
  const float *weight = own.drawn(outputs * inputs), *bias = own.drawn(outputs);
  auto* packed = own.keep(std::make_shared<Aligned>(packed_size(product_blocks(outputs, lanes), inputs, lanes) * sizeof(float)));
  pack_product(weight, bias, inputs, outputs, lanes, (float*)packed->data);
  const Packed<float> weights{(float*)packed->data, product_blocks(outputs, lanes), inputs, Stored::full, nullptr, last_vectors(outputs, lanes)};
  const Product<float> product{weights, inputs, outputs, Activation(draw(0, 2)), nullptr, nullptr};
  own.layer = {&TABLE, inputs, outputs, product};
  own.alone = [product, outputs](const Row& x, float*) {
    Row y(outputs);
    Product<float> call = product;
    call.x = x.data();
    call.y = y.data();
    TABLE.product(call, 0, 1);
    return y;
  };
  return own;
}

Own norm(size_t size) {
  Own own;
  const Norm<float> norm{size, 1e-5f, own.drawn(size), own.drawn(size), nullptr, nullptr};
  own.layer = {&TABLE, size, size, norm};
  own.alone = [norm, size](const Row& x, float*) {
    Row y(size);
    Norm<float> call = norm;
    call.x = x.data();
    call.y = y.data();
    TABLE.normalise(call, 0, 1);
    double mean = 0, variance = 0;
    for (const double value : x) mean += value / double(size);
    for (const double value : x) variance += (value - mean) * (value - mean) / double(size);
    for (size_t i = 0; i < size; ++i) {
      expect("norm", y[i], (x[i] - mean) / sqrt(variance + 1e-5) * norm.weight[i] + norm.bias[i], 1e-3);
    }
    return y;
  };
  return own;
}

Own frames(size_t inputs) {
  Own own;
  const size_t kept = draw(0, 3), outputs = inputs * (kept + 1);
  own.layer = {&TABLE, inputs, outputs, Frames{kept}};
  own.state = kept * inputs;
  own.alone = [kept, inputs](const Row& x, float* state) {
    Row y(state, state + kept * inputs);
    y.insert(y.end(), x.begin(), x.end());
    std::copy(y.begin() + inputs, y.end(), state);
    return y;
  };
  return own;
}

Own cell(size_t I) {
  Own own;
  const size_t H = draw(1, 40), lanes = TABLE.lanes;
  const bool projects = draw(0, 2) == 0, departs = draw(0, 1);
  const size_t P = projects ? draw(1, H) : H;
  auto* varied = own.keep(std::make_shared<Varied>(1, H, P));
  varied->v.draws = false;
  varied->v.keep_h = varied->v.keep_g = nullptr;
  auto* packed = own.keep(std::make_shared<Aligned>(packed_size(cell_blocks(H, lanes), I + P, lanes) * sizeof(float)));
  pack_cell(own.drawn(4 * H * I), own.drawn(4 * H * P), own.drawn(4 * H), I, H, P, lanes, (float*)packed->data);
  auto* projection = own.keep(std::make_shared<Aligned>(packed_size(product_blocks(P, lanes), H, lanes) * sizeof(float)));
  pack_product<float>(own.drawn(P * H), nullptr, H, P, lanes, (float*)projection->data);
  Cell cell{{(float*)packed->data, cell_blocks(H, lanes), I + P}, {}, I, H, P, departs, varied->v};
  if (projects) cell.projection = {(float*)projection->data, product_blocks(P, lanes), H, Stored::full, nullptr, last_vectors(P, lanes)};
  const Stored stored = Stored(draw(0, 2));
  own.keep(std::make_shared<Narrow>(cell.weights, stored, I, lanes));
  own.keep(std::make_shared<Narrow>(cell.projection, stored, H, lanes));
  own.layer = {&TABLE, I, P, cell};
  own.state = P + H;
  own.alone = [cell, I, H, P](const Row& x, float* state) {
    Row y(P), h(P), c(H);
    Forward<float> call{};
    call.weights = cell.weights;
    call.projection = cell.projection;
    call.shape = {1, 1, I, H, P, false, nullptr, nullptr, nullptr, nullptr};
    call.x = x.data();
    call.h0 = state;
    call.c0 = state + P;
    call.y = y.data();
    call.y_stride = P;
    call.h = h.data();
    call.c = c.data();
    call.variant = cell.varied ? &cell.variant : nullptr;
    Aligned workspace(TABLE.forward_bytes(call, 1));
    const size_t row = 0;
    TABLE.forward(call, Rows{&row, 1}, workspace.data, alone);
    std::copy(h.begin(), h.end(), state);
    std::copy(c.begin(), c.end(), state + P);
    return y;
  };
  return own;
}

void chain_once() {
  const size_t count = draw(0, 1) ? draw(1, 9) : draw(0, 39) ? 1 : 700;
  const bool has_table = draw(0, 2) == 0;
  size_t size = draw(1, 12);
  const size_t inputs = size, vectors = draw(1, 5);
  const auto table = numbers(vectors * size);
  Chain chain;
  std::vector<Own> layers;
  if (has_table) chain.add({&TABLE, 0, size, Table{table.get(), vectors}});
  for (size_t left = count > 100 ? 1 : draw(1, 4); left > 0; --left) {
    const size_t kind = count > 100 ? 3 : draw(0, 4);
    layers.push_back(kind == 0 ? linear(size) : kind == 1 ? norm(size) : kind == 2 ? frames(size) : cell(size));
    size = layers.back().layer.outputs;
    chain.add(layers.back().layer);
  }
  const size_t S = chain.state_size(), stride = S + draw(0, 3), places = count + draw(0, 5);
  auto states = numbers(places * stride);
  Row expected(states.get(), states.get() + places * stride);
  std::vector<int64_t> order(places);
  std::iota(order.begin(), order.end(), int64_t{0});
  const bool anywhere = draw(0, 1);
  if (anywhere) std::shuffle(order.begin(), order.end(), generator);
  std::unique_ptr<int64_t[]> rows(new int64_t[count]), tokens(new int64_t[count]);
  std::copy(order.begin(), order.begin() + count, rows.get());
  for (size_t row = 0; row < count; ++row) tokens[row] = static_cast<int64_t>(draw(0, vectors - 1));
  const auto x = numbers(count * inputs);
  auto y = numbers(count * size, false);
  std::vector<Piece> pieces;
  float* at = states.get();
  for (const size_t width : chain.widths()) {
    pieces.push_back({at, stride});
    at += width;
  }
  chain.step({count, has_table ? nullptr : x.get(), has_table ? tokens.get() : nullptr, y.get(), pieces.data(),
              anywhere ? rows.get() : nullptr}, static_cast<int>(draw(1, 3)));
  for (size_t row = 0; row < count; ++row) {
    const float* from = has_table ? table.get() + tokens[row] * inputs : x.get() + row * inputs;
    Row now(from, from + inputs);
    float* state = expected.data() + rows[row] * stride;
    for (const Own& own : layers) {
      now = own.alone(now, state);
      state += own.state;
    }
    for (size_t k = 0; k < size; ++k) expect("chain", y[row * size + k], now[k], 0);
  }
  for (size_t i = 0; i < expected.size(); ++i) expect("state", states[i], expected[i], 0);
}

}  // namespace
