// To be preloaded: operator new, which throws std::bad_alloc at call number LIMBECK_FAIL_NEW of the
// process (all its threads together) and at no other; pthread_create, which starts no thread at
// call number LIMBECK_FAIL_THREAD. With LIMBECK_COUNT_CALLS=FILE the numbers of both calls are
// written there at the end.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

using Main = int (*)(int, char**, char**);

std::atomic<long> allocations{0}, threads{0};
std::atomic<bool> counting{false};
Main program = nullptr;

int counted_main(int argc, char** argv, char** environment) {
  counting = true;
  const int code = program(argc, argv, environment);
  counting = false;  // destructors of globals
  return code;
}

long number(const char* variable) {
  const char* const text = std::getenv(variable);
  return text ? std::atol(text) : 0;
}
const long kFailNew = number("LIMBECK_FAIL_NEW"), kFailThread = number("LIMBECK_FAIL_THREAD");

void* allocate(std::size_t size, std::size_t alignment) {
  if (counting && allocations.fetch_add(1) + 1 == kFailNew) throw std::bad_alloc();
  const std::size_t whole = (size + alignment - 1) / alignment * alignment;
  void* const block = alignment > alignof(std::max_align_t) ? std::aligned_alloc(alignment, whole)
                                                            : std::malloc(size ? size : 1);
  if (!block) throw std::bad_alloc();
  return block;
}

void* allocate_or_null(std::size_t size, std::size_t alignment) noexcept {
  try {
    return allocate(size, alignment);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

struct Reporter {
  ~Reporter() {
    const char* const name = std::getenv("LIMBECK_COUNT_CALLS");
    std::FILE* const file = name ? std::fopen(name, "w") : nullptr;
    if (!file) return;
    std::fprintf(file, "%ld %ld\n", allocations.load(), threads.load());
    std::fclose(file);
  }
} reporter;

constexpr std::size_t kPlain = alignof(std::max_align_t);
std::size_t of(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

}  // namespace

extern "C" int __libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(),
                                 void (*rtld_fini)(), void* stack_end) {
  using Start = int (*)(Main, int, char**, void (*)(), void (*)(), void (*)(), void*);
  program = main;
  const auto start = reinterpret_cast<Start>(dlsym(RTLD_NEXT, "__libc_start_main"));
  return start(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (counting && threads.fetch_add(1) + 1 == kFailThread) return EAGAIN;
  return create(thread, attributes, start, argument);
}

void* operator new(std::size_t n) { return allocate(n, kPlain); }
void* operator new[](std::size_t n) { return allocate(n, kPlain); }
void* operator new(std::size_t n, std::align_val_t a) { return allocate(n, of(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return allocate(n, of(a)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return allocate_or_null(n, kPlain);
}
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return allocate_or_null(n, kPlain);
}
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate_or_null(n, of(a));
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate_or_null(n, of(a));
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
