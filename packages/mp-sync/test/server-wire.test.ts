import { SeqpacketSocket } from "@vfio/ioctl-native";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectNoFdLeft, identityOf, someFile } from "./support/fds.js";
import { useFolder } from "./support/folder.js";
import { TestPrimary } from "./support/primary.js";
import { converse, int, isEof, next, spell } from "./support/wire.js";

useFolder();
expectNoFdLeft();

const hex = (value: number): string => Buffer.from(int(value)).toString("hex");

async function wireOf(primary: TestPrimary, ...packets: readonly Uint8Array[]): Promise<string[]> {
  const { wire, files } = await converse(primary.path, packets);
  for (const file of files) file.close();
  return wire;
}

describe("our primary and a secondary of 2014, byte for byte", () => {
  it("given a request for the container: OK and the very container in one packet, then the end", async () => {
    using primary = await TestPrimary.start();
    const { wire, files } = await converse(primary.path, [int(0x100)]);
    expect(wire).toEqual([`${hex(0)}+1fd`]);
    expect(identityOf(files[0]!)).toBe(identityOf(primary.container));
    files[0]!.close();
    expect(await primary.told(1)).toEqual(["container: OK"]);
  });

  it.each([0, 7])("given a request for group %d: OK alone, OK with its fd, then the end", async (group) => {
    using primary = await TestPrimary.start();
    const { wire, files } = await converse(primary.path, [int(0x200), int(group)]);
    expect(wire).toEqual([`${hex(0)}+0fd`, `${hex(0)}+1fd`]);
    expect(identityOf(files[0]!)).toBe(identityOf(group === 0 ? primary.group0 : primary.group7));
    files[0]!.close();
    expect(await primary.told(1)).toEqual([`group ${group}: OK`]);
  });

  it("given a group that exists but is not shared: NO_FD; one that does not exist: ERR", async () => {
    using primary = await TestPrimary.start();
    expect(await wireOf(primary, int(0x200), int(8))).toEqual([`${hex(1)}+0fd`]);
    expect(await wireOf(primary, int(0x200), int(9999))).toEqual([`${hex(255)}+0fd`]);
    expect(await primary.told(2)).toEqual(["group 8: NO_FD", "group 9999: ERR"]);
  });

  it("given a negative group number: the end, without a reply", async () => {
    using primary = await TestPrimary.start();
    expect(await wireOf(primary, int(0x200), int(-5))).toEqual([]);
    expect(await primary.told(1)).toEqual(["dropped: malformed"]);
  });

  it.each([0, 0x300, 0x20000, -1])("given the unknown request %d: ERR", async (code) => {
    using primary = await TestPrimary.start();
    expect(await wireOf(primary, int(code))).toEqual([`${hex(255)}+0fd`]);
    expect(await primary.told(1)).toEqual(["unknown: ERR"]);
  });

  it("given a client that leaves in place of the group number: no answer about a group 255", async () => {
    using primary = await TestPrimary.start({ groupExists: () => true });
    const socket = SeqpacketSocket.connect(primary.path);
    socket.send(int(0x200));
    socket.close();
    expect(await primary.told(1)).toEqual(["dropped: left"]);
  });

  it("given shared memory: OK, the count, then each description with its fd, an empty one too", async () => {
    using first = someFile();
    using second = someFile();
    const large = new Uint8Array(65_536).fill(7);
    using primary = await TestPrimary.start({
      memories: [
        { file: first, description: large },
        { file: second, description: new Uint8Array() },
      ],
    });
    const { wire, files } = await converse(primary.path, [int(0x10001)]);
    expect(wire).toEqual([
      `${hex(0)}+0fd`,
      `${hex(2)}+0fd`,
      `${Buffer.from(large).toString("hex")}+1fd`,
      "+1fd",
    ]);
    expect(files.map(identityOf)).toEqual([identityOf(first), identityOf(second)]);
    for (const file of files) file.close();
    expect(await primary.told(1)).toEqual(["memory: OK"]);
  });

  it("given no shared memory: OK and 0", async () => {
    using primary = await TestPrimary.start();
    expect(await wireOf(primary, int(0x10001))).toEqual([`${hex(0)}+0fd`, `${hex(0)}+0fd`]);
  });

  it("serves one request per connection", async () => {
    using primary = await TestPrimary.start();
    using socket = SeqpacketSocket.connect(primary.path);
    socket.send(int(0x777));
    expect(spell(await next(socket))).toBe(`${hex(255)}+0fd`);
    expect(isEof(await next(socket))).toBe(true);
    expect(() => socket.send(int(0x100))).toThrow("EPIPE");
  });
});

