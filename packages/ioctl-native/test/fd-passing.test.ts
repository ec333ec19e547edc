import { spawnSync } from "node:child_process";
import { fstatSync, readlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { EventFd, Fd, kernel, openFile, type ReceivedPacket } from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { Pair, socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();
const one = new Uint8Array([1]);

function closeAll(packet: ReceivedPacket | undefined): number {
  for (const fd of packet?.fds ?? []) kernel().close(fd);
  return packet?.fds.length ?? 0;
}

describe("file descriptors in a packet", () => {
  it("arrive as new ones for the same open file", () => {
    using pair = new Pair(pathOf("pair"));
    using event = EventFd.create();
    pair.near.send(one, [event.fd]);
    const packet = pair.far.receive(9, 1);
    using copy = new Fd(packet!.fds[0]!, "a received eventfd");
    expect(copy.fd).not.toBe(event.fd);
    kernel().eventfdWrite(copy.fd, 5);
    expect(event.read()).toBe(5);
  });

  it("arrive in the order in which they were sent, fd 0 among them", () => {
    using pair = new Pair(pathOf("pair"));
    using nothing = openFile("/dev/null");
    using zeroes = openFile("/dev/zero");
    pair.near.send(one, [zeroes.fd, 0, nothing.fd]);
    const { fds } = pair.far.receive(9, 3)!;
    const [first, second, third] = fds.map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
    expect([first, second, third]).toEqual(["/dev/zero", readlinkSync("/proc/self/fd/0"), "/dev/null"]);
    for (const fd of fds) kernel().close(fd);
  });

  it("come without any bytes too", () => {
    using pair = new Pair(pathOf("pair"));
    pair.near.send(new Uint8Array(0), [pair.near.fd]);
    const packet = pair.far.receive(0, 1);
    expect(packet?.bytes).toHaveLength(0);
    expect(closeAll(packet)).toBe(1);
  });

  it("are 253 at most", () => {
    using pair = new Pair(pathOf("pair"));
    pair.near.send(
      one,
      Array.from({ length: 253 }, () => pair.near.fd),
    );
    const packet = pair.far.receive(9, 253);
    expect(packet?.truncated).toBe(false);
    expect(new Set(packet?.fds).size).toBe(253);
    expect(closeAll(packet)).toBe(253);
  });

  it.each([254, 2 ** 32 - 1])("and %d are EINVAL, sent to nobody", (count) => {
    using pair = new Pair(pathOf("pair"));
    const error = errorOf(() => pair.near.send(one, new Array<number>(count)));
    expect(error).toMatchObject({ code: "EINVAL", syscall: "sendmsg" });
    expect(pair.far.receive(9)).toBeUndefined();
  });

  it("are close-on-exec at the receiver", () => {
    using pair = new Pair(pathOf("pair"));
    using nothing = openFile("/dev/null");
    pair.near.send(one, [nothing.fd]);
    using received = new Fd(pair.far.receive(9, 1)!.fds[0]!, "received");
    expect(fstatSync(received.fd).isCharacterDevice()).toBe(true);
    const listed = spawnSync("ls", ["/proc/self/fd"], { encoding: "utf8" }).stdout.split("\n");
    expect(listed).not.toContain(String(received.fd));
  });

  it.each([
    [2, 1],
    [3, 1],
    [3, 2],
    [5, 3],
    [1, 0],
    [253, 0],
  ])("that are more than asked for (%d for %d) are cut, said so, and none is left open", (sent, asked) => {
    using pair = new Pair(pathOf("pair"));
    pair.near.send(
      one,
      Array.from({ length: sent }, () => pair.near.fd),
    );
    const packet = pair.far.receive(9, asked);
    expect(packet?.truncated).toBe(true);
    expect(closeAll(packet)).toBe(asked);
  });

  it("that nobody receives are closed with the socket", () => {
    using pair = new Pair(pathOf("pair"));
    pair.near.send(one, [pair.near.fd, 0]);
  });

  it.each([-1, 0.5, NaN, 2 ** 32, "0", undefined, null, {}, 2 ** 31 - 1])(
    "can't be %s: EBADF, and not stdin by accident",
    (fd) => {
      using pair = new Pair(pathOf("pair"));
      expect(errorOf(() => pair.near.send(one, [fd as never])).code).toBe("EBADF");
      expect(pair.far.receive(9, 1)).toBeUndefined();
    },
  );

  it.each([["0"], [{ length: 1, 0: 0 }], [3], [null]])("can't be in %j", (fds) => {
    using pair = new Pair(pathOf("pair"));
    expect(errorOf(() => pair.near.send(one, fds as never)).code).toBe("ERR_VFIO_PACKET_ARGUMENT");
  });

  it("in an array whose getter detaches the bytes can't do harm", () => {
    using pair = new Pair(pathOf("pair"));
    const bytes = new Uint8Array(4096).fill(7);
    const fds = [0];
    Object.defineProperty(fds, 0, {
      get: () => {
        structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
        return pair.near.fd;
      },
    });
    pair.near.send(bytes, fds);
    const packet = pair.far.receive(9, 1);
    expect(packet?.bytes).toHaveLength(0);
    closeAll(packet);
  });

  it("in an array whose getter throws are that exception", () => {
    using pair = new Pair(pathOf("pair"));
    const fds = [0];
    Object.defineProperty(fds, 0, {
      get: () => {
        throw new Error("from the getter");
      },
    });
    expect(() => pair.near.send(one, fds)).toThrow("from the getter");
    expect(pair.far.receive(9, 1)).toBeUndefined();
  });
});
