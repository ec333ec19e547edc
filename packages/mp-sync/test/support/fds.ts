import { fstatSync, readdirSync, readlinkSync } from "node:fs";
import { createMemoryFile, type Fd, type HasFd } from "@vfio/ioctl-native";
import { staysAsItWas } from "@vfio/test-support";

/** Every open fd of this process with what it is, but for the one that reads the list. */
export function openFds(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return [];
    }
  });
}

/** After each test of the file: the very fds that were open before it, no more and no less. */
export function expectNoFdLeft(): void {
  staysAsItWas(openFds);
}

/** A file that stands in for a container or group: the protocol carries any fd. */
export function someFile(): Fd {
  return createMemoryFile({ bytes: 4096, pageBytes: 4096 });
}

/** The same open file behind two fds, whichever process they came from? */
export function identityOf(file: HasFd): string {
  const { dev, ino } = fstatSync(file.fd);
  return `${dev}:${ino}`;
}
