// Secondaries as of 2014.
//   secondary attach <socket> <group> <rounds>     the container, then the group; prints the median for both, in ns
//   secondary load <socket> <group> <exchanges> <threads>          both on several threads; nanoseconds for one exchange
//   secondary p99 <socket> <group> <exchanges> <threads> <silent>  the exchanges' 99th percentile in nanoseconds, with
//                                                                  silent clients connected
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { REQ_CONTAINER = 0x100, REQ_GROUP = 0x200, OK = 0, ERR = 0xff };

static int group_number;

static struct sockaddr_un address = {.sun_family = AF_UNIX};

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static int reach(void) {
  int primary = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (primary < 0 || connect(primary, (struct sockaddr*)&address, sizeof address)) fail("connect");
  return primary;
}

static void say(int primary, int value) {
  if (send(primary, &value, sizeof value, MSG_NOSIGNAL) != sizeof value) fail("send");
}

static int hear(int primary, int* fd) {
  int answer = ERR;
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec data = {&answer, sizeof answer};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(primary, &message, MSG_CMSG_CLOEXEC) != sizeof answer) fail("recvmsg");
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  *fd = -1;
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
    memcpy(fd, CMSG_DATA(header), sizeof *fd);
  return answer;
}

static void exchange(int request) {
  int fd, primary = reach();
  say(primary, request);
  if (request == REQ_GROUP) {
    say(primary, group_number);
    if (hear(primary, &fd) != OK) fail("first answer");
  }
  if (hear(primary, &fd) != OK || fd < 0) fail("answer");
  close(primary);
  close(fd);
}

struct work {
  int exchanges;
  uint64_t* took;
};

static void* run(void* argument) {
  struct work* work = argument;
  for (int i = 0; i < work->exchanges; i++) {
    uint64_t start = now();
    exchange(i % 2 ? REQ_GROUP : REQ_CONTAINER);
    work->took[i] = now() - start;
  }
  return NULL;
}

static int shorter(const void* one, const void* other) {
  uint64_t a = *(const uint64_t*)one, b = *(const uint64_t*)other;
  return (a > b) - (a < b);
}

int main(int count, char** arguments) {
  if (count < 5) return 2;
  const char* what = arguments[1];
  strncpy(address.sun_path, arguments[2], sizeof address.sun_path - 1);
  group_number = atoi(arguments[3]);
  int rounds = atoi(arguments[4]), threads = count > 5 ? atoi(arguments[5]) : 1, silent = count > 6 ? atoi(arguments[6]) : 0;
  if (!strcmp(what, "attach")) {
    uint64_t* attach = calloc(rounds, sizeof *attach);
    for (int i = 0; i < rounds; i++) {
      uint64_t start = now();
      exchange(REQ_CONTAINER);
      exchange(REQ_GROUP);
      attach[i] = now() - start;
    }
    qsort(attach, rounds, sizeof *attach, shorter);
    printf("%f\n", (double)attach[rounds / 2]);
    return 0;
  }
  for (int i = 0; i < silent; i++) reach();
  uint64_t* took = calloc(rounds, sizeof *took);
  pthread_t thread[threads];
  struct work work[threads];
  uint64_t start = now();
  for (int i = 0; i < threads; i++) {
    work[i] = (struct work){rounds / threads, took + i * (rounds / threads)};
    pthread_create(&thread[i], NULL, run, &work[i]);
  }
  for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
  uint64_t end = now();
  int done = rounds / threads * threads;
  qsort(took, done, sizeof *took, shorter);
  printf("%f\n", strcmp(what, "p99") ? (double)(end - start) / done : (double)took[done / 100 * 99]);
  return 0;
}
