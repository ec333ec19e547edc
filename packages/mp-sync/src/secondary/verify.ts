import { errnoOf, tryIoctl, VfioError, VfioSystemError, type HasFd } from "@vfio/ioctl-native";
import { vfioIoctls, vfioStructs } from "@vfio/ioctl-native/vfio";
import { contextOr, fileOf, groupOfLink, isContainerLink } from "@vfio/ioctl-native/internal";

/** The expected kind of a received fd: a container, or a certain IOMMU group. */
export type ExpectedFd = { readonly kind: "container" } | { readonly kind: "group"; readonly number: number };

/** Throws unless a received fd is what was asked for. */
export type FdVerifier = (file: HasFd, expected: ExpectedFd) => void;

/**
 * Refuses all but a container, or the group in question: looks at the fd's file (`/proc/self/fd`), and at its answer to
 * an ioctl that only VFIO knows. Without /proc, a group's number is not checked.
 * @throws VfioError `ERR_VFIO_WRONG_FD`; VfioSystemError (EIO, ENODEV, …) if that cannot be found out.
 */
export const verifyVfioFd: FdVerifier = (file, expected) => {
  const link = contextOr(undefined, () => fileOf(file.fd));
  if (link !== undefined && !isLinkOf(expected, link)) throw wrongFd(link, expected);
  // Any folder may have a file named vfio/7. VFIO's answers are 0 here; other files' ioctls fail.
  const answer = answerOf(file, expected);
  if (answer === 0) return;
  if (answer < 0 && !NOT_VFIO.has(answer)) throw unverifiedError(answer, expected);
  throw wrongFd(`${link ?? "a file"}, which is no part of VFIO,`, expected);
};

/** The errnos of files that do not know the ioctl, and of those opened for their path alone (O_PATH). */
const NOT_VFIO: ReadonlySet<number> = new Set(
  (["ENOTTY", "EINVAL", "EOPNOTSUPP", "ENOSYS", "EBADF"] as const).map(errnoOf),
);

function unverifiedError(errno: number, expected: ExpectedFd): VfioSystemError {
  const request = expected.kind === "container" ? "VFIO_GET_API_VERSION" : "VFIO_GROUP_GET_STATUS";
  const what = `cannot look at what the primary sent as ${nameOf(expected)}`;
  return new VfioSystemError(errno, { syscall: "ioctl", ioctl: request, what });
}

function answerOf(file: HasFd, { kind }: ExpectedFd): number {
  if (kind === "container") return tryIoctl(file, vfioIoctls.VFIO_GET_API_VERSION, 0);
  const { vfio_group_status: status } = vfioStructs;
  return tryIoctl(file, vfioIoctls.VFIO_GROUP_GET_STATUS, status.encode({ argsz: status.bytes }));
}

function wrongFd(what: string, expected: ExpectedFd): VfioError {
  return new VfioError("ERR_VFIO_WRONG_FD", `the primary sent ${what} as ${nameOf(expected)}`, {
    hint: "The primary shares a wrong fd: check the arguments of its FdServer.listen(), and that it is the primary you expect",
  });
}

/** "the container", "group 5": for messages. */
export function nameOf(expected: ExpectedFd): string {
  return expected.kind === "container" ? "its container" : `group ${expected.number}`;
}

function isLinkOf(expected: ExpectedFd, link: string): boolean {
  return expected.kind === "container" ? isContainerLink(link) : groupOfLink(link) === expected.number;
}
