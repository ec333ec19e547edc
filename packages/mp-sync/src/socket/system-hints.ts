import { errnoOf } from "@vfio/ioctl-native";

/** When this process or system has no file descriptors left: any call that makes one may fail so. */
export function fdHint(errno: number): string | undefined {
  switch (errno) {
    case errnoOf("EMFILE"):
      return "This process has no file descriptor left: close some, or raise its limit (ulimit -n)";
    case errnoOf("ENFILE"):
      return "The system has no open file left: see /proc/sys/fs/file-max";
    default:
      return undefined;
  }
}

export function connectHint(errno: number): string | undefined {
  switch (errno) {
    case errnoOf("EACCES"):
      return `This process (uid ${process.getuid?.()}) may not use the primary's socket: run it as the primary's user or root`;
    case errnoOf("EPROTOTYPE"):
      return "This socket belongs to another program";
    default:
      return fdHint(errno);
  }
}

export function socketFileHint(errno: number): string | undefined {
  switch (errno) {
    case errnoOf("ENOENT"):
    case errnoOf("ENOTDIR"):
      return "The folder must exist";
    case errnoOf("EACCES"):
    case errnoOf("EPERM"):
      return `The folder must be writable for uid ${process.getuid?.()}`;
    case errnoOf("EROFS"):
      return "The file system is read-only: choose a path on another one";
    case errnoOf("ENOSPC"):
    case errnoOf("EDQUOT"):
      return "The file system has no room for another file: remove some, or choose a path on another one";
    default:
      return fdHint(errno);
  }
}
