// Stands before the C library's own: its variable is newer than the oldest glibc we want to load with, and musl has none.
#pragma once
inline constexpr bool __libc_single_threaded = false;
