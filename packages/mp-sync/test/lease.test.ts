import fs, { openSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import {
  createMemoryFile,
  Fd,
  kernel,
  openFile,
  SeqpacketSocket,
  systemPageBytes,
  useKernel,
} from "@vfio/ioctl-native";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FdServer } from "../src/index.js";
import {
  LEASE_WINDOW,
  type DmaLease,
  type DmaRequest,
  type FdServerOptions,
  type LeaseOptions,
} from "../src/index.js";
import { encodeTerms } from "../src/wire/lease-messages.js";
import { errorOf, expectError } from "./support/errors.js";
import { expectNoFdLeft, someFile } from "./support/fds.js";
import { useFolder } from "./support/folder.js";
import { ReferencedWatches, WatchedKernel } from "./support/kernel.js";
import { ANYWHERE, given, joined, peer, primary, usePeer } from "./support/primary.js";
import { int, JoinedScript, next, spell, type ScriptedReply } from "./support/wire.js";

useFolder();
expectNoFdLeft();

let watched: WatchedKernel;
let memory: Fd;
beforeEach(() => {
  watched = new WatchedKernel();
  memory = someFile();
});
afterEach(() => {
  expect([...watched.mapped]).toEqual([]);
  watched[Symbol.dispose]();
  memory.close();
});
usePeer();

/** <asm-generic/fcntl.h>, with O_DIRECTORY; Node has no name for it. */
const O_TMPFILE = 0o20200000;
const CONFLICT = "ERR_VFIO_LEASE_CONFLICT";
const GONE = "ERR_VFIO_PRIMARY_GONE";
const REFUSED = "ERR_VFIO_LEASE_REFUSED";
const mappedInThisProcess = (): number => readFileSync("/proc/self/maps", "utf8").split("/memfd:").length - 1;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const request = (more: Partial<DmaRequest> = {}): DmaRequest => ({
  file: memory,
  iova: 0x10000n,
  bytes: 4096,
  ...more,
});
const lease = (more?: Partial<DmaRequest>): Promise<DmaLease> => peer.mapDma(request(more));

/** A lease is refused with the kernel's errno or the primary's, and with the remedy. */
async function expectRefusal(more: Partial<DmaRequest>, errno: string, hint = ""): Promise<void> {
  const error = await expectError(() => lease(more), REFUSED, `for DMA: ${errno}`, hint);
  expect(error.cause).toMatchObject({ code: errno });
}

const lastEvent = async (count: number): Promise<string | undefined> => (await primary.told(count)).at(-1);

