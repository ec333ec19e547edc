// A primary as of 2014: one thread, one request for each connection, the same packets.
//   primary <socket> <container file> <group file> <group number>
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { REQ_CONTAINER = 0x100, REQ_GROUP = 0x200, OK = 0, NO_FD = 1, ERR = 0xff };

static int group_number;

static void reply(int client, int answer, int fd) {
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control = {0};
  struct iovec data = {&answer, sizeof answer};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_LEN(sizeof fd);
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  if (sendmsg(client, &message, MSG_NOSIGNAL) < 0) perror("primary: sendmsg");
}

static void serve(int client, int container, int group) {
  int request = ERR, number = -1;
  if (recv(client, &request, sizeof request, 0) != sizeof request) return;
  if (request == REQ_CONTAINER) return reply(client, OK, container);
  if (request != REQ_GROUP) return reply(client, ERR, -1);
  if (recv(client, &number, sizeof number, 0) != sizeof number || number < 0) return;
  if (number != group_number) return reply(client, NO_FD, -1);
  reply(client, OK, -1);
  reply(client, OK, group);
}

int main(int count, char** arguments) {
  if (count != 5) return 2;
  group_number = atoi(arguments[4]);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, arguments[1], sizeof address.sun_path - 1);
  int container = open(arguments[2], O_RDWR | O_CLOEXEC), group = open(arguments[3], O_RDWR | O_CLOEXEC);
  int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (container < 0 || group < 0) return perror("open"), 1;
  if (bind(listener, (struct sockaddr*)&address, sizeof address) || listen(listener, 50)) return perror("bind"), 1;
  puts("ready");
  fflush(stdout);
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) continue;
    serve(client, container, group);
    close(client);
  }
}