describe("our primary and whoever sends anything else", () => {
  it.each([1, 3, 5, 4096])("given a request of %d bytes: ERR, and it is dropped", async (bytes) => {
    using primary = await TestPrimary.start();
    expect(await wireOf(primary, new Uint8Array(bytes))).toEqual([`${hex(255)}+0fd`]);
    expect(await primary.told(1)).toEqual(["dropped: malformed"]);
  });

  it("given an empty packet, which looks like leaving: the end", async () => {
    using primary = await TestPrimary.start();
    expect(await wireOf(primary, new Uint8Array())).toEqual([]);
    expect(await primary.told(1)).toEqual(["dropped: left"]);
  });

  it("given fds that nobody asked for: ERR, and none of them stays open here", async () => {
    using primary = await TestPrimary.start();
    using gift = someFile();
    const { wire } = await converse(primary.path, [int(0x100)], [gift, gift, gift]);
    expect(wire).toEqual([`${hex(255)}+0fd`]);
    expect(await primary.told(1)).toEqual(["dropped: malformed"]);
  });

  it("given a container that has been closed since: ERR, an event that says so, and it serves on", async () => {
    using primary = await TestPrimary.start();
    primary.container.close();
    expect(await wireOf(primary, int(0x100))).toEqual([`${hex(255)}+0fd`]);
    expect(await primary.told(1)).toEqual(["dropped: failed"]);
    expect(primary.events[0]).toMatchObject({ error: { code: "ERR_VFIO_CLOSED" } });
    expect(await wireOf(primary, int(0x200), int(7))).toHaveLength(2);
  });

  it("given a stray fd number as container: ERR, and the event carries the kernel's EBADF", async () => {
    using primary = await TestPrimary.start({ container: { fd: 2 ** 20 } });
    expect(await wireOf(primary, int(0x100))).toEqual([`${hex(255)}+0fd`]);
    expect(await primary.told(1)).toEqual(["dropped: failed"]);
    expect(primary.events[0]).toMatchObject({ error: { code: "EBADF" } });
  });

  it("given a look-up that throws: ERR, and it serves on", async () => {
    using primary = await TestPrimary.start({
      groupExists: () => {
        throw new Error("sysfs is gone");
      },
    });
    expect(await wireOf(primary, int(0x200), int(8))).toEqual([`${hex(255)}+0fd`]);
    expect(await primary.told(1)).toEqual(["dropped: failed"]);
    expect(primary.events[0]).toMatchObject({ detail: "sysfs is gone" });
    expect(await wireOf(primary, int(0x300))).toEqual([`${hex(255)}+0fd`]);
  });

  it("given any packets from many clients at once: each is through, and it serves on", async () => {
    using primary = await TestPrimary.start({ timeoutMs: 30_000 });
    const anyPacket = fc.oneof(
      fc.constantFrom(0x100, 0x200, 0x10001, 7, 8, -1).map(int),
      fc.integer().map(int),
      fc.uint8Array({ maxLength: 64 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anyPacket, { maxLength: 3 }), { maxLength: 20 }),
        async (clients) => {
          const sockets = clients.map((packets) => {
            const socket = SeqpacketSocket.connect(primary.path);
            for (const packet of packets) socket.send(packet);
            return socket;
          });
          for (const socket of sockets) socket.close();
          expect(await wireOf(primary, int(0x200), int(7))).toHaveLength(2);
        },
      ),
      { numRuns: 200 },
    );
  });
});
