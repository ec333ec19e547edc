import { kernel, useKernel } from "@vfio/ioctl-native";
import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { verifyVfioFd, type ExpectedFd } from "../src/secondary/verify.js";
import { expectError } from "./support/errors.js";

function verifyTarget(target: string | number, expected: ExpectedFd, answer = 0): void {
  using _fake = useKernel({
    ...kernel(),
    readLink: (path) => (path === "/proc/self/fd/31" ? target : -2),
    ioctl: (fd) => (fd === 31 ? answer : -9),
  });
  verifyVfioFd({ fd: 31 }, expected);
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
    const text = `the primary sent ${target} as `;
    await expectError(() => verifyTarget(target, expected), "ERR_VFIO_WRONG_FD", text, "FdServer.listen()");
  });

  it.each([
    ["/tmp/vfio/vfio", container],
    ["/tmp/vfio/17", group(17)],
    [-2, container],
  ])("%s does not pass for %o if it does not answer as VFIO does", async (target, expected) => {
    const what = typeof target === "string" ? target : "a file";
    const text = `the primary sent ${what}, which is no part of VFIO, as `;
    await expectError(() => verifyTarget(target, expected, -25), "ERR_VFIO_WRONG_FD", text);
  });

  it.each(["EIO", "ENODEV", "ENOMEM", "EMFILE", "EPERM"] as const)(
    "is not told where the answer is %s: that is the error",
    async (errno) => {
      const verify = (): void => verifyTarget("/dev/vfio/17", group(17), -constants.errno[errno]);
      await expectError(verify, errno, "as group 17");
    },
  );
});
