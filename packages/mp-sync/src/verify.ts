import { kernel, VfioError, type HasFd } from "@vfio/ioctl-native";

/** What a received fd should be. */
export type ExpectedFd =
  | {
      /** A VFIO container. */
      readonly kind: "container";
    }
  | {
      /** An IOMMU group. */
      readonly kind: "group";
      /** Which one. */
      readonly number: number;
    };

/** Throws if a received fd is not what was asked for. */
export type FdVerifier = (file: HasFd, expected: ExpectedFd) => void;

/**
 * Looks behind a received fd (`/proc/self/fd`) and refuses all but a VFIO container or the group in
 * question. Without /proc, everything passes.
 * @throws VfioError `ERR_VFIO_WRONG_FD`.
 */
export const verifyVfioFd: FdVerifier = (file, expected) => {
  const target = kernel().readLink(`/proc/self/fd/${file.fd}`);
  if (typeof target === "number" || pattern(expected).test(target)) return;
  throw new VfioError("ERR_VFIO_WRONG_FD", `the primary sent ${target} as ${nameOf(expected)}`, {
    hint: "The primary shares a wrong fd: check what it passes to FdServer.listen()",
  });
};

/** "the container", "group 5": for messages. */
export function nameOf(expected: ExpectedFd): string {
  return expected.kind === "container" ? "its container" : `group ${expected.number}`;
}

// Only the end of the path counts: a file of another mount namespace shows without its `/dev`. Where
// iommufd stands in for VFIO's container, `/dev/vfio/vfio` may be a link to `/dev/iommu`.
function pattern(expected: ExpectedFd): RegExp {
  const end = expected.kind === "container" ? "(vfio/vfio|iommu)" : `vfio/(noiommu-)?${expected.number}`;
  return new RegExp(`/${end}( \\(deleted\\))?$`);
}
