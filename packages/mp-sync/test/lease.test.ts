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
import {
  connectToPrimary,
  FdServer,
  LEASE_WINDOW,
  type DmaRequest,
  type FdServerOptions,
  type PrimaryPeer,
} from "../src/index.js";
import { encodeTerms } from "../src/wire/lease-messages.js";
import { errorOf } from "./support/errors.js";
import { expectNoFdLeft, someFile } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { ReferencedWatches, WatchedKernel } from "./support/kernel.js";
import { ANYWHERE, TestPrimary } from "./support/primary.js";
import { int, next, ScriptedPrimary, spell, type ScriptedReply } from "./support/wire.js";

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

/** <asm-generic/fcntl.h>, with O_DIRECTORY; Node has no name for it. */
const O_TMPFILE = 0o20200000;
const mappedInThisProcess = (): number => readFileSync("/proc/self/maps", "utf8").split("/memfd:").length - 1;
const verify = (): void => undefined;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const connect = (path: string): Promise<PrimaryPeer> => connectToPrimary({ path, verify });
const request = (more: Partial<DmaRequest> = {}): DmaRequest => ({
  file: memory,
  iova: 0x10000n,
  bytes: 4096,
  ...more,
});

describe("a DMA lease", () => {
  it("maps the memory as long as it is held, and giving it back unmaps it before the answer", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const lease = await peer.mapDma(request());
    expect([...watched.mapped]).toEqual([[0x10000n, 0x11000n]]);
    expect(primary.server.leases).toEqual([{ iova: 0x10000n, bytes: 4096, pid: process.pid }]);
    expect([lease.iova, lease.bytes, lease.closed]).toEqual([0x10000n, 4096, false]);
    await lease.release();
    expect([...watched.mapped]).toEqual([]);
    expect(lease.closed).toBe(true);
    await lease.release();
    lease.close();
    expect(await primary.told(3)).toEqual(["container: OK", "lease: OK", "lease ended: released"]);
  });

  it.each<[string, (peer: PrimaryPeer) => Promise<void>]>([
    ["closing it", async (peer) => (await peer.mapDma(request())).close()],
    [
      "closing its peer",
      async (peer) => {
        await peer.mapDma(request());
        peer.close();
      },
    ],
  ])("when %s ends it without waiting: the primary unmaps it", async (_name, end) => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    await end(peer);
    expect(await primary.told(3)).toEqual(["container: OK", "lease: OK", "lease ended: left"]);
    expect(primary.server.leases).toEqual([]);
  });

  it("does not run out of time, and takes no place of those being served", async () => {
    using primary = await TestPrimary.start({ maxClients: 1, timeoutMs: 50 });
    using peer = await connect(primary.path);
    await using _first = await peer.mapDma(request());
    await using _second = await peer.mapDma(request({ iova: 0x20000n }));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(primary.server.clients).toBe(0);
    expect(primary.server.leases).toHaveLength(2);
    expect((await peer.group(7)).number).toBe(7);
  });

  it.each<[string, (server: FdServer) => void | PromiseLike<void>]>([
    ["closed", (server) => server.close()],
    ["disposed with await", (server) => server[Symbol.asyncDispose]()],
  ])("when the server is %s, is unmapped at once, and its holder is told", async (_name, end) => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const lease = await peer.mapDma(request());
    const lost = new Promise((resolve) => lease.lost.addEventListener("abort", resolve));
    await end(primary.server);
    expect([...watched.mapped]).toEqual([]);
    await lost;
    expect(lease.lost.reason).toMatchObject({ code: "ERR_VFIO_PRIMARY_GONE" });
    expect(String(lease.lost.reason)).toContain("ended the DMA lease on IOVA 0x10000 to 0x10fff");
    expect(lease.closed).toBe(true);
    expect((await primary.told(3)).at(-1)).toBe("lease ended: closed");
  });

  it("that overlaps another is refused, and the error names the other and its process", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    using file = someFile();
    await using _lease = await peer.mapDma(request());
    const error = await errorOf(() => peer.mapDma(request({ file, iova: 0xf000n, bytes: 8192 })));
    expect(error.code).toBe("ERR_VFIO_LEASE_CONFLICT");
    expect(error.message).toContain("cannot map IOVA 0xf000 to 0x10fff for DMA");
    expect(error.message).toContain(`process ${process.pid} has a lease on IOVA 0x10000 to 0x10fff`);
    expect((await primary.told(3)).at(-1)).toBe("lease: ERR");
  });

  it("beside another, up to the last byte, is granted", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    await using _before = await peer.mapDma(request({ iova: 0xf000n }));
    await using _between = await peer.mapDma(request());
    await using _behind = await peer.mapDma(request({ iova: 0x11000n }));
    await using _last = await peer.mapDma(request({ iova: 2n ** 64n - 4096n }));
    expect(watched.mapped.size).toBe(4);
  });

  it("where a mapping of the primary's own is, is refused by the kernel, and the error says so", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    watched.mapped.set(0x10000n, 0x11000n);
    const before = mappedInThisProcess();
    const error = await errorOf(() => peer.mapDma(request()));
    expect(mappedInThisProcess()).toBe(before);
    watched.mapped.clear();
    expect(error.code).toBe("ERR_VFIO_LEASE_CONFLICT");
    expect(error.message).toContain("a mapping that is no lease is there");
    expect(primary.server.leases).toEqual([]);
  });

  it.each<[string, Partial<FdServerOptions>, Partial<DmaRequest>, string, string]>([
    [
      "outside the window",
      { leases: { window: { start: 0x20000n, end: 0x2ffffn } } },
      {},
      "ERANGE",
      "inside the window",
    ],
    ["beyond all that may be leased", { leases: { ...ANYWHERE, maxBytes: 4095 } }, {}, "EFBIG", "maxBytes"],
    ["beyond the end of the file", {}, { bytes: 8192 }, "ENXIO", "beyond the end"],
    ["at an offset that is no page", {}, { offset: 1 }, "EINVAL", "multiples of the page size"],
    ["at an IOVA that is no page", {}, { iova: 1n }, "EINVAL", "multiples of the page size"],
  ])("%s is refused, with the remedy", async (_name, options, more, errno, hint) => {
    using primary = await TestPrimary.start(options);
    using peer = await connect(primary.path);
    const error = await errorOf(() => peer.mapDma(request(more)));
    expect(error.code).toBe("ERR_VFIO_LEASE_REFUSED");
    expect(error.message).toContain(`for DMA: ${errno}`);
    expect(error.hint).toContain(hint);
    expect(error.cause).toMatchObject({ code: errno });
    expect(primary.server.leases).toEqual([]);
  });

  it("of all that may be leased is granted, and not one page more", async () => {
    using primary = await TestPrimary.start({ leases: { ...ANYWHERE, maxBytes: 4096 } });
    using peer = await connect(primary.path);
    await using _all = await peer.mapDma(request());
    const error = await errorOf(() => peer.mapDma(request({ iova: 0n })));
    expect(error.message).toContain("for DMA: EFBIG");
  });

  it("beyond the number of leases is refused, until one is given back", async () => {
    using primary = await TestPrimary.start({ leases: { ...ANYWHERE, maxLeases: 1 } });
    using peer = await connect(primary.path);
    const first = await peer.mapDma(request());
    const error = await errorOf(() => peer.mapDma(request({ iova: 0n })));
    expect(error.message).toContain("for DMA: EMFILE");
    expect(error.hint).toContain("maxLeases");
    await first.release();
    await using _second = await peer.mapDma(request({ iova: 0n }));
    expect(primary.server.leases).toHaveLength(1);
  });

  it.each(["/etc/hostname", "/proc/self/status", "/dev/zero"])(
    "of a file that is no anonymous memory is refused: its filesystem could keep the primary waiting (%s)",
    async (path) => {
      using primary = await TestPrimary.start();
      using peer = await connect(primary.path);
      using file = new Fd(openSync(path, "r"), "a file");
      const error = await errorOf(() => peer.mapDma(request({ file, access: "read-only" })));
      expect(error.message).toContain("for DMA: EBADF");
      expect(error.hint).toContain("memfd_create");
    },
  );

  it("of more memory than the primary's machine has left is refused: pinning would take what the secondary did not", async () => {
    const bytes = 64 << 20;
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    using file = createMemoryFile({ bytes, pageBytes: systemPageBytes() });
    const real = kernel();
    const meminfo = "MemTotal: 65536 kB\nMemAvailable: 32768 kB\n";
    using _kernel = useKernel({
      ...real,
      readText: (path) => (path === "/proc/meminfo" ? meminfo : real.readText(path)),
    });

    const error = await errorOf(() => peer.mapDma(request({ file, bytes })));

    expect(error.message).toContain("for DMA: ENOMEM");
    expect(error.hint).toContain("memory is short");
  });

  it("of a file in memory that only has the name of anonymous memory is refused, and its filesystem is asked nothing", async () => {
    const asked: string[] = [];
    const ask = (what: string) => (): number => (asked.push(what), -5);
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    using file = openFile("/dev/shm", { flags: O_TMPFILE | fs.constants.O_RDWR });
    const real = kernel();
    using _kernel = useKernel({
      ...real,
      readLink: () => "/memfd:vfio-dma (deleted)",
      stat: ask("stat"),
      filesystem: ask("statfs"),
      filesystemOf: ask("fstatfs"),
    });

    const error = await errorOf(() => peer.mapDma(request({ file })));

    expect(error.message).toContain("for DMA: EBADF");
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
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const error = await errorOf(() => peer.mapDma(request(more)));
    expect(error.code).toBe("ERR_VFIO_LEASE_RANGE");
    expect(await primary.told(1)).toEqual(["container: OK"]);
  });

  it("that the kernel refuses to unmap: the secondary has an error, the primary an event with the kernel's", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const lease = await peer.mapDma(request());
    watched.refuses = -5;
    const error = await errorOf(() => lease.release());
    watched.refuses = undefined;
    watched.mapped.clear();
    expect(error.code).toBe("ERR_VFIO_LEASE_REFUSED");
    expect(error.message).toContain("failed to unmap IOVA 0x10000 to 0x10fff");
    expect((await primary.told(3)).at(-1)).toBe("lease ended: failed");
    expect(primary.events[2]).toMatchObject({ error: { code: "EIO" } });
  });
});

