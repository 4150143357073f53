#include "chain.h"

#include <string.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <utility>

#include "run.h"

namespace cellstate {

// Memory of calls that have ended, so that none asks for its pages anew.
class Workspaces {
 public:
  Aligned take(size_t bytes) {
    const std::lock_guard<std::mutex> lock(guard_);
    while (!free_.empty()) {
      Aligned last = std::move(free_.back());
      free_.pop_back();
      if (last.bytes() >= bytes) return last;
    }
    return Aligned(bytes);
  }

  void give_back(Aligned space) {
    const std::lock_guard<std::mutex> lock(guard_);
    free_.push_back(std::move(space));
  }

 private:
  std::mutex guard_;
  std::vector<Aligned> free_;
};

namespace {

constexpr size_t near_bytes = 1 << 19;  // what rows that go together have in states and in between
constexpr size_t fewest_together = 48, most_together = 512;
constexpr size_t cache_line = 64;

size_t padded(size_t bytes) { return divide_up(bytes, alignment) * alignment; }

// Some rows of a call on their way through one layer.
struct Pass {
  const Layer& layer;
  const ChainStep& call;
  size_t first, count;    // rows
  const float* x;         // (count, inputs)
  float* y;               // (count, outputs)
  const size_t* order;    // 0 … count - 1
  void* workspace;        // of the layer's kernel
  int threads;            // more than one share a layer's units, with workspaces of their own

  float* piece(size_t number, size_t row) const {
    const Piece& piece = call.pieces[layer.first_piece + number];
    const size_t at = first + row;
    return piece.first + (call.places ? static_cast<size_t>(call.places[at]) : at) * piece.stride;
  }

  Forward<float> forward(const Cell& cell) const {
    const Piece *h = call.pieces + layer.first_piece, *c = h + 1;
    const size_t before = call.places ? 0 : first;  // places
    Forward<float> out{};
    out.weights = cell.weights;
    out.projection = cell.projection;
    out.shape = {1, count, cell.input_size, cell.hidden_size, cell.output_size,
                 false, nullptr, nullptr, nullptr, nullptr};
    out.x = x;
    out.h0 = out.h = h->first + before * h->stride;
    out.c0 = out.c = c->first + before * c->stride;
    out.y = y;
    out.y_stride = layer.outputs;
    out.variant = cell.varied ? &cell.variant : nullptr;
    out.spread = {h->stride, c->stride, call.places ? call.places + first : nullptr};
    return out;
  }

  void run() const {
    std::visit(*this, layer.what);
  }

  void operator()(const Cell& cell) const {
    const Forward<float> steps = forward(cell);
    if (threads > 1) return run_rows(steps, threads, layer.kernels->forward_bytes, layer.kernels->forward);
    layer.kernels->forward(steps, Rows{order, count}, workspace, alone);
  }

  void operator()(Product<float> product) const {
    product.x = x;
    product.y = y;
    run_product(*layer.kernels, product, count, threads);
  }

  void operator()(Norm<float> norm) const {
    norm.x = x;
    norm.y = y;
    layer.kernels->normalise(norm, 0, count);
  }

  void operator()(const Table& table) const {
    for (size_t row = 0; row < count; ++row) {
      const size_t number = static_cast<size_t>(call.numbers[first + row]);
      memcpy(y + row * layer.outputs, table.vectors + number * layer.outputs, layer.outputs * sizeof(float));
    }
  }

