// One scenario of the fault guard in a process of its own; what is printed, or what ends the process, is the result.
#include "../../native/src/fault-guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

constexpr size_t kPage = 4096;

// Memory of an empty file: each access is a SIGBUS.
static uint8_t* Hole(size_t bytes) {
  int fd = memfd_create("hole", 0);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return static_cast<uint8_t*>(memory);
}

static uint32_t Read(const uint8_t* at) { return *reinterpret_cast<const volatile uint32_t*>(at); }

static uint8_t* volatile elsewhere = nullptr;
static volatile bool had_info = false;

static void FormerPlain(int) {
  mmap(elsewhere, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void Former(int signal, siginfo_t* info, void* context) {
  had_info = signal == SIGBUS && info->si_addr == elsewhere && context != nullptr;
  FormerPlain(signal);
}

static void SetFormer(int flags) {
  struct sigaction action {};
  action.sa_flags = flags;
  if ((flags & SA_SIGINFO) != 0) action.sa_sigaction = Former;
  else action.sa_handler = FormerPlain;
  sigaction(SIGBUS, &action, nullptr);
}

// Its own memory: ones, what is written stays, and it knows.
static void Own() {
  uint8_t* memory = Hole(3 * kPage);
  GuardedRange* range = Guard(memory, 3 * kPage, kPage);
  bool before = range->gone;
  uint32_t read = Read(memory + kPage + 8);
  memory[2 * kPage] = 7;
  printf("%d %x %d %x %x\n", before, read, range->gone.load(), memory[2 * kPage], memory[2 * kPage + 1]);
}

// After its end the same addresses are not guarded any more, and another range may have its place.
static void Ended() {
  uint8_t* first = Hole(kPage);
  GuardedRange* range = Guard(first, kPage, kPage);
  Unguard(range);
  uint8_t* second = Hole(kPage);
  bool same = Guard(second, kPage, kPage) == range;
  uint32_t read = Read(second);
  printf("%d %x %d\n", same, read, range->gone.load());
  fflush(stdout);
  Read(first);
}

static void Elsewhere() {
  Guard(Hole(kPage), kPage, kPage);
  elsewhere = Hole(kPage);
  uint32_t read = Read(elsewhere);
  printf("%x %d\n", read, had_info);
  fflush(stdout);
}

// Who takes the signal without a word, as libuv does.
static void Replaced() {
  uint8_t* memory = Hole(2 * kPage);
  Guard(memory, kPage, kPage);
  SetFormer(SA_SIGINFO);
  Guard(memory + kPage, kPage, kPage);
  uint32_t read = Read(memory);
  read &= Read(memory + kPage);
  elsewhere = Hole(kPage);
  uint32_t other = Read(elsewhere);
  printf("%x %x %d\n", read, other, had_info);
  fflush(stdout);
}

static struct sigaction passed_to {};
static volatile int calls = 0;

static void Passing(int signal, siginfo_t* info, void* context) {
  if ((calls = calls + 1) > 3) _exit(9);
  if ((passed_to.sa_flags & SA_SIGINFO) != 0) return passed_to.sa_sigaction(signal, info, context);
  passed_to.sa_handler(signal);
}

// Who took it after the guard and passes on, as another copy of the addon does; then the guard takes it back.
static void Circle() {
  Guard(Hole(kPage), kPage, kPage);
  struct sigaction action {};
  action.sa_flags = SA_SIGINFO;
  action.sa_sigaction = Passing;
  sigaction(SIGBUS, &action, &passed_to);
  Guard(Hole(kPage), kPage, kPage);
  for (int i = 0; i < 2; i++) {
    elsewhere = Hole(kPage);
    uint32_t read = Read(elsewhere);
    printf("%x %d %d\n", read, had_info, calls);
    fflush(stdout);
  }
}

static void Reset() {
  uint8_t* memory = Hole(kPage);
  KeepGuarding();
  struct sigaction action {};
  sigaction(SIGBUS, nullptr, &action);
  bool is_set = action.sa_handler != SIG_DFL;
  Guard(memory, kPage, kPage);
  signal(SIGBUS, SIG_DFL);
  KeepGuarding();
  printf("%d %x\n", is_set, Read(memory));
}

static void Sent() {
  Guard(Hole(kPage), kPage, kPage);
  raise(SIGBUS);
  printf("lives\n");
}

static void Many() {
  constexpr size_t kCount = 1000;
  std::vector<GuardedRange*> ranges;
  std::vector<uint8_t*> memory;
  for (size_t i = 0; i < kCount; i++) {
    memory.push_back(Hole(kPage));
    ranges.push_back(Guard(memory[i], kPage, kPage));
  }
  size_t wrong = 0;
  for (size_t i = 0; i < kCount; i += 3) wrong += Read(memory[i]) != 0xffffffff;
  for (size_t i = 0; i < kCount; i++) wrong += ranges[i]->gone != (i % 3 == 0);
  printf("%zu\n", wrong);
}

// A large one is not replaced page by page: a process has only so many areas of memory.
static void Large() {
  constexpr size_t kBytes = size_t{1} << 30;
  uint8_t* memory = Hole(kBytes);
  Guard(memory, kBytes, kPage);
  size_t wrong = 0;
  for (size_t at = 0; at < kBytes; at += 64 * kPage) wrong += Read(memory + at) != 0xffffffff;
  size_t areas = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  for (int c; (c = getc(maps)) != EOF;) areas += c == '\n';
  fclose(maps);
  printf("%zu %d\n", wrong, areas < 1500);
}

static void Threads() {
  uint8_t* memory = Hole(256 * kPage);
  Guard(memory, 256 * kPage, kPage);
  std::vector<std::thread> threads;
  std::atomic<size_t> wrong{0};
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      for (size_t at = 0; at < 256 * kPage; at += 512) wrong += Read(memory + at) != 0xffffffff;
    });
    threads.emplace_back([&] {
      for (int n = 0; n < 2000; n++) Unguard(Guard(memory + 512 * kPage + n, 1, 1));
    });
  }
  for (auto& thread : threads) thread.join();
  printf("%zu\n", wrong.load());
}

int main(int, char** arguments) {
  const char* name = arguments[1];
  auto is = [&](const char* other) { return strcmp(name, other) == 0; };
  if (is("own")) Own();
  if (is("ended")) Ended();
  if (is("many")) Many();
  if (is("large")) Large();
  if (is("threads")) Threads();
  if (is("elsewhere")) Elsewhere();
  if (is("elsewhere, info")) SetFormer(SA_SIGINFO), Elsewhere();
  if (is("elsewhere, plain")) SetFormer(0), Elsewhere();
  if (is("elsewhere, once")) {
    SetFormer(SA_RESETHAND);
    Elsewhere();
    elsewhere = Hole(kPage);
    Read(elsewhere);
  }
  if (is("own, after elsewhere, once")) {
    SetFormer(SA_RESETHAND);
    Elsewhere();
    Own();
  }
  if (is("elsewhere, ignored")) signal(SIGBUS, SIG_IGN), Elsewhere();
  if (is("replaced")) Replaced();
  if (is("circle")) Circle();
  if (is("circle, with one before")) SetFormer(SA_SIGINFO), Circle();
  if (is("reset")) Reset();
  if (is("sent")) Sent();
  if (is("sent, ignored")) signal(SIGBUS, SIG_IGN), Sent();
  return 0;
}