describe("a primary that is busy, ends, or has trouble of its own", () => {
  it("finds the terms only when their time is up: the lease is granted, and stays", async () => {
    using primary = await TestPrimary.start({ timeoutMs: 50 });
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
    const before = process.listeners("exit");
    using primary = await TestPrimary.start();
    const [atExit] = process.listeners("exit").filter((listener) => !before.includes(listener));
    using peer = await connect(primary.path);
    await peer.mapDma(request());
    using hanging = SeqpacketSocket.connect(primary.path);
    while (primary.server.clients === 0) await nextTurn();
    const closing = primary.server[Symbol.asyncDispose]();
    expect(watched.mapped.size).toBe(1);
    atExit?.(0);
    expect([...watched.mapped]).toEqual([]);
    hanging.close();
    await closing;
    expect(process.listeners("exit")).toEqual(before);
  });

  it("keeps the process alive for the listener and the leaseholders, and unref'd for neither", async () => {
    using alive = new ReferencedWatches();
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    await using _before = await peer.mapDma(request());
    expect(alive.count).toBe(2);
    primary.server.unref();
    expect(alive.count).toBe(0);
    await using _after = await peer.mapDma(request({ iova: 0x20000n }));
    expect(alive.count).toBe(0);
    primary.server.ref();
    expect(alive.count).toBe(3);
  });

  it("has no mapping any more when the lease is given back: both are told", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const lease = await peer.mapDma(request());
    watched.mapped.clear();
    expect((await errorOf(() => lease.release())).code).toBe("ERR_VFIO_LEASE_REFUSED");
    expect((await primary.told(3)).at(-1)).toBe("lease ended: failed");
    const { error } = primary.events[2] as { error?: unknown };
    expect(error).toMatchObject({ code: "ERR_VFIO_LEASE_LOST" });
    expect(String(error)).toContain("only 0 of 4096 bytes were still mapped: IOVA 0x10000 to 0x10fff");
  });

  it("has closed its container: a lease is refused, and the error says so", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    primary.container.close();
    const error = await errorOf(() => peer.mapDma(request()));
    expect(error.code).toBe("ERR_VFIO_LEASE_REFUSED");
    expect(error.message).toContain("for DMA: ENODEV");
    expect(error.hint).toContain("closed its container");
  });

  it("has a container whose bare fd was closed: the same", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    watched.refuses = -constants.errno.EBADF;
    const error = await errorOf(() => peer.mapDma(request()));
    watched.refuses = undefined;
    expect(error.message).toContain("for DMA: ENODEV");
  });
});

