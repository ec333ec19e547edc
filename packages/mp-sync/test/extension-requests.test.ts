import { describe, expect, it } from "vitest";
import { connectToPrimary, type DeviceEntry, type PrimaryPeer } from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { expectNoFdLeft, identityOf, someFile } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { memoriesBeyondQueue } from "./support/memories.js";
import { TestPrimary } from "./support/primary.js";
import { int, ScriptedPrimary, type ScriptedReply } from "./support/wire.js";

useFolder();
expectNoFdLeft();

const verify = (): void => undefined;
const connect = (path: string): Promise<PrimaryPeer> => connectToPrimary({ path, verify });

describe("saying hello", () => {
  it("tells the primary's version and what it can do", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    expect(await peer.hello()).toEqual({
      version: 1,
      can: { memory: true, iommuType: true, devices: true, leases: true },
    });
    expect(await primary.told(2)).toEqual(["container: OK", "hello: OK"]);
    expect(primary.events[1]).toMatchObject({ request: { version: 1 } });
  });

  it("to a primary that grants no leases tells so", async () => {
    using primary = await TestPrimary.start({ leases: false });
    using peer = await connect(primary.path);
    expect((await peer.hello()).can.leases).toBe(false);
  });
});

describe("the container's IOMMU type", () => {
  it.each([
    ["type1v2", 3],
    ["type1", 1],
    [8, 8],
    [undefined, undefined],
  ] as const)("given a container of type %s: %s", async (iommuType, told) => {
    using container = someFile();
    using primary = await TestPrimary.start({
      container: { fd: container.fd, ...(iommuType === undefined ? {} : { iommuType }) },
    });
    using peer = await connect(primary.path);
    expect(await peer.iommuType()).toBe(told);
    expect(await primary.told(2)).toEqual(["container: OK", "IOMMU type: OK"]);
  });
});

describe("the primary's devices", () => {
  const edu = { bdf: "0000:00:10.0", group: 4, open: true };

  it("come with their groups, and with what is open at that moment", async () => {
    const device = { ...edu };
    using primary = await TestPrimary.start({ devices: [device] });
    using peer = await connect(primary.path);
    expect(await peer.devices()).toEqual([edu]);
    device.open = false;
    expect(await peer.devices()).toEqual([{ ...edu, open: false }]);
    expect(await primary.told(3)).toEqual(["container: OK", "devices: OK", "devices: OK"]);
  });

  it("may come and go while the server runs", async () => {
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    expect(await peer.devices()).toEqual([]);
    primary.server.addDevice(edu);
    expect(await peer.devices()).toEqual([edu]);
    expect(primary.server.removeDevice(edu.bdf)).toBe(true);
    expect(primary.server.removeDevice(edu.bdf)).toBe(false);
    expect(await peer.devices()).toEqual([]);
  });

  it.each<[string, DeviceEntry, string, string]>([
    ["no address", { ...edu, bdf: "" }, "ERR_VFIO_DEVICES", "'' cannot be a device"],
    ["an address with NUL", { ...edu, bdf: "a\0" }, "ERR_VFIO_DEVICES", "cannot be a device"],
    ["an address of 256 bytes", { ...edu, bdf: "x".repeat(256) }, "ERR_VFIO_DEVICES", "cannot be a device"],
    ["group -1", { ...edu, group: -1 }, "ERR_VFIO_GROUP_NUMBER", "-1 is not the number"],
    ["an address twice", edu, "ERR_VFIO_DEVICES", "device 0000:00:10.0 is in the list already"],
  ])("with %s are refused", async (_name, device, code, text) => {
    using primary = await TestPrimary.start({ devices: [edu] });
    const error = await errorOf(() => primary.server.addDevice(device));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  });

  it("beyond 1024 are refused", async () => {
    const devices = Array.from({ length: 1024 }, (_, index) => ({ ...edu, bdf: String(index) }));
    using primary = await TestPrimary.start({ devices });
    const error = await errorOf(() => primary.server.addDevice(edu));
    expect(error.message).toContain("1024 devices are in the list already");
    using peer = await connect(primary.path);
    expect(await peer.devices()).toHaveLength(1024);
  });
});