describe("a DMA lease", () => {
  it("maps the memory as long as it is held, and giving it back unmaps it before the answer", async () => {
    const held = await lease();
    expect([...watched.mapped]).toEqual([[0x10000n, 0x11000n]]);
    expect(primary.server.leases).toEqual([{ iova: 0x10000n, bytes: 4096, pid: process.pid }]);
    expect([held.iova, held.bytes, held.closed]).toEqual([0x10000n, 4096, false]);
    await held.release();
    expect([...watched.mapped]).toEqual([]);
    expect(held.closed).toBe(true);
    await held.release();
    held.close();
    expect(await primary.told(3)).toEqual(["container: OK", "lease: OK", "lease ended: released"]);
  });

  it.each<[string, (lease: DmaLease) => void]>([
    ["it is closed", (lease) => lease.close()],
    ["its peer is closed", () => peer.close()],
  ])("when %s ends without waiting: the primary unmaps it", async (_name, end) => {
    end(await lease());
    expect(await primary.told(3)).toEqual(["container: OK", "lease: OK", "lease ended: left"]);
    expect(primary.server.leases).toEqual([]);
  });

  it("does not run out of time, and takes no place of those being served", async () => {
    await joined({ maxClients: 1, timeoutMs: 50 });
    await using _first = await lease();
    await using _second = await lease({ iova: 0x20000n });
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(primary.server.clients).toBe(0);
    expect(primary.server.leases).toHaveLength(2);
    expect((await peer.group(7)).number).toBe(7);
  });

  it.each<[string, (server: FdServer) => void | PromiseLike<void>]>([
    ["closed", (server) => server.close()],
    ["disposed with await", (server) => server[Symbol.asyncDispose]()],
  ])("when the server is %s, is unmapped at once, and its holder is told", async (_name, end) => {
    const held = await lease();
    const lost = new Promise((resolve) => held.lost.addEventListener("abort", resolve));
    await end(primary.server);
    expect([...watched.mapped]).toEqual([]);
    await lost;
    expect(held.lost.reason).toMatchObject({ code: GONE });
    expect(String(held.lost.reason)).toContain("ended the DMA lease on IOVA 0x10000 to 0x10fff");
    expect(held.closed).toBe(true);
    expect(await lastEvent(3)).toBe("lease ended: closed");
  });

  it("that overlaps another is refused, and the error names the other and its process", async () => {
    using file = someFile();
    await using _lease = await lease();
    const text = `cannot map IOVA 0xf000 to 0x10fff for DMA: process ${process.pid} has a lease on IOVA 0x10000 to 0x10fff`;
    await expectError(() => lease({ file, iova: 0xf000n, bytes: 8192 }), CONFLICT, text);
    expect(await lastEvent(3)).toBe("lease: ERR");
  });

  it("beside another, up to the last byte, is granted", async () => {
    await using _before = await lease({ iova: 0xf000n });
    await using _between = await lease();
    await using _behind = await lease({ iova: 0x11000n });
    await using _last = await lease({ iova: 2n ** 64n - 4096n });
    expect(watched.mapped.size).toBe(4);
  });

  it("where a mapping of the primary's own is, is refused by the kernel, and the error says so", async () => {
    watched.mapped.set(0x10000n, 0x11000n);
    const before = mappedInThisProcess();
    await expectError(lease, CONFLICT, "a mapping that is not a lease is there");
    expect(mappedInThisProcess()).toBe(before);
    watched.mapped.clear();
    expect(primary.server.leases).toEqual([]);
  });

  const USUAL = { leases: undefined };
  const BY_HAND: LeaseOptions = { window: { start: 0x20000n, end: 0x2ffffn } };
  it.each<[string, Partial<FdServerOptions>, Partial<DmaRequest>, string, string]>([
    ["outside the window", { leases: BY_HAND }, {}, "ERANGE", "inside the primary's window"],
    [
      "before the usual window",
      USUAL,
      { iova: LEASE_WINDOW.start - 4096n },
      "ERANGE",
      "0x80000000 to 0xbfffffff",
    ],
    ["behind the usual window", USUAL, { iova: LEASE_WINDOW.end + 1n }, "ERANGE", "0x80000000 to 0xbfffffff"],
    ["beyond all that may be leased", { leases: { ...ANYWHERE, maxBytes: 4095 } }, {}, "EFBIG", "maxBytes"],
    ["beyond the end of the file", {}, { bytes: 8192 }, "ENXIO", "beyond the end"],
    ["at an offset that is no page", {}, { offset: 1 }, "EINVAL", "multiples of the page size"],
    ["at an IOVA that is no page", {}, { iova: 1n }, "EINVAL", "multiples of the page size"],
  ])("%s is refused, with the remedy", async (_name, options, more, errno, hint) => {
    await joined(options);
    await expectRefusal(more, errno, hint);
    expect(primary.server.leases).toEqual([]);
  });

  it.each([
    ["first", LEASE_WINDOW.start],
    ["last", LEASE_WINDOW.end - 4095n],
  ])("at the %s address of the usual window is granted", async (_name, iova) => {
    await joined(USUAL);
    await using granted = await lease({ iova });
    expect(granted.iova).toBe(iova);
  });

  it.each<[string, LeaseOptions, string, string]>([
    ["bytes that may be leased", { maxBytes: 4096 }, "EFBIG", "maxBytes"],
    ["leases there may be", { maxLeases: 1 }, "EMFILE", "maxLeases"],
  ])("up to all %s is granted, and no more until one is given back", async (_name, limits, errno, hint) => {
    await joined({ leases: { ...ANYWHERE, ...limits } });
    const first = await lease();
    await expectRefusal({ iova: 0n }, errno, hint);
    await first.release();
    await using _second = await lease({ iova: 0n });
    expect(primary.server.leases).toHaveLength(1);
  });

  it.each(["/etc/hostname", "/proc/self/status", "/dev/zero"])(
    "of a file that is no anonymous memory is refused: its filesystem could keep the primary waiting (%s)",
    async (path) => {
      using file = new Fd(openSync(path, "r"), "a file");
      await expectRefusal({ file, access: "read-only" }, "EBADF", "memfd_create");
    },
  );

  it("of more memory than the primary's machine has left is refused: pinning would take what the secondary did not", async () => {
    const bytes = 64 << 20;
    using file = createMemoryFile({ bytes, pageBytes: systemPageBytes() });
    const real = kernel();
    const meminfo = "MemTotal: 65536 kB\nMemAvailable: 32768 kB\n";
    using _kernel = useKernel({
      ...real,
      readText: (path) => (path === "/proc/meminfo" ? meminfo : real.readText(path)),
    });
    await expectRefusal({ file, bytes }, "ENOMEM", "memory is short");
  });

  it("of a file in memory that only has the name of anonymous memory is refused, and its filesystem is asked nothing", async () => {
    const asked: string[] = [];
    const ask = (what: string) => (): number => (asked.push(what), -5);
    using file = openFile("/dev/shm", { flags: O_TMPFILE | fs.constants.O_RDWR });
    using _kernel = useKernel({
      ...kernel(),
      readLink: () => "/memfd:vfio-dma (deleted)",
      stat: ask("stat"),
      filesystem: ask("statfs"),
      filesystemOf: ask("fstatfs"),
    });
    await expectRefusal({ file }, "EBADF");
    expect(asked).toEqual([]);
  });

  it.each<[string, Partial<DmaRequest>]>([
    ["no bytes", { bytes: 0 }],
    ["half a byte", { bytes: 0.5 }],
    ["a negative IOVA", { iova: -4096n }],
    ["an IOVA that is a number", { iova: 4096 as unknown as bigint }],
    ["an end beyond 64 bits", { iova: 2n ** 64n - 4096n, bytes: 8192 }],
    ["a negative offset", { offset: -4096 }],
  ])("of %s is refused before anybody is asked", async (_name, more) => {
    await expectError(() => lease(more), "ERR_VFIO_LEASE_RANGE");
    expect(await primary.told(1)).toEqual(["container: OK"]);
  });

  it("that the kernel refuses to unmap: the secondary has an error, the primary an event with the kernel's", async () => {
    const held = await lease();
    watched.refuses = -5;
    await expectError(() => held.release(), REFUSED, "failed to unmap IOVA 0x10000 to 0x10fff");
    watched.refuses = undefined;
    watched.mapped.clear();
    expect(await lastEvent(3)).toBe("lease ended: failed");
    expect(primary.events[2]).toMatchObject({ error: { code: "EIO" } });
  });
});