describe("a primary while the kernel maps or unmaps a lease's memory, which may take long", () => {
  const gate = (): { busy: Promise<void>; open: () => void } => {
    let open = (): void => undefined;
    const busy = new Promise<void>((resolve) => (open = resolve));
    return { busy, open };
  };

  it("serves others, counts the time as its own, keeps the place, and then grants it", async () => {
    using primary = await TestPrimary.start({ timeoutMs: 50 });
    using peer = await connect(primary.path);
    const { busy, open } = gate();
    watched.busy = busy;
    const mapping = peer.mapDma(request());
    while (primary.server.leases.length === 0) await nextTurn();
    expect((await peer.group(7)).number).toBe(7);
    expect((await errorOf(() => peer.mapDma(request()))).code).toBe("ERR_VFIO_LEASE_CONFLICT");
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(primary.server.clients).toBe(1);
    open();
    await using lease = await mapping;
    expect(lease.lost.aborted).toBe(false);
    expect([...watched.mapped]).toEqual([[0x10000n, 0x11000n]]);
  });

  it("is closed: what is mapped after that is unmapped at once", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const { busy, open } = gate();
    watched.busy = busy;
    const refused = errorOf(() => peer.mapDma(request()));
    while (primary.server.leases.length === 0) await nextTurn();
    primary.server.close();
    expect((await refused).code).toBe("ERR_VFIO_PRIMARY_GONE");
    open();
    while (primary.server.leases.length > 0) await nextTurn();
    expect([...watched.mapped]).toEqual([]);
  });

  it("loses the client meanwhile: what was mapped for it is unmapped", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const { busy, open } = gate();
    watched.busy = busy;
    const refused = errorOf(() => peer.mapDma(request()));
    while (primary.server.leases.length === 0) await nextTurn();
    peer.close();
    expect((await refused).code).toBe("ERR_VFIO_CLOSED");
    open();
    expect((await primary.told(2)).at(-1)).toBe("lease ended: left");
    expect([primary.server.leases, [...watched.mapped]]).toEqual([[], []]);
  });

  it.each([
    ["begins", "busy"],
    ["has unmapped it", "late"],
  ] as const)(
    "is closed before the kernel %s: afterwards nothing is mapped, and nobody is said to have lost anything",
    async (_name, when) => {
      const before = mappedInThisProcess();
      using primary = await TestPrimary.start();
      using peer = await connect(primary.path);
      const lease = await peer.mapDma(request());
      const { busy, open } = gate();
      watched[when] = busy;
      const releasing = errorOf(() => lease.release());
      while (primary.server.leases.length > 0 && watched.waiting === 0) await nextTurn();
      primary.server.close();
      expect([...watched.mapped]).toEqual([]);
      open();
      expect((await releasing).code).toBe("ERR_VFIO_PRIMARY_GONE");
      expect((await primary.told(3)).at(-1)).toBe("lease ended: closed");
      expect("error" in primary.events[2]!).toBe(false);
      while (mappedInThisProcess() > before) await nextTurn();
    },
  );
});

