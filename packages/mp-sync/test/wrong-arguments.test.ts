import { isVfioError } from "@vfio/ioctl-native";
import { describe, expect, it } from "vitest";
import {
  connectToPrimary,
  dpdkRuntimeDirectory,
  FdServer,
  joinDpdkPrimary,
  socketPath,
} from "../src/index.js";
import { expectNoFdLeft, someFile } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { TestPrimary } from "./support/primary.js";

useFolder();
expectNoFdLeft();

/** What no type check of TypeScript would let through, and what JavaScript does all the same. */
type Anything = (...values: readonly unknown[]) => unknown;
const listen = FdServer.listen.bind(FdServer) as Anything;
const connect = connectToPrimary as Anything;
const join = joinDpdkPrimary as Anything;
const verify = (): void => undefined;

async function failureOf(action: () => unknown): Promise<[code: string, message: string]> {
  try {
    await action();
  } catch (error) {
    if (isVfioError(error)) return [error.code, error.message];
    throw error;
  }
  throw new Error("nothing failed");
}

async function listenWith(more: object): Promise<unknown> {
  using container = someFile();
  return listen({ container, groups: [], path: freshPath(), ...more });
}

describe("a primary", () => {
  it.each<[string, () => unknown, string, string]>([
    [
      "without options",
      () => listen(),
      "ERR_VFIO_MP_ARGUMENT",
      "FdServer.listen() must be an object, not undefined",
    ],
    ["null for options", () => listen(null), "ERR_VFIO_MP_ARGUMENT", "not null"],
    ["empty options", () => listen({}), "ERR_VFIO_MP_ARGUMENT", "groups must be an array, not undefined"],
    [
      "no container",
      () => listenWith({ container: undefined }),
      "ERR_VFIO_FD",
      "the container has undefined",
    ],
    ["a number as container", () => listenWith({ container: 3 }), "ERR_VFIO_FD", "the container has 3"],
    ["a container without fd", () => listenWith({ container: {} }), "ERR_VFIO_FD", "has undefined where"],
    ["a container with fd '3'", () => listenWith({ container: { fd: "3" } }), "ERR_VFIO_FD", "has '3' where"],
    [
      "a container with fd 2^31",
      () => listenWith({ container: { fd: 2 ** 31 } }),
      "ERR_VFIO_FD",
      "2147483648",
    ],
    [
      "one group alone",
      () => listenWith({ groups: { fd: 1, number: 7 } }),
      "ERR_VFIO_MP_ARGUMENT",
      "groups must be an array, not [Object]",
    ],
    ["null as a group", () => listenWith({ groups: [null] }), "ERR_VFIO_MP_ARGUMENT", "a group to share"],
    [
      "a group '7'",
      () => listenWith({ groups: [{ fd: 1, number: "7" }] }),
      "ERR_VFIO_GROUP_NUMBER",
      "'7' is not",
    ],
    [
      "a memory alone",
      () => listenWith({ memories: 7 }),
      "ERR_VFIO_MP_ARGUMENT",
      "memories must be an array",
    ],
    ["no memory", () => listenWith({ memories: [undefined] }), "ERR_VFIO_MP_ARGUMENT", "a memory to share"],
    [
      "a memory without file",
      () => listenWith({ memories: [{ description: new Uint8Array() }] }),
      "ERR_VFIO_FD",
      "",
    ],
    [
      "a memory's description as text",
      () => listenWith({ memories: [{ file: { fd: 1 }, description: "2 MiB" }] }),
      "ERR_VFIO_MEMORIES",
      "a Uint8Array, not '2 MiB'",
    ],
    [
      "a device alone",
      () => listenWith({ devices: "0000:00:10.0" }),
      "ERR_VFIO_MP_ARGUMENT",
      "devices must be",
    ],
    ["no device", () => listenWith({ devices: [7] }), "ERR_VFIO_MP_ARGUMENT", "a device to tell of"],
    ["a device 7", () => listenWith({ devices: [{ bdf: 7, group: 1 }] }), "ERR_VFIO_DEVICES", "7 cannot be"],
    [
      "leases null",
      () => listenWith({ leases: null }),
      "ERR_VFIO_MP_ARGUMENT",
      "an object or false, not null",
    ],
    ["leases true", () => listenWith({ leases: true }), "ERR_VFIO_MP_ARGUMENT", "not true"],
    [
      "a window 7",
      () => listenWith({ leases: { window: 7 } }),
      "ERR_VFIO_MP_ARGUMENT",
      "start and end, not 7",
    ],
    [
      "a symbol as limit",
      () => listenWith({ leases: { maxBytes: Symbol("x") } }),
      "ERR_VFIO_LEASES",
      "Symbol(x)",
    ],
    [
      "a policy that is none",
      () => listenWith({ allow: true }),
      "ERR_VFIO_MP_ARGUMENT",
      "allow must be a function",
    ],
    ["a listener that is none", () => listenWith({ onEvent: {} }), "ERR_VFIO_MP_ARGUMENT", "onEvent must be"],
    ["a time as text", () => listenWith({ timeoutMs: "5" }), "ERR_VFIO_TIMEOUT_RANGE", "a timeout of '5' ms"],
    ["clients as text", () => listenWith({ maxClients: "5" }), "ERR_VFIO_MAX_CLIENTS", "maxClients is '5'"],
    ["path 7", () => listenWith({ path: 7 }), "ERR_VFIO_SOCKET_PATH", "7 cannot be the path of a socket"],
    ["an empty path", () => listenWith({ path: "" }), "ERR_VFIO_SOCKET_PATH", "'' cannot be"],
    ["a path with a NUL", () => listenWith({ path: "a\0b" }), "ERR_VFIO_SOCKET_PATH", "a\\x00b"],
    [
      "a long path",
      () => listenWith({ path: `/${"x".repeat(107)}` }),
      "ERR_VFIO_SOCKET_PATH",
      "108 bytes long",
    ],
    [
      "prefix 7",
      () => listenWith({ path: undefined, prefix: 7 }),
      "ERR_VFIO_SOCKET_PREFIX",
      "7 cannot be a prefix",
    ],
  ])("given %s, refuses it with a code", async (_name, action, code, words) => {
    const [actual, message] = await failureOf(action);
    expect(actual).toBe(code);
    expect(message).toContain(words);
  });

  it.each<[string, (server: Record<string, Anything>) => unknown, string]>([
    ["addGroup", (server) => server["addGroup"]!(), "ERR_VFIO_MP_ARGUMENT"],
    ["addMemory", (server) => server["addMemory"]!(null), "ERR_VFIO_MP_ARGUMENT"],
    ["addDevice", (server) => server["addDevice"]!("0000:00:10.0"), "ERR_VFIO_MP_ARGUMENT"],
  ])("refuses to %s what is none", async (_name, act, code) => {
    using primary = await TestPrimary.start();
    const [actual] = await failureOf(() => act(primary.server as unknown as Record<string, Anything>));
    expect(actual).toBe(code);
  });
});

