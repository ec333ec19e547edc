import { describe, expect, it } from "vitest";
import {
  connectToPrimary,
  dpdkRuntimeDirectory,
  FdServer,
  joinDpdkPrimary,
  socketPath,
} from "../src/index.js";
import { expectError } from "./support/errors.js";
import { expectNoFdLeft, someFile } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { peer, primary, usePeer } from "./support/primary.js";

useFolder();
expectNoFdLeft();

/** What no type check of TypeScript would let through, and what JavaScript does all the same. */
type Anything = (...values: readonly unknown[]) => unknown;
const listen = FdServer.listen.bind(FdServer) as Anything;

const ARGUMENT = "ERR_VFIO_MP_ARGUMENT";
const FD = "ERR_VFIO_FD";
const LEASES = "ERR_VFIO_LEASES";
const MEMORIES = "ERR_VFIO_MEMORIES";
const NUMBER = "ERR_VFIO_GROUP_NUMBER";
const PATH = "ERR_VFIO_SOCKET_PATH";
const PREFIX = "ERR_VFIO_SOCKET_PREFIX";
const TIME = "ERR_VFIO_TIMEOUT_RANGE";

describe("a primary", () => {
  it.each<[string, unknown[], string]>([
    ["without options", [], "FdServer.listen() must be an object, not undefined"],
    ["null for options", [null], "not null"],
    ["empty options", [{}], "groups must be an array, not undefined"],
  ])("given %s, refuses it with a code", async (_name, args, words) => {
    await expectError(() => listen(...args), ARGUMENT, words);
  });

  const file = { fd: 1 };
  const manyMemories = Array.from({ length: 1025 }, () => ({ file, description: new Uint8Array() }));
  it.each<[string, object, string, string]>([
    ["no container", { container: undefined }, FD, "the container has undefined"],
    ["a number as container", { container: 3 }, FD, "the container has 3"],
    ["a container without fd", { container: {} }, FD, "has undefined where"],
    ["a container with fd '3'", { container: { fd: "3" } }, FD, "has '3' where"],
    ["a container with fd 2^31", { container: { fd: 2 ** 31 } }, FD, "2147483648"],
    ["one group alone", { groups: { fd: 1, number: 7 } }, ARGUMENT, "groups must be an array, not [Object]"],
    ["null as a group", { groups: [null] }, ARGUMENT, "a group to share"],
    ["a container with fd -1", { container: { fd: -1 } }, FD, "the container has -1"],
    ["a group with fd NaN", { groups: [{ fd: NaN, number: 4 }] }, FD, "group 4 has NaN"],
    ["a group -1", { groups: [{ fd: 0, number: -1 }] }, NUMBER, "-1 is not the number"],
    ["a group '7'", { groups: [{ fd: 1, number: "7" }] }, NUMBER, "'7' is not"],
    ["a memory alone", { memories: 7 }, ARGUMENT, "memories must be an array"],
    ["no memory", { memories: [undefined] }, ARGUMENT, "a memory to share"],
    ["a memory without file", { memories: [{ description: new Uint8Array() }] }, FD, ""],
    [
      "text to describe a memory",
      { memories: [{ file, description: "2 MiB" }] },
      "ERR_VFIO_MEMORIES",
      "not '2",
    ],
    [
      "a description of 65537 bytes",
      { memories: [{ file, description: new Uint8Array(65_537) }] },
      MEMORIES,
      "description has 65537 bytes",
    ],
    ["1025 memories", { memories: manyMemories }, MEMORIES, "1024 memories are shared already"],
    ["a device alone", { devices: "0000:00:10.0" }, ARGUMENT, "devices must be"],
    ["no device", { devices: [7] }, ARGUMENT, "a device to tell of"],
    ["a device 7", { devices: [{ bdf: 7, group: 1 }] }, "ERR_VFIO_DEVICES", "7 cannot be"],
    ["leases null", { leases: null }, ARGUMENT, "an object or false, not null"],
    ["leases true", { leases: true }, ARGUMENT, "not true"],
    ["a window 7", { leases: { window: 7 } }, ARGUMENT, "start and end, not 7"],
    ["a window backwards", { leases: { window: { start: 2n, end: 1n } } }, LEASES, "from 2n to 1n"],
    ["a window beyond 64 bits", { leases: { window: { start: 0n, end: 2n ** 64n } } }, LEASES, "64 bits"],
    ["no leases at once", { leases: { maxLeases: 0 } }, LEASES, "maxLeases of leases is 0"],
    ["NaN bytes to lease", { leases: { maxBytes: NaN } }, LEASES, "maxBytes of leases is NaN"],
    ["a symbol as limit", { leases: { maxBytes: Symbol("x") } }, LEASES, "Symbol(x)"],
    ["a policy that is none", { allow: true }, ARGUMENT, "allow must be a function"],
    ["a listener that is none", { onEvent: {} }, ARGUMENT, "onEvent must be"],
    ["a time of 0", { timeoutMs: 0 }, TIME, "a timeout of 0 ms"],
    ["a time of NaN", { timeoutMs: NaN }, TIME, "a timeout of NaN ms"],
    ["a time of 2^31", { timeoutMs: 2 ** 31 }, TIME, "at most 2147483647"],
    ["a time just above Node's longest", { timeoutMs: 2 ** 31 - 0.5 }, TIME, "at most 2147483647"],
    ["a time as text", { timeoutMs: "5" }, TIME, "a timeout of '5' ms"],
    ["0 clients", { maxClients: 0 }, "ERR_VFIO_MAX_CLIENTS", "maxClients is 0"],
    ["clients as text", { maxClients: "5" }, "ERR_VFIO_MAX_CLIENTS", "maxClients is '5'"],
    ["path 7", { path: 7 }, PATH, "7 cannot be the path of a socket"],
    ["an empty path", { path: "" }, PATH, "'' cannot be"],
    ["a path with a NUL", { path: "a\0b" }, PATH, "a\\x00b"],
    ["a long path", { path: `/${"x".repeat(107)}` }, PATH, "108 bytes long"],
    ["prefix a/b", { path: undefined, prefix: "a/b" }, PREFIX, "'a/b'"],
    ["prefix 7", { path: undefined, prefix: 7 }, PREFIX, "7 cannot be a prefix"],
  ])("given %s, refuses it with a code", async (_name, options, code, words) => {
    using container = someFile();
    await expectError(() => listen({ container, groups: [], path: freshPath(), ...options }), code, words);
  });
});

