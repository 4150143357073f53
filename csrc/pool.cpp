#include "pool.h"

#if defined(__linux__)
#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include <mutex>
#endif

namespace cellstate {

#if defined(__linux__)

namespace {

struct Search {
  unsigned long long known;  // libraries loaded so far, at the last search
  unsigned long long now = 0;
  RunOnPool found = nullptr;
};

// Looks at one loaded library. GCC's OpenMP library has the entry point, and LLVM's and Intel's
// have it for compatibility.
int look(dl_phdr_info* library, size_t, void* data) {
  auto* search = static_cast<Search*>(data);
  search->now = library->dlpi_adds;
  if (search->now == search->known) return 1;
  const char* path = library->dlpi_name;
  const char* slash = path ? strrchr(path, '/') : nullptr;
  const char* name = slash ? slash + 1 : path;
  if (!name || (strncmp(name, "libgomp", 7) && strncmp(name, "libomp", 6) &&
                strncmp(name, "libiomp", 7))) {
    return 0;
  }
  if (void* handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD)) {
    search->found = reinterpret_cast<RunOnPool>(dlsym(handle, "GOMP_parallel"));
  }
  return search->found != nullptr;
}

}  // namespace

RunOnPool find_pool() {
  static std::mutex guard;
  static RunOnPool found = nullptr;
  static unsigned long long known = 0;
  const std::lock_guard<std::mutex> lock(guard);
  if (!found) {  // torch may be imported at any time
    Search search{known};
    dl_iterate_phdr(look, &search);
    found = search.found;
    known = search.now;
  }
  return found;
}

#else

RunOnPool find_pool() { return nullptr; }

#endif

}  // namespace cellstate