describe("a primary that is busy, ends, or has trouble of its own", () => {
  it("finds the terms only when their time is up: the lease is granted, and stays", async () => {
    await given({ timeoutMs: 50 });
    using socket = SeqpacketSocket.connect(primary.path);
    socket.send(int(0x10004));
    while (primary.server.clients === 0) await nextTurn();
    socket.send(encodeTerms({ iova: 0x10000n, bytes: 4096, offset: 0, access: "read-write" }), [memory.fd]);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    expect(spell(await next(socket))).toBe("00000000+0fd");
    expect(spell(await next(socket, 24))).toBe(`${"00".repeat(24)}+0fd`);
    await nextTurn();
    expect(primary.server.leases).toHaveLength(1);
    expect(await primary.told(1)).toEqual(["lease: OK"]);
  });

  it("unmaps the leases, too, when the process ends while the server waits for its last clients", async () => {
    const [atExit] = process.listeners("exit").slice(-1);
    await lease();
    using hanging = SeqpacketSocket.connect(primary.path);
    while (primary.server.clients === 0) await nextTurn();
    const closing = primary.server[Symbol.asyncDispose]();
    expect(watched.mapped.size).toBe(1);
    atExit?.(0);
    expect([...watched.mapped]).toEqual([]);
    hanging.close();
    await closing;
    expect(process.listeners("exit")).not.toContain(atExit);
  });

  it("keeps the process alive for the listener and the leaseholders, and unref'd for neither", async () => {
    using alive = new ReferencedWatches();
    await joined();
    await using _before = await lease();
    expect(alive.count).toBe(2);
    primary.server.unref();
    expect(alive.count).toBe(0);
    await using _after = await lease({ iova: 0x20000n });
    expect(alive.count).toBe(0);
    primary.server.ref();
    expect(alive.count).toBe(3);
  });

  it("has no mapping any more when the lease is given back: both are told", async () => {
    const held = await lease();
    watched.mapped.clear();
    await expectError(() => held.release(), REFUSED);
    expect(await lastEvent(3)).toBe("lease ended: failed");
    const { error } = primary.events[2] as { error?: unknown };
    expect(error).toMatchObject({ code: "ERR_VFIO_LEASE_LOST" });
    expect(String(error)).toContain("only 0 of 4096 bytes were still mapped: IOVA 0x10000 to 0x10fff");
  });

  it("has closed its container: a lease is refused, and the error says so", async () => {
    primary.container.close();
    await expectRefusal({}, "ENODEV", "closed its container");
  });

  it("has a container whose bare fd was closed: the same", async () => {
    watched.refuses = -constants.errno.EBADF;
    await expectRefusal({}, "ENODEV");
    watched.refuses = undefined;
  });
});

