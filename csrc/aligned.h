// Memory for packed weights and workspaces.

#ifndef CELLSTATE_ALIGNED_H
#define CELLSTATE_ALIGNED_H

#include <stddef.h>

#include <memory>
#include <new>

#include "lstm.h"

namespace cellstate {

// Memory that is aligned as kernels ask for it.
class Aligned {
 public:
  explicit Aligned(size_t bytes)
      : data_(::operator new(bytes ? bytes : 1, std::align_val_t{alignment})), bytes_(bytes) {}
  void* get() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const { ::operator delete(p, std::align_val_t{alignment}); }
  };
  std::unique_ptr<void, Free> data_;
  size_t bytes_;
};

}  // namespace cellstate

#endif