  void operator()(const Frames& frames) const {
    const size_t size = layer.inputs, bytes = size * sizeof(float);
    for (size_t row = 0; row < count; ++row) {
      float* all = y + row * layer.outputs;
      for (size_t k = 0; k < frames.kept; ++k) memcpy(all + k * size, piece(k, row), bytes);
      memcpy(all + frames.kept * size, x + row * size, bytes);
      for (size_t k = 0; k < frames.kept; ++k) memcpy(piece(k, row), all + (k + 1) * size, bytes);
    }
  }
};

double multiplications_of(const Layer& layer) {
  if (const auto* cell = std::get_if<Cell>(&layer.what)) {
    return 4.0 * static_cast<double>(cell->hidden_size) * static_cast<double>(cell->input_size + cell->output_size);
  }
  const bool is_product = std::holds_alternative<Product<float>>(layer.what);
  return is_product ? static_cast<double>(layer.inputs) * static_cast<double>(layer.outputs) : 0;
}

}  // namespace

Chain::Chain() : workspaces_(new Workspaces) {}
Chain::Chain(Chain&&) noexcept = default;
Chain::~Chain() = default;

void Chain::add(Layer layer) {
  layer.first_piece = widths_.size();
  if (const auto* cell = std::get_if<Cell>(&layer.what)) {
    widths_.insert(widths_.end(), {cell->output_size, cell->hidden_size});
  } else if (const auto* frames = std::get_if<Frames>(&layer.what)) {
    widths_.insert(widths_.end(), frames->kept, layer.inputs);
  }
  state_size_ = std::accumulate(widths_.begin(), widths_.end(), size_t{0});
  between_ = std::max(between_, outputs());
  multiplications_ += multiplications_of(layer);
  layers_.push_back(std::move(layer));
}

const Table* Chain::table() const {
  return layers_.empty() ? nullptr : std::get_if<Table>(&layers_.front().what);
}

// As many as leave what they need in a near cache, from one layer to the next.
size_t Chain::rows_together() const {
  const size_t of_row = (state_size_ + 2 * between_ + inputs() + outputs()) * sizeof(float);
  return std::clamp(near_bytes / (of_row + 1), fewest_together, most_together);
}

// What so many rows need at once: their order, what goes from layer to layer, a kernel's workspace.
Chain::Space Chain::space_for(const ChainStep& call, size_t rows) const {
  Space space{padded(rows * sizeof(size_t)), padded(rows * between_ * sizeof(float)), 0};
  for (const Layer& layer : layers_) {
    if (const auto* cell = std::get_if<Cell>(&layer.what)) {
      const Pass pass{layer, call, 0, rows, nullptr, nullptr, nullptr, nullptr, 1};
      space.kernel = std::max(space.kernel, layer.kernels->forward_bytes(pass.forward(*cell), rows));
    }
  }
  return space;
}

// States that come from anywhere are asked for all at once: one after the other, each would be
// waited for.
void Chain::fetch(const ChainStep& call, size_t first, size_t last) const {
  __asm__ volatile("");  // a function that only prefetches has no effect, for all a compiler knows
  for (size_t row = first; row < last; ++row) {
    const size_t place = static_cast<size_t>(call.places[row]);
    for (size_t piece = 0; piece < widths_.size(); ++piece) {
      const auto* from = reinterpret_cast<const char*>(call.pieces[piece].first + place * call.pieces[piece].stride);
      const size_t bytes = widths_[piece] * sizeof(float);
      for (size_t at = 0; at < bytes; at += cache_line) __builtin_prefetch(from + at, 1, 2);
      __builtin_prefetch(from + bytes - 1, 1, 2);
    }
  }
}

void Chain::run(const ChainStep& call, size_t first, size_t last, const Space& space, void* memory, int threads) const {
  auto* order = static_cast<size_t*>(memory);
  char* const after = static_cast<char*>(memory) + space.order;
  float* const between[] = {reinterpret_cast<float*>(after), reinterpret_cast<float*>(after + space.between)};
  void* const kernel = after + 2 * space.between;
  const size_t rows = last - first, groups = divide_up(rows, rows_together());
  std::iota(order, order + divide_up(rows, groups), size_t{0});
  for (size_t group = 0; group < groups; ++group) {
    const size_t from = first + rows * group / groups, to = first + rows * (group + 1) / groups;
    if (call.places && to - from > 1) fetch(call, from, to);
    const float* x = call.x ? call.x + from * inputs() : nullptr;
    for (size_t k = 0; k < layers_.size(); ++k) {
      const bool is_last = k + 1 == layers_.size();
      float* const y = is_last ? call.y + from * outputs() : between[k % 2];
      Pass{layers_[k], call, from, to - from, x, y, order, kernel, threads}.run();
      x = y;
    }
  }
}

void Chain::step(const ChainStep& call, int threads) const {
  const size_t batch = call.batch;
  if (!batch) return;
  // Where rows are few and weights many, threads share the units; so it is for each layer alone.
  bool by_units = false;
  if (threads > 1 && find_pool().run) {
    for (const Layer& layer : layers_) {
      const auto* cell = std::get_if<Cell>(&layer.what);
      const Pass pass{layer, call, 0, batch, nullptr, nullptr, nullptr, nullptr, threads};
      by_units = by_units || (cell && members_of(pass.forward(*cell), threads) > 1);
    }
  }
  const size_t parts = by_units ? 1 : parts_of(batch, threads, multiplications_ * static_cast<double>(batch));
  const Space space = space_for(call, std::min(rows_together(), divide_up(batch, parts)));
  std::vector<Aligned> memory;
  for (size_t part = 0; part < parts; ++part) memory.push_back(workspaces_->take(space.bytes()));
  in_parallel(parts, [&](size_t part) {
    run(call, batch * part / parts, batch * (part + 1) / parts, space, memory[part].get(), by_units ? threads : 1);
  });
  for (Aligned& used : memory) workspaces_->give_back(std::move(used));
}

}  // namespace cellstate
