import { check, Fd, kernel, type HasFd } from "@vfio/ioctl-native";

export function duplicate({ fd }: HasFd, name: string): Fd {
  const copy = check(kernel().dup(fd), () => ({
    syscall: "fcntl",
    what: `cannot duplicate the fd of ${name}`,
  }));
  return new Fd(copy, name);
}