describe("shared memory that comes and goes", () => {
  it("while the server runs: each request sees what is there then", async () => {
    using file = someFile();
    const memory = { file, description: Uint8Array.of(1) };
    using primary = await TestPrimary.start();
    using peer = await connect(primary.path);
    expect(await peer.memory()).toEqual([]);
    primary.server.addMemory(memory);
    const [shared] = await peer.memory();
    expect(identityOf(shared!.file)).toBe(identityOf(file));
    expect((await errorOf(() => primary.server.addMemory(memory))).message).toContain("is shared already");
    expect(primary.server.removeMemory(memory)).toBe(true);
    expect(primary.server.removeMemory(memory)).toBe(false);
    expect(await peer.memory()).toEqual([]);
    expect(shared!.file.closed).toBe(false);
  });

  it("halfway through a reply: the secondary has an error and no fd, the primary an event", async () => {
    using file = someFile();
    const memories = memoriesBeyondQueue(file);
    using primary = await TestPrimary.start({ memories });
    using peer = await connect(primary.path);
    const asking = errorOf(() => peer.memory());
    // The first packets fill the socket; the rest is sent when these have been read.
    while (primary.server.clients === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const memory of memories) primary.server.removeMemory(memory);
    expect((await asking).code).toBe("ERR_VFIO_PROTOCOL");
    expect(await primary.told(2)).toEqual(["container: OK", "dropped: failed"]);
    expect(primary.events[1]).toMatchObject({ detail: "the memory is not shared any more" });
  });
});

describe("a primary of 2014, which answers ERR to all that is ours", () => {
  it.each<[string, number, (peer: PrimaryPeer) => Promise<unknown>]>([
    ["REQ_HELLO (0x10000)", 0x10000, (peer) => peer.hello()],
    ["REQ_MEMORY (0x10001)", 0x10001, (peer) => peer.memory()],
    ["REQ_IOMMU_TYPE (0x10002)", 0x10002, (peer) => peer.iommuType()],
    ["REQ_DEVICES (0x10003)", 0x10003, (peer) => peer.devices()],
    [
      "REQ_LEASE (0x10004)",
      0x10004,
      async (peer) => {
        using file = someFile();
        await peer.mapDma({ file, iova: 0n, bytes: 4096 });
      },
    ],
  ])("lacks %s, and the error says so", async (request, code, ask) => {
    using file = someFile();
    const path = freshPath();
    await using primary = new ScriptedPrimary(
      path,
      { takes: 1, sends: [{ bytes: int(0), fds: [file] }] },
      { takes: 1, sends: [{ bytes: int(255) }] },
    );
    using peer = await connect(path);
    const error = await errorOf(() => ask(peer));
    expect(error.code).toBe("ERR_VFIO_PRIMARY_LACKS_REQUEST");
    expect(error.message).toContain(`the primary at ${path} answers ERR to ${request}`);
    expect(primary.received[1]).toBe(`${Buffer.from(int(code)).toString("hex")}+0fd`);
    expect(error.hint).toContain("2014 protocol only knows those for container and groups");
  });
});

describe("a primary that breaks the protocol of the later requests", () => {
  const ok: ScriptedReply = { bytes: int(0) };
  it.each<[string, (peer: PrimaryPeer) => Promise<unknown>, readonly ScriptedReply[], string]>([
    ["a version of 0", (peer) => peer.hello(), [ok, ok], "0 as its version"],
    [
      "negative capabilities",
      (peer) => peer.hello(),
      [ok, { bytes: int(1) }, { bytes: int(-1) }],
      "-1 as its cap",
    ],
    ["a negative IOMMU type", (peer) => peer.iommuType(), [ok, { bytes: int(-1) }], "-1 as its IOMMU type"],
    ["1025 devices", (peer) => peer.devices(), [ok, { bytes: int(1025) }], "1025 devices"],
    [
      "a device without an address",
      (peer) => peer.devices(),
      [ok, { bytes: int(1) }, { bytes: new Uint8Array(8) }],
      "a device in a packet of 8 bytes",
    ],
    [
      "a device in group -1",
      (peer) => peer.devices(),
      [ok, { bytes: int(1) }, { bytes: new Uint8Array(9).fill(255) }],
      "in group -1 is no device",
    ],
  ])("%s: a typed error", async (_name, ask, sends, text) => {
    using file = someFile();
    const path = freshPath();
    await using _primary = new ScriptedPrimary(
      path,
      { takes: 1, sends: [{ bytes: int(0), fds: [file] }] },
      { takes: 1, sends },
    );
    using peer = await connect(path);
    const error = await errorOf(() => ask(peer));
    expect(error.code).toBe("ERR_VFIO_PROTOCOL");
    expect(error.message).toContain(text);
  });
});
