import { SeqpacketSocket } from "@vfio/ioctl-native";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FdServerOptions } from "../src/index.js";
import { expectNoFdLeft, identityOf, someFile } from "./support/fds.js";
import { useFolder } from "./support/folder.js";
import { given, primary, usePrimary } from "./support/primary.js";
import { converse, hex, int, isEof, next, spell } from "./support/wire.js";

useFolder();
expectNoFdLeft();
usePrimary();

const OK = `${hex(0)}+0fd`;
const OK_WITH_FD = `${hex(0)}+1fd`;
const NO_FD = `${hex(1)}+0fd`;
const ERR = `${hex(255)}+0fd`;

/** What went over the wire up to the end, and what the fds that came belong to. */
async function replyTo(...packets: readonly Uint8Array[]): Promise<{ wire: string[]; came: string[] }> {
  const { wire, files } = await converse(primary.path, packets);
  const came = files.map(identityOf);
  for (const file of files) file.close();
  return { wire, came };
}

async function wireOf(...packets: readonly Uint8Array[]): Promise<string[]> {
  return (await replyTo(...packets)).wire;
}

describe("our primary and a secondary of 2014, byte for byte", () => {
  it("given a request for the container: OK and the very container in one packet, then the end", async () => {
    expect(await replyTo(int(0x100))).toEqual({ wire: [OK_WITH_FD], came: [identityOf(primary.container)] });
    expect(await primary.told(1)).toEqual(["container: OK"]);
  });

  it.each([
    [0, () => primary.group0],
    [7, () => primary.group7],
  ])("given a request for group %d: OK alone, OK with its fd, then the end", async (group, file) => {
    expect(await replyTo(int(0x200), int(group))).toEqual({
      wire: [OK, OK_WITH_FD],
      came: [identityOf(file())],
    });
    expect(await primary.told(1)).toEqual([`group ${group}: OK`]);
  });

  it.each<[string, Uint8Array[], string[], string]>([
    ["a group that exists but is not shared", [int(0x200), int(8)], [NO_FD], "group 8: NO_FD"],
    ["a group that does not exist", [int(0x200), int(9999)], [ERR], "group 9999: ERR"],
    ["a negative group number", [int(0x200), int(-5)], [], "dropped: malformed"],
    ["the unknown request 0", [int(0)], [ERR], "unknown: ERR"],
    ["the unknown request 0x300", [int(0x300)], [ERR], "unknown: ERR"],
    ["the unknown request 0x20000", [int(0x20000)], [ERR], "unknown: ERR"],
    ["the unknown request -1", [int(-1)], [ERR], "unknown: ERR"],
    ["a request for the memory, where there is none", [int(0x10001)], [OK, OK], "memory: OK"],
    ["a request of 1 byte", [new Uint8Array(1)], [ERR], "dropped: malformed"],
    ["a request of 3 bytes", [new Uint8Array(3)], [ERR], "dropped: malformed"],
    ["a request of 5 bytes", [new Uint8Array(5)], [ERR], "dropped: malformed"],
    ["a request of 4096 bytes", [new Uint8Array(4096)], [ERR], "dropped: malformed"],
    ["an empty packet, which looks like leaving", [new Uint8Array()], [], "dropped: left"],
  ])("given %s: its answer, and an event", async (_name, packets, wire, told) => {
    expect(await wireOf(...packets)).toEqual(wire);
    expect(await primary.told(1)).toEqual([told]);
  });

  it("given a client that leaves in place of the group number: no answer about a group 255", async () => {
    await given({ groupExists: () => true });
    const socket = SeqpacketSocket.connect(primary.path);
    socket.send(int(0x200));
    socket.close();
    expect(await primary.told(1)).toEqual(["dropped: left"]);
  });

  it("given shared memory: OK, the count, then each description with its fd, an empty one too", async () => {
    using first = someFile();
    using second = someFile();
    const large = new Uint8Array(65_536).fill(7);
    const memories = [
      { file: first, description: large },
      { file: second, description: new Uint8Array() },
    ];
    await given({ memories });
    expect(await replyTo(int(0x10001))).toEqual({
      wire: [OK, `${hex(2)}+0fd`, `${Buffer.from(large).toString("hex")}+1fd`, "+1fd"],
      came: [identityOf(first), identityOf(second)],
    });
    expect(await primary.told(1)).toEqual(["memory: OK"]);
  });

  it("serves one request per connection", async () => {
    using socket = SeqpacketSocket.connect(primary.path);
    socket.send(int(0x777));
    expect(spell(await next(socket))).toBe(ERR);
    expect(isEof(await next(socket))).toBe(true);
    expect(() => socket.send(int(0x100))).toThrow("EPIPE");
  });
});

describe("our primary in trouble", () => {
  it("given fds that nobody asked for: ERR, and none of them stays open here", async () => {
    using gift = someFile();
    const { wire } = await converse(primary.path, [int(0x100)], [gift, gift, gift]);
    expect(wire).toEqual([ERR]);
    expect(await primary.told(1)).toEqual(["dropped: malformed"]);
  });

  const stray = { container: { fd: 2 ** 20 } };
  const noSysfs = {
    groupExists: (): never => {
      throw new Error("sysfs is gone");
    },
  };
  it.each<[string, Partial<FdServerOptions>, Uint8Array[], object]>([
    ["a container closed since", {}, [int(0x100)], { error: { code: "ERR_VFIO_CLOSED" } }],
    ["a stray fd number as container", stray, [int(0x100)], { error: { code: "EBADF" } }],
    ["a look-up that throws", noSysfs, [int(0x200), int(8)], { detail: "sysfs is gone" }],
  ])("given %s: ERR, an event that says so, and it serves on", async (_name, options, packets, event) => {
    await given(options);
    primary.container.close();
    expect(await wireOf(...packets)).toEqual([ERR]);
    expect(await primary.told(1)).toEqual(["dropped: failed"]);
    expect(primary.events[0]).toMatchObject(event);
    expect(await wireOf(int(0x200), int(7))).toHaveLength(2);
  });

  it("given any packets from many clients at once: each is through, and it serves on", async () => {
    await given({ timeoutMs: 30_000 });
    const anyPacket = fc.oneof(
      fc.constantFrom(0x100, 0x200, 0x10001, 7, 8, -1).map(int),
      fc.integer().map(int),
      fc.uint8Array({ maxLength: 64 }),
    );
    const anyClients = fc.array(fc.array(anyPacket, { maxLength: 3 }), { maxLength: 20 });
    const serveAll = async (clients: readonly Uint8Array[][]): Promise<void> => {
      const sockets = clients.map((packets) => {
        const socket = SeqpacketSocket.connect(primary.path);
        for (const packet of packets) socket.send(packet);
        return socket;
      });
      for (const socket of sockets) socket.close();
      expect(await wireOf(int(0x200), int(7))).toHaveLength(2);
    };
    await fc.assert(fc.asyncProperty(anyClients, serveAll), { numRuns: 200 });
  });
});