describe("a secondary", () => {
  it.each<[string, unknown, string]>([
    ["null for options", null, "ERR_VFIO_MP_ARGUMENT"],
    ["a path for options", "/run/my.sock", "ERR_VFIO_MP_ARGUMENT"],
    ["path 7", { path: 7 }, "ERR_VFIO_SOCKET_PATH"],
    ["a path with a NUL", { path: "a\0" }, "ERR_VFIO_SOCKET_PATH"],
    ["a long path", { path: "x".repeat(4096) }, "ERR_VFIO_SOCKET_PATH"],
    ["a time as text", { path: "/x", timeoutMs: "5" }, "ERR_VFIO_TIMEOUT_RANGE"],
    ["a signal that is none", { path: "/x", signal: {} }, "ERR_VFIO_MP_ARGUMENT"],
    ["a verifier that is none", { path: "/x", verify: true }, "ERR_VFIO_MP_ARGUMENT"],
  ])("given %s, refuses it with a code", async (_name, options, code) => {
    expect((await failureOf(() => connect(options)))[0]).toBe(code);
  });

  it.each<[string, (peer: Record<string, Anything>) => unknown, string]>([
    ["group()", (peer) => peer["group"]!(), "ERR_VFIO_GROUP_NUMBER"],
    ["group('7')", (peer) => peer["group"]!("7"), "ERR_VFIO_GROUP_NUMBER"],
    ["group(7, null)", (peer) => peer["group"]!(7, null), "ERR_VFIO_MP_ARGUMENT"],
    ["memory(7)", (peer) => peer["memory"]!(7), "ERR_VFIO_MP_ARGUMENT"],
    ["hello({ signal: 7 })", (peer) => peer["hello"]!({ signal: 7 }), "ERR_VFIO_MP_ARGUMENT"],
    [
      "devices({ timeoutMs: null })",
      (peer) => peer["devices"]!({ timeoutMs: null }),
      "ERR_VFIO_TIMEOUT_RANGE",
    ],
    ["mapDma()", (peer) => peer["mapDma"]!(), "ERR_VFIO_MP_ARGUMENT"],
    ["mapDma({})", (peer) => peer["mapDma"]!({}), "ERR_VFIO_FD"],
    ["mapDma of no IOVA", (peer) => peer["mapDma"]!({ file: { fd: 1 }, bytes: 1 }), "ERR_VFIO_LEASE_RANGE"],
    [
      "mapDma for 'rw'",
      (peer) => peer["mapDma"]!({ file: { fd: 1 }, iova: 0n, bytes: 4096, access: "rw" }),
      "ERR_VFIO_LEASE_RANGE",
    ],
  ])("that asks for %s is refused with a code, and nothing is sent", async (_name, ask, code) => {
    using primary = await TestPrimary.start();
    using peer = await connectToPrimary({ path: primary.path, verify });
    expect((await failureOf(() => ask(peer as unknown as Record<string, Anything>)))[0]).toBe(code);
    expect(await primary.told(1)).toEqual(["container: OK"]);
  });
});

describe("where primary and secondary meet", () => {
  it.each<[string, () => unknown, string]>([
    ["a socket's path of null", () => (socketPath as Anything)(null), "ERR_VFIO_MP_ARGUMENT"],
    ["DPDK's directory of null", () => (dpdkRuntimeDirectory as Anything)(null), "ERR_VFIO_MP_ARGUMENT"],
    ["DPDK's directory 7", () => join({ directory: 7 }), "ERR_VFIO_SOCKET_PATH"],
    ["DPDK's directory ''", () => join({ directory: "" }), "ERR_VFIO_SOCKET_PATH"],
    ["DPDK's directory with a NUL", () => join({ directory: "/run\0" }), "ERR_VFIO_SOCKET_PATH"],
    ["DPDK's directory and a signal 7", () => join({ directory: "/x", signal: 7 }), "ERR_VFIO_MP_ARGUMENT"],
    [
      "DPDK's directory and a time as text",
      () => join({ directory: "/x", timeoutMs: "5" }),
      "ERR_VFIO_TIMEOUT_RANGE",
    ],
    ["DPDK's directory and no verifier", () => join({ directory: "/x", verify: 5 }), "ERR_VFIO_MP_ARGUMENT"],
    ["DPDK's prefix 7", () => join({ prefix: 7 }), "ERR_VFIO_SOCKET_PREFIX"],
  ])("is not told by %s", async (_name, action, code) => {
    expect((await failureOf(action))[0]).toBe(code);
  });
});
