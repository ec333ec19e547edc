import { describe, expect, it } from "vitest";
import type { DeviceEntry } from "../src/index.js";
import { errorOf, expectError } from "./support/errors.js";
import { expectNoFdLeft, identityOf, someFile } from "./support/fds.js";
import { useFolder } from "./support/folder.js";
import { memoriesBeyondQueue } from "./support/memories.js";
import { joined, peer, primary, usePeer } from "./support/primary.js";

useFolder();
expectNoFdLeft();

usePeer();

describe("saying hello", () => {
  it("tells the primary's version and what it can do", async () => {
    expect(await peer.hello()).toEqual({
      version: 1,
      can: { memory: true, iommuType: true, devices: true, leases: true },
    });
    expect(await primary.told(2)).toEqual(["container: OK", "hello: OK"]);
    expect(primary.events[1]).toMatchObject({ request: { version: 1 } });
  });

  it("to a primary that grants no leases tells so", async () => {
    await joined({ leases: false });
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
    await joined({
      container: { fd: container.fd, ...(iommuType === undefined ? {} : { iommuType }) },
    });
    expect(await peer.iommuType()).toBe(told);
    expect(await primary.told(2)).toEqual(["container: OK", "IOMMU type: OK"]);
  });
});

describe("the primary's devices", () => {
  const edu = { bdf: "0000:00:10.0", group: 4, open: true };

  it("come with their groups, and with what is open at that moment", async () => {
    const device = { ...edu };
    await joined({ devices: [device] });
    expect(await peer.devices()).toEqual([edu]);
    device.open = false;
    expect(await peer.devices()).toEqual([{ ...edu, open: false }]);
    expect(await primary.told(3)).toEqual(["container: OK", "devices: OK", "devices: OK"]);
  });

  it("may come and go while the server runs", async () => {
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
    await joined({ devices: [edu] });
    await expectError(() => primary.server.addDevice(device), code, text);
  });

  it("beyond 1024 are refused", async () => {
    const devices = Array.from({ length: 1024 }, (_, index) => ({ ...edu, bdf: String(index) }));
    await joined({ devices });
    const text = "1024 devices are in the list already";
    await expectError(() => primary.server.addDevice(edu), "ERR_VFIO_DEVICES", text);
    expect(await peer.devices()).toHaveLength(1024);
  });
});

describe("shared memory that comes and goes", () => {
  it("while the server runs: each request sees what is there then", async () => {
    using file = someFile();
    const memory = { file, description: Uint8Array.of(1) };
    expect(await peer.memory()).toEqual([]);
    primary.server.addMemory(memory);
    const [shared] = await peer.memory();
    expect(identityOf(shared!.file)).toBe(identityOf(file));
    await expectError(() => primary.server.addMemory(memory), "ERR_VFIO_MEMORIES", "is shared already");
    expect(primary.server.removeMemory(memory)).toBe(true);
    expect(primary.server.removeMemory(memory)).toBe(false);
    expect(await peer.memory()).toEqual([]);
    expect(shared!.file.closed).toBe(false);
  });

  it("halfway through a reply: the secondary has an error and no fd, the primary an event", async () => {
    using file = someFile();
    const memories = memoriesBeyondQueue(file);
    await joined({ memories });
    const asking = errorOf(() => peer.memory());
    // The first packets fill the socket; the rest is sent when these have been read.
    while (primary.server.clients === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const memory of memories) primary.server.removeMemory(memory);
    expect((await asking).code).toBe("ERR_VFIO_PROTOCOL");
    expect(await primary.told(2)).toEqual(["container: OK", "dropped: failed"]);
    expect(primary.events[1]).toMatchObject({ detail: "the memory is not shared any more" });
  });
});