describe("a container that loses its last group, and with it all mappings", () => {
  const lossOf = ({ lost }: { lost: AbortSignal }): Promise<unknown> =>
    new Promise((resolve) => lost.addEventListener("abort", () => resolve(lost.reason)));

  it("ends its leases, and each holder is told", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const leases = [await peer.mapDma(request()), await peer.mapDma(request({ iova: 0x20000n }))];
    watched.loseGroups();
    const reasons = await Promise.all(leases.map(lossOf));
    for (const reason of reasons) expect(reason).toMatchObject({ code: "ERR_VFIO_PRIMARY_GONE" });
    expect((await primary.told(5)).slice(3)).toEqual(["lease ended: lost", "lease ended: lost"]);
    expect(primary.events[4]).toMatchObject({ error: { code: "ERR_VFIO_LEASE_LOST" } });
    expect(primary.server.leases).toEqual([]);
  });

  it("and has another group when it is looked at next: the same, and nothing is mapped in secret", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const lease = await peer.mapDma(request());
    const told = lossOf(lease);
    watched.mapped.clear();
    await told;
    expect([...watched.mapped]).toEqual([]);
    expect((await primary.told(3)).at(-1)).toBe("lease ended: lost");
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
    using primary = await TestPrimary.start({ container: { fd: file.fd, onGroupAdded } });
    using peer = await connect(primary.path);
    await peer.mapDma(request());
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
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    for (let round = 0; round < 5; round++) {
      const lease = await peer.mapDma(request());
      watched.loseGroups();
      expect((await errorOf(() => lease.release())).code).toBe("ERR_VFIO_LEASE_REFUSED");
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
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const lease = await peer.mapDma(request());
    watched.refuses = errno;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(lease.lost.aborted).toBe(false);
    expect((await errorOf(() => lease.release())).code).toBe("ERR_VFIO_LEASE_REFUSED");
    expect((await primary.told(3)).at(-1)).toBe("lease ended: failed");
    expect(primary.server.leases).toEqual([{ iova: 0x10000n, bytes: 4096, pid: process.pid }]);
    expect(mappedInThisProcess()).toBe(before + 1);
    watched.refuses = undefined;
    primary.server.close();
    expect([primary.server.leases, [...watched.mapped]]).toEqual([[], []]);
    expect(mappedInThisProcess()).toBe(before);
  });
});

