import path from "node:path";
import { shownValue } from "@vfio/ioctl-native/internal";
import { describe, expect, it } from "vitest";
import { socketPath } from "../src/socket/socket-path.js";
import { expectError } from "./support/errors.js";

const root = { uid: 0, home: "/root" };
const user = { uid: 1000, home: "/home/ada" };

describe("the path of the socket", () => {
  it.each([
    ["root, whatever HOME says", {}, root, "/var/run/.vfio_mp_socket"],
    ["another user", {}, user, "/home/ada/.vfio_mp_socket"],
    ["another user without HOME", {}, { uid: 1000, home: undefined }, "/var/run/.vfio_mp_socket"],
    ["another user with an empty HOME", {}, { uid: 1000, home: "" }, "/var/run/.vfio_mp_socket"],
    ["DPDK's own prefix", { prefix: "rte" }, root, "/var/run/.rte_mp_socket"],
    ["a path of one's own, whatever the prefix", { prefix: "a", path: "/x/y" }, root, "/x/y"],
  ])("for %s", (_name, options, who, expected) => {
    expect(socketPath(options, who)).toBe(expected);
  });

  it("is absolute, so that changing the working directory does not change it", () => {
    expect(socketPath({ path: "here" }, root)).toBe(path.resolve("here"));
  });

  it.each(["", "a/b", "../x", "a\0b"])("refuses %j as a prefix", async (prefix) => {
    await expectError(() => socketPath({ prefix }, root), "ERR_VFIO_SOCKET_PREFIX", shownValue(prefix));
  });

  it.each(["", "/tmp/a\0b", "\0abstract"])("refuses %j as a path", async (file) => {
    await expectError(() => socketPath({ path: file }, root), "ERR_VFIO_SOCKET_PATH", shownValue(file));
  });

  it("takes 107 bytes and not one more, counted as bytes and not as letters", async () => {
    expect(socketPath({ path: `/${"a".repeat(106)}` }, root)).toHaveLength(107);
    await expectError(
      () => socketPath({ path: `/${"é".repeat(54)}` }, root),
      "ERR_VFIO_SOCKET_PATH",
      "109 bytes long",
      "shorter prefix",
    );
  });
});