describe("a primary while the kernel maps or unmaps a lease's memory, which may take long", () => {
  it("serves others, counts the time as its own, keeps the place, and then grants it", async () => {
    await joined({ timeoutMs: 50 });
    const open = watched.hold("busy");
    const mapping = lease();
    while (primary.server.leases.length === 0) await nextTurn();
    expect((await peer.group(7)).number).toBe(7);
    await expectError(lease, CONFLICT);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(primary.server.clients).toBe(1);
    open();
    await using held = await mapping;
    expect(held.lost.aborted).toBe(false);
    expect([...watched.mapped]).toEqual([[0x10000n, 0x11000n]]);
  });

  it("is closed: what is mapped after that is unmapped at once", async () => {
    const open = watched.hold("busy");
    const refused = errorOf(lease);
    while (primary.server.leases.length === 0) await nextTurn();
    primary.server.close();
    expect((await refused).code).toBe(GONE);
    open();
    while (primary.server.leases.length > 0) await nextTurn();
    expect([...watched.mapped]).toEqual([]);
  });

  it("loses the client meanwhile: what was mapped for it is unmapped", async () => {
    const open = watched.hold("busy");
    const refused = errorOf(lease);
    while (primary.server.leases.length === 0) await nextTurn();
    peer.close();
    expect((await refused).code).toBe("ERR_VFIO_CLOSED");
    open();
    expect(await lastEvent(2)).toBe("lease ended: left");
    expect([primary.server.leases, [...watched.mapped]]).toEqual([[], []]);
  });

  it.each([
    ["begins", "busy"],
    ["has unmapped it", "late"],
  ] as const)(
    "is closed before the kernel %s: afterwards nothing is mapped, and nobody is said to have lost anything",
    async (_name, when) => {
      const before = mappedInThisProcess();
      const held = await lease();
      const open = watched.hold(when);
      const releasing = errorOf(() => held.release());
      while (primary.server.leases.length > 0 && watched.waiting === 0) await nextTurn();
      primary.server.close();
      expect([...watched.mapped]).toEqual([]);
      open();
      expect((await releasing).code).toBe(GONE);
      expect(await lastEvent(3)).toBe("lease ended: closed");
      expect("error" in primary.events[2]!).toBe(false);
      while (mappedInThisProcess() > before) await nextTurn();
    },
  );
});

describe("a container that loses its last group, and with it all mappings", () => {
  const lossOf = ({ lost }: { lost: AbortSignal }): Promise<unknown> =>
    new Promise((resolve) => lost.addEventListener("abort", () => resolve(lost.reason)));

  it("ends its leases, and each holder is told", async () => {
    const leases = [await lease(), await lease({ iova: 0x20000n })];
    watched.loseGroups();
    const reasons = await Promise.all(leases.map(lossOf));
    for (const reason of reasons) expect(reason).toMatchObject({ code: GONE });
    expect((await primary.told(5)).slice(3)).toEqual(["lease ended: lost", "lease ended: lost"]);
    const { error } = primary.events[4] as { error?: unknown };
    expect(error).toMatchObject({ code: "ERR_VFIO_LEASE_LOST" });
    expect(String(error)).toContain("only 0 of 4096 bytes were still mapped");
    expect(primary.server.leases).toEqual([]);
  });

  it("and has another group when it is looked at next: the same, and nothing is mapped in secret", async () => {
    const held = await lease();
    const told = lossOf(held);
    watched.mapped.clear();
    await told;
    expect([...watched.mapped]).toEqual([]);
    expect(await lastEvent(3)).toBe("lease ended: lost");
  });

  it("and tells of a group that joins: the leases are ended before that group's devices can be opened", async () => {
    let tell = (): void => undefined;
    let listening = 0;
    const onGroupAdded = (listener: () => void): Disposable => {
      listening++;
      tell = listener;
      return { [Symbol.dispose]: () => (listening -= 1) };
    };
    using file = someFile();
    await joined({ container: { fd: file.fd, onGroupAdded } });
    await lease();
    tell();
    expect(primary.server.leases).toHaveLength(1);
    watched.mapped.clear();
    tell();
    expect(primary.server.leases).toEqual([]);
    primary.server.close();
    expect(listening).toBe(0);
  });

  it("keeps no memory of a lease that is released then, nor its place", async () => {
    const before = mappedInThisProcess();
    for (let round = 0; round < 5; round++) {
      const held = await lease();
      watched.loseGroups();
      await expectError(() => held.release(), REFUSED);
      watched.hasIommu = true;
    }
    expect(mappedInThisProcess()).toBe(before);
    expect(primary.server.leases).toEqual([]);
  });
});