describe("a secondary", () => {
  it.each<[string, unknown, string]>([
    ["null for options", null, ARGUMENT],
    ["a path for options", "/run/my.sock", ARGUMENT],
    ["path 7", { path: 7 }, PATH],
    ["a path with a NUL", { path: "a\0" }, PATH],
    ["a long path", { path: "x".repeat(4096) }, PATH],
    ["a time as text", { path: "/x", timeoutMs: "5" }, TIME],
    ["a signal that is none", { path: "/x", signal: {} }, ARGUMENT],
    ["a verifier that is none", { path: "/x", verify: true }, ARGUMENT],
  ])("given %s, refuses it with a code", async (_name, options, code) => {
    await expectError(() => (connectToPrimary as Anything)(options), code);
  });
});

describe("a primary and a secondary of it", () => {
  usePeer();
  const file = { fd: 1 };
  const call = (object: object, method: string, args: readonly unknown[]): unknown =>
    (object as Record<string, Anything>)[method]!(...args);

  it.each([
    ["addGroup", undefined],
    ["addMemory", null],
    ["addDevice", "0000:00:10.0"],
  ])("refuse to %s what is none", async (method, value) => {
    await expectError(() => call(primary.server, method, [value]), ARGUMENT);
  });

  it.each<[string, string, unknown[], string]>([
    ["group()", "group", [], NUMBER],
    ["group('7')", "group", ["7"], NUMBER],
    ["group(7, null)", "group", [7, null], ARGUMENT],
    ["memory(7)", "memory", [7], ARGUMENT],
    ["hello({ signal: 7 })", "hello", [{ signal: 7 }], ARGUMENT],
    ["devices({ timeoutMs: null })", "devices", [{ timeoutMs: null }], TIME],
    ["mapDma()", "mapDma", [], ARGUMENT],
    ["mapDma({})", "mapDma", [{}], FD],
    ["mapDma of no IOVA", "mapDma", [{ file, bytes: 1 }], "ERR_VFIO_LEASE_RANGE"],
    ["mapDma for 'rw'", "mapDma", [{ file, iova: 0n, bytes: 1, access: "rw" }], "ERR_VFIO_LEASE_RANGE"],
  ])("given %s: a code, and nothing is sent", async (_name, method, args, code) => {
    await expectError(() => call(peer, method, args), code);
    expect(await primary.told(1)).toEqual(["container: OK"]);
  });
});

describe("where primary and secondary meet", () => {
  const join = joinDpdkPrimary as Anything;
  it.each<[string, Anything, unknown, string]>([
    ["a socket's path of null", socketPath as Anything, null, ARGUMENT],
    ["DPDK's directory of null", dpdkRuntimeDirectory as Anything, null, ARGUMENT],
    ["DPDK's directory 7", join, { directory: 7 }, PATH],
    ["DPDK's directory ''", join, { directory: "" }, PATH],
    ["DPDK's directory with a NUL", join, { directory: "/run\0" }, PATH],
    ["DPDK's directory and a signal 7", join, { directory: "/x", signal: 7 }, ARGUMENT],
    ["DPDK's directory and a time as text", join, { directory: "/x", timeoutMs: "5" }, TIME],
    ["DPDK's directory and no verifier", join, { directory: "/x", verify: 5 }, ARGUMENT],
    ["DPDK's prefix 7", join, { prefix: 7 }, PREFIX],
  ])("is not told by %s", async (_name, call, options, code) => {
    await expectError(() => call(options), code);
  });
});
