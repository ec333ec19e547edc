import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ioctl, type Fd } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls, vfioStructs } from "@vfio/ioctl-native/vfio";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { connectToPrimary, FdServer, LEASE_WINDOW, type PrimaryPeer } from "../../src/index.js";
import { Child } from "../support/child.js";
import { expectError } from "../support/errors.js";
import { expectNoFdLeft, identityOf, someFile } from "../support/fds.js";
import { freshPath, useFolder } from "../support/folder.js";
import { ANYWHERE } from "../support/primary.js";
import { EDU, groupIsFree, groupOf, mappingsLeft, NVME, Opened } from "./machine.js";

const ALL_MAPPINGS = 65_535;
const BYTES = 65_536;

useFolder();
// The first child of a process makes Node open the pipe that tells of ended children.
beforeAll(async () => {
  await using child = new Child("lab/mapping-secondary.mjs", freshPath());
  await child.ended;
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe("given a primary with two groups, and a device in each", () => {
  let opened: Opened;
  let server: FdServer;
  let honest: Child[];
  const left = (): number => mappingsLeft(opened.container);

  beforeAll(async () => {
    opened = new Opened(EDU, NVME);
    server = await FdServer.listen({
      container: opened.container,
      groups: opened.groups,
      path: freshPath(),
      devices: [{ bdf: EDU, group: groupOf(EDU), open: false }],
      leases: ANYWHERE,
      timeoutMs: 60_000,
    });
    honest = [EDU, NVME].map(
      (bdf, index) =>
        new Child("lab/secondary.mjs", server.path, bdf, String(groupOf(bdf)), String((index + 1) << 20)),
    );
    expect(await Promise.all(honest.map(({ firstLine }) => firstLine))).toEqual([
      "ready, device true",
      "ready, device true",
    ]);
  });
  afterAll(async () => {
    await Promise.all(honest.map((child) => child[Symbol.asyncDispose]()));
    await until(() => server.leases.length === 0);
    expect(left()).toBe(ALL_MAPPINGS);
    server.close();
    opened[Symbol.dispose]();
  });

  it("a secondary has the very container and groups, verified, and what the primary says of itself", async () => {
    using peer = await connectToPrimary({ path: server.path });
    expect(identityOf(peer.container)).toBe(identityOf(opened.container));
    for (const group of opened.groups) {
      expect(identityOf(await peer.group(group.number))).toBe(identityOf(group));
    }
    expect((await peer.hello()).can.leases).toBe(true);
    expect(await peer.iommuType()).toBe(3);
    expect(await peer.devices()).toEqual([{ bdf: EDU, group: groupOf(EDU), open: false }]);
    await expectError(() => peer.group(999_999), "ERR_VFIO_GROUP_REFUSED");
    // Group 0 has host bridges only; no driver of VFIO's holds it.
    await expectError(() => peer.group(0), "ERR_VFIO_GROUP_NO_FD");
  });

  it("a fd of another part of VFIO than was asked for is refused", async () => {
    const [edu, nvme] = opened.groups;
    await using wrong = await FdServer.listen({
      container: opened.container,
      groups: [{ fd: edu!.fd, number: nvme!.number }],
      path: freshPath(),
    });
    using peer = await connectToPrimary({ path: wrong.path });
    const text = `/dev/vfio/${edu!.number} as group ${nvme!.number}`;
    await expectError(() => peer.group(nvme!.number), "ERR_VFIO_WRONG_FD", text);
  });

  it("a lease is a mapping of the kernel's, and one that overlaps it is refused by name", async () => {
    using peer = await connectToPrimary({ path: server.path });
    using file = someFile();
    const before = left();
    const lease = await peer.mapDma({ file, iova: 0n, bytes: 4096 });
    expect(left()).toBe(before - 1);
    await expectError(
      () => peer.mapDma({ file, iova: 1n << 20n, bytes: 4096 }),
      "ERR_VFIO_LEASE_CONFLICT",
      `process ${honest[0]!.pid} has a lease on IOVA 0x100000 to 0x10ffff`,
    );
    await lease.release();
    expect(left()).toBe(before);
  });

  it("a lease outside what the IOMMU can map is refused with the kernel's errno, and leaves nothing", async () => {
    using peer = await connectToPrimary({ path: server.path });
    using file = someFile();
    const before = left();
    const error = await expectError(
      () => peer.mapDma({ file, iova: 1n << 60n, bytes: 4096 }),
      "ERR_VFIO_LEASE_REFUSED",
    );
    expect(error.cause).toMatchObject({ code: "EINVAL" });
    expect(left()).toBe(before);
  });

  it.each([
    "connected",
    "container asked for",
    "container taken",
    "group asked for",
    "group's number sent",
    "first OK taken",
    "group taken",
    "device open",
    "lease asked for",
    "terms sent",
    "OK to the lease taken",
    "lease granted",
  ])(
    "of three secondaries, one is killed with '%s': no mapping of it stays, the others are served",
    async (step) => {
      const group = String(groupOf(EDU));
      await using victim = new Child("lab/victim.mjs", server.path, EDU, group, String(8 << 20), step);
      expect(await victim.firstLine).toBe("there");
      expect(await victim.kill("SIGKILL")).toEqual({ code: null, signal: "SIGKILL" });
      await until(() => server.clients === 0 && server.leases.length === 2);
      expect(left()).toBe(ALL_MAPPINGS - 2);
      expect(await Promise.all(honest.map((child) => child.tell(step)))).toEqual([
        `served again: ${step}`,
        `served again: ${step}`,
      ]);
    },
  );

  it("a secondary's own mapping, without a lease, outlives its kill -9; the primary can still unmap it", async () => {
    const iova = 16n << 20n;
    await using mapping = new Child("lab/mapping-secondary.mjs", server.path, String(iova));
    expect(await mapping.firstLine).toBe("mapped");
    await mapping.kill("SIGKILL");
    expect(left()).toBe(ALL_MAPPINGS - 3);
    using peer = await connectToPrimary({ path: server.path });
    using file = someFile();
    const text = "a mapping that is not a lease is there";
    await expectError(() => peer.mapDma({ file, iova, bytes: 4096 }), "ERR_VFIO_LEASE_CONFLICT", text);
    expect(unmap(opened.container, iova)).toBe(BigInt(BYTES));
    expect(left()).toBe(ALL_MAPPINGS - 2);
  });
});

describe("given a primary whose last group leaves its container", () => {
  let opened: Opened;
  let server: FdServer;
  let peer: PrimaryPeer;
  let file: Fd;
  beforeEach(async () => {
    await groupIsFree(groupOf(EDU));
    opened = new Opened(EDU);
    const { container, groups } = opened;
    server = await FdServer.listen({ container, groups, path: freshPath() });
    peer = await connectToPrimary({ path: server.path });
    file = someFile();
  });
  afterEach(() => {
    for (const one of [file, peer, server]) one.close();
    opened[Symbol.dispose]();
  });

  const leave = (): unknown => ioctl(opened.groups[0]!, vfioIoctls.VFIO_GROUP_UNSET_CONTAINER, 0);
  function comeBack(): void {
    ioctl(opened.groups[0]!, vfioIoctls.VFIO_GROUP_SET_CONTAINER, opened.container.fd);
    ioctl(opened.container, vfioIoctls.VFIO_SET_IOMMU, vfioConstants.VFIO_TYPE1v2_IOMMU);
  }

  it("the kernel forgets the lease: its holder is told, its memory is given back, and a new one can be had", async () => {
    const request = { file, iova: LEASE_WINDOW.start, bytes: 4096 };
    const before = leasedHere();
    const lease = await peer.mapDma(request);
    expect(leasedHere()).toBe(before + 1);
    leave();
    await until(() => lease.lost.aborted);
    expect([server.leases, leasedHere()]).toEqual([[], before]);
    comeBack();
    const again = await peer.mapDma(request);
    expect(mappingsLeft(opened.container)).toBe(ALL_MAPPINGS - 1);
    await again.release();
    expect([mappingsLeft(opened.container), leasedHere()]).toEqual([ALL_MAPPINGS, before]);
  });

  it("and another group is there when the lease is looked at: the same, and nothing stays mapped", async () => {
    const lease = await peer.mapDma({ file, iova: LEASE_WINDOW.start, bytes: 4096 });
    leave();
    comeBack();
    await until(() => lease.lost.aborted);
    expect([server.leases, mappingsLeft(opened.container)]).toEqual([[], ALL_MAPPINGS]);
  });
});

describe("given a primary that ends", () => {
  const number = groupOf(EDU);
  expectNoFdLeft();
  let primaries: Child[] = [];
  beforeEach(() => groupIsFree(number));
  afterEach(async () => {
    for (const primary of primaries) await primary[Symbol.asyncDispose]();
    primaries = [];
  });

  async function start(path: string): Promise<string> {
    const primary = new Child("lab/primary.mjs", path, String(number));
    primaries.push(primary);
    return primary.firstLine;
  }

  async function leased(path: string): Promise<{ peer: PrimaryPeer; lost: Promise<unknown> }> {
    const peer = await connectToPrimary({ path, timeoutMs: 60_000 });
    await peer.group(number);
    using file = someFile();
    const { lost } = await peer.mapDma({ file, iova: 0n, bytes: 4096 });
    return { peer, lost: new Promise((resolve) => lost.addEventListener("abort", resolve)) };
  }

  it.each(["SIGKILL", "SIGTERM"] as const)(
    "by %s: its lease stays in the container, a new primary must wait for the secondary, and then all is well",
    async (signal) => {
      const path = freshPath();
      expect(await start(path)).toBe("ready");
      const { peer, lost } = await leased(path);
      expect(mappingsLeft(peer.container)).toBe(ALL_MAPPINGS - 1);
      expect(await primaries[0]!.kill(signal)).toEqual({ code: null, signal });
      await lost;
      expect(mappingsLeft(peer.container)).toBe(ALL_MAPPINGS - 1);
      await expectError(() => peer.group(number + 1), "ECONNREFUSED");
      expect(await start(path)).toBe("EBUSY");
      peer.close();
      await groupIsFree(number);
      expect(await start(path)).toBe("ready");
      const again = await leased(path);
      expect(mappingsLeft(again.peer.container)).toBe(ALL_MAPPINGS - 1);
      again.peer.close();
    },
  );

  it.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129],
  ] as const)(
    "as the first process of a container, by %s: it ends with %i, its socket file and its leases are gone, and their holder is told",
    async (signal, code) => {
      const path = freshPath();
      await using primary = await FirstProcess.start("primary.mjs", path, String(number));
      const { peer, lost } = await leased(path);
      expect(await primary.kill(signal)).toBe(code);
      await lost;
      expect(mappingsLeft(peer.container)).toBe(ALL_MAPPINGS);
      expect(existsSync(path)).toBe(false);
      peer.close();
    },
  );

  it.each<[string, "group" | "lease", number, number[]]>([
    ["before it took the request", "group", 0, []],
    ["before it took the group's number", "group", 1, []],
    ["before its first OK", "group", 2, []],
    ["between the two OKs", "group", 2, [0]],
    ["before it took the lease's terms", "lease", 1, []],
    ["between OK and verdict", "lease", 2, [0]],
  ])(
    "%s, by kill -9: a typed error, and the group is free as soon as the secondary lets go",
    async (_name, what, takes, sends) => {
      const path = freshPath();
      const primary = new Child(
        "lab/dying-primary.mjs",
        path,
        String(number),
        String(takes),
        JSON.stringify(sends),
      );
      primaries.push(primary);
      expect(await primary.firstLine).toBe("ready");
      using file = someFile();
      const peer = await connectToPrimary({ path, timeoutMs: 60_000 });
      const ask = async (): Promise<unknown> =>
        what === "group" ? peer.group(number) : peer.mapDma({ file, iova: 0n, bytes: 4096 });
      await expectError(ask, "ERR_VFIO_PRIMARY_GONE");
      expect(await primary.ended).toEqual({ code: null, signal: "SIGKILL" });
      peer.close();
      await groupIsFree(number);
      using reopened = new Opened(EDU);
      expect(mappingsLeft(reopened.container)).toBe(ALL_MAPPINGS);
    },
  );
});

