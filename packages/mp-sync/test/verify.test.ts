import { kernel, useKernel } from "@vfio/ioctl-native";
import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { verifyVfioFd, type ExpectedFd } from "../src/secondary/verify.js";
import { errorOf, expectError } from "./support/errors.js";

function verifyTarget(target: string | number, expected: ExpectedFd, answer = 0): void {
  const fake = useKernel({
    ...kernel(),
    readLink: (path) => (path === "/proc/self/fd/31" ? target : -2),
    ioctl: (fd) => (fd === 31 ? answer : -9),
  });
  try {
    verifyVfioFd({ fd: 31 }, expected);
  } finally {
    fake[Symbol.dispose]();
  }
}

const container: ExpectedFd = { kind: "container" };
const group = (number: number): ExpectedFd => ({ kind: "group", number });

describe("what is behind a received fd", () => {
  it.each([
    ["/dev/vfio/vfio", container],
    ["/vfio/vfio", container],
    ["/dev/iommu", container],
    ["/dev/vfio/0", group(0)],
    ["/dev/vfio/17", group(17)],
    ["/dev/vfio/noiommu-3", group(3)],
    ["/dev/vfio/17 (deleted)", group(17)],
    [-2, container],
  ])("%s passes for %o", (target, expected) => {
    expect(() => verifyTarget(target, expected)).not.toThrow();
  });

  it.each([
    ["/dev/vfio/17", container],
    ["/dev/vfio/vfio", group(17)],
    ["/dev/vfio/170", group(17)],
    ["/dev/vfio/7", group(17)],
    ["/etc/shadow", group(17)],
    ["socket:[1234]", container],
    ["/memfd:vfio/vfio", container],
  ])("%s does not pass for %o", async (target, expected) => {
    await expectError(
      () => verifyTarget(target, expected),
      "ERR_VFIO_WRONG_FD",
      `the primary sent ${target} as `,
      "FdServer.listen()",
    );
  });

  it.each([
    ["/tmp/vfio/vfio", container],
    ["/tmp/vfio/17", group(17)],
    [-2, container],
  ])("%s does not pass for %o if it does not answer as VFIO does", async (target, expected) => {
    const error = await expectError(() => verifyTarget(target, expected, -25), "ERR_VFIO_WRONG_FD");
    const what = typeof target === "string" ? target : "a file";
    expect(error.message).toContain(`the primary sent ${what}, which is no part of VFIO, as `);
  });

  it.each(["EIO", "ENODEV", "ENOMEM", "EMFILE", "EPERM"] as const)(
    "is not told where the answer is %s: that is the error",
    async (errno) => {
      const error = await errorOf(() => verifyTarget("/dev/vfio/17", group(17), -constants.errno[errno]));
      expect([error.code, error.message.includes("as group 17")]).toEqual([errno, true]);
    },
  );
});
