// The few functions of libstdc++ that this addon calls, for the prebuilt binaries: they need a C library and nothing
// else, so the system's libstdc++ may be older than the compiler's, or missing. The addon is compiled without
// exceptions: what would throw ends the process.
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

void* operator new(std::size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}

void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace std {
void __throw_bad_alloc() { abort(); }
void __throw_bad_array_new_length() { abort(); }
void __throw_bad_function_call() { abort(); }
void __throw_length_error(const char*) { abort(); }
void __throw_logic_error(const char*) { abort(); }
void __throw_out_of_range_fmt(const char*, ...) { abort(); }
void __throw_system_error(int) { abort(); }
void __glibcxx_assert_fail(const char*, int, const char*, const char*) noexcept { abort(); }

bool _Sp_make_shared_tag::_S_eq(const type_info&) noexcept { return false; }

template class basic_string<char>;
}  // namespace std