/** Memory of leases that is mapped in this process. */
const leasedHere = (): number => readFileSync("/proc/self/maps", "utf8").split("/memfd:").length - 1;

/** A fixture that is the first process of a PID namespace, as in a container; killed, if it still runs, when disposed. */
class FirstProcess implements AsyncDisposable {
  readonly #outside: ChildProcess;
  readonly #ended: Promise<number | null>;

  private constructor(outside: ChildProcess) {
    this.#outside = outside;
    this.#ended = new Promise((resolve) => outside.once("exit", resolve));
  }

  /** Waits for its first word. */
  static async start(fixture: string, ...args: readonly string[]): Promise<FirstProcess> {
    const file = join(import.meta.dirname, "fixtures", fixture);
    const program = ["--pid", "--fork", "--kill-child", "--mount-proc", process.execPath, file, ...args];
    const outside = spawn("unshare", program, { stdio: ["ignore", "pipe", "inherit"] });
    const first = new FirstProcess(outside);
    const [word] = (await once(outside.stdout, "data")) as [Buffer];
    expect(word.toString()).toBe("ready\n");
    return first;
  }

  /** Its exit code, as `unshare` passes it on. */
  kill(signal: NodeJS.Signals): Promise<number | null> {
    const { pid } = this.#outside;
    process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")), signal);
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#outside.kill("SIGKILL");
    await this.#ended;
  }
}

function unmap(container: { readonly fd: number }, iova: bigint): bigint {
  const { vfio_iommu_type1_dma_unmap: struct } = vfioStructs;
  const request = struct.encode({ argsz: struct.bytes, iova, size: BigInt(BYTES) });
  ioctl(container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, request);
  return struct.read(request, "size");
}