describe("a lease whose state the kernel does not tell", () => {
  it.each([
    ["EIO", -constants.errno.EIO],
    ["EINVAL, with an IOMMU there", -constants.errno.EINVAL],
  ])("(%s) goes on, and stays in the book and in memory until it can be unmapped", async (_name, errno) => {
    const before = mappedInThisProcess();
    const held = await lease();
    watched.refuses = errno;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(held.lost.aborted).toBe(false);
    await expectError(() => held.release(), REFUSED);
    expect(await lastEvent(3)).toBe("lease ended: failed");
    expect(primary.server.leases).toEqual([{ iova: 0x10000n, bytes: 4096, pid: process.pid }]);
    expect(mappedInThisProcess()).toBe(before + 1);
    watched.refuses = undefined;
    primary.server.close();
    expect([primary.server.leases, [...watched.mapped]]).toEqual([[], []]);
    expect(mappedInThisProcess()).toBe(before);
  });
});

describe("a secondary", () => {
  it("that gives its lease back twice at once waits for the same", async () => {
    const held = await lease();
    await Promise.all([held.release(), held.release()]);
    expect(await primary.told(3)).toEqual(["container: OK", "lease: OK", "lease ended: released"]);
  });

  it("whose system has no more watches has no lease and no connection, and the primary unmaps", async () => {
    const real = kernel();
    let verdictIsHere = false;
    using _full = useKernel({
      ...real,
      socketReceive: (fd, maxBytes, maxFds) => {
        const packet = real.socketReceive(fd, maxBytes, maxFds);
        verdictIsHere = typeof packet !== "number" && packet.bytes.length === 24;
        return packet;
      },
      watch: (fd, forWriting, callback) =>
        verdictIsHere ? -constants.errno.ENOSPC : real.watch(fd, forWriting, callback),
    });
    await expectError(lease, "ENOSPC");
    expect(await lastEvent(3)).toBe("lease ended: left");
  });

  it("whose system cannot wait while it gives its lease back is told of that, and not that the primary is gone", async () => {
    const held = await lease();
    const real = kernel();
    const full = useKernel({ ...real, watch: () => -constants.errno.ENOSPC });
    const releasing = errorOf(() => held.release());
    full[Symbol.dispose]();
    expect((await releasing).code).toBe("ENOSPC");
    expect(held.closed).toBe(true);
    await primary.told(3);
  });
});

describe("given a primary that ends in the middle of a lease", () => {
  const ok: ScriptedReply = { bytes: int(0) };
  it.each<[string, readonly ScriptedReply[], string]>([
    ["before its OK", [], GONE],
    ["before its verdict", [ok], GONE],
    ["with half a verdict", [ok, { bytes: new Uint8Array(23) }], "ERR_VFIO_PROTOCOL"],
    ["with a verdict above 0", [ok, { bytes: new Uint8Array(24).fill(1) }], "ERR_VFIO_PROTOCOL"],
  ])("%s: a typed error", async (_name, sends, code) => {
    await using primary = await JoinedScript.play({ takes: 2, sends });
    await expectError(() => primary.peer.mapDma(request()), code);
  });

  it("when the lease is given back: ERR_VFIO_PRIMARY_GONE, and it is closed", async () => {
    await using primary = await JoinedScript.play({ takes: 2, sends: [ok, { bytes: new Uint8Array(24) }] });
    const held = await primary.peer.mapDma(request());
    await expectError(() => held.release(), GONE);
    expect(held.closed).toBe(true);
  });
});