describe("a primary that says nothing about leases", () => {
  it.each([
    ["the first address", LEASE_WINDOW.start, 4096],
    ["the last", LEASE_WINDOW.end - 4095n, 4096],
  ])("grants %s of the window that is meant for them", async (_name, iova, bytes) => {
    using primary = await TestPrimary.start({ leases: undefined });
    using peer = await connect(primary.path);
    await using lease = await peer.mapDma(request({ iova, bytes }));
    expect(lease.iova).toBe(iova);
  });

  it.each([
    ["before it", LEASE_WINDOW.start - 4096n],
    ["behind it", LEASE_WINDOW.end - 4095n + 4096n],
  ])("refuses what lies %s, and the error names the window", async (_name, iova) => {
    using primary = await TestPrimary.start({ leases: undefined });
    using peer = await connect(primary.path);
    const error = await errorOf(() => peer.mapDma(request({ iova })));
    expect(error.message).toContain("for DMA: ERANGE");
    expect(error.hint).toContain("0x80000000 to 0xbfffffff");
  });
});

describe("a secondary", () => {
  it("that gives its lease back twice at once waits for the same", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const lease = await peer.mapDma(request());
    await Promise.all([lease.release(), lease.release()]);
    expect(await primary.told(3)).toEqual(["container: OK", "lease: OK", "lease ended: released"]);
  });

  it("whose system has no more watches has no lease and no connection, and the primary unmaps", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
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
    expect((await errorOf(() => peer.mapDma(request()))).code).toBe("ENOSPC");
    expect((await primary.told(3)).at(-1)).toBe("lease ended: left");
  });

  it("whose system cannot wait while it gives its lease back is told of that, and not that the primary is gone", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    const lease = await peer.mapDma(request());
    const real = kernel();
    const full = useKernel({ ...real, watch: () => -constants.errno.ENOSPC });
    const releasing = errorOf(() => lease.release());
    full[Symbol.dispose]();
    expect((await releasing).code).toBe("ENOSPC");
    expect(lease.closed).toBe(true);
    await primary.told(3);
  });
});

describe("given a primary that ends in the middle of a lease", () => {
  const ok: ScriptedReply = { bytes: int(0) };
  const verdict: ScriptedReply = { bytes: new Uint8Array(24) };
  it.each<[string, readonly ScriptedReply[], string]>([
    ["before its OK", [], "ERR_VFIO_PRIMARY_GONE"],
    ["before its verdict", [ok], "ERR_VFIO_PRIMARY_GONE"],
    ["with half a verdict", [ok, { bytes: new Uint8Array(23) }], "ERR_VFIO_PROTOCOL"],
    ["with a verdict above 0", [ok, { bytes: new Uint8Array(24).fill(1) }], "ERR_VFIO_PROTOCOL"],
  ])("%s: a typed error", async (_name, sends, code) => {
    const path = freshPath();
    await using _primary = new ScriptedPrimary(
      path,
      { takes: 1, sends: [{ bytes: int(0), fds: [memory] }] },
      { takes: 2, sends },
    );
    using peer = await connect(path);
    expect((await errorOf(() => peer.mapDma(request()))).code).toBe(code);
  });

  it("when the lease is given back: ERR_VFIO_PRIMARY_GONE, and it is closed", async () => {
    const path = freshPath();
    await using _primary = new ScriptedPrimary(
      path,
      { takes: 1, sends: [{ bytes: int(0), fds: [memory] }] },
      { takes: 2, sends: [ok, verdict] },
    );
    using peer = await connect(path);
    const lease = await peer.mapDma(request());
    expect((await errorOf(() => lease.release())).code).toBe("ERR_VFIO_PRIMARY_GONE");
    expect(lease.closed).toBe(true);
  });
});

describe("limits of leases that cannot be", () => {
  it.each<[string, FdServerOptions["leases"], string]>([
    ["maxLeases 0", { maxLeases: 0 }, "maxLeases of leases is 0"],
    ["maxBytes NaN", { maxBytes: NaN }, "maxBytes of leases is NaN"],
    ["a window backwards", { window: { start: 2n, end: 1n } }, "from 2n to 1n"],
    ["a window beyond 64 bits", { window: { start: 0n, end: 2n ** 64n } }, "64 bits"],
  ])("%s", async (_name, leases, text) => {
    const error = await errorOf(() =>
      FdServer.listen({ container: { fd: 0 }, groups: [], path: freshPath(), leases }),
    );
    expect(error.code).toBe("ERR_VFIO_LEASES");
    expect(error.message).toContain(text);
  });
});
