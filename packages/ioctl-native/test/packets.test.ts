import { spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EventFd, Fd, kernel, openFile, waitForFd, type ReceivedPacket } from "../src/index.js";
import { errorOf, expectRangeError } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { socketFolder, WAYS, type Way } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const one = bytes(1);

function closeAll(packet: ReceivedPacket | undefined): number {
  for (const fd of packet?.fds ?? []) kernel().close(fd);
  return packet?.fds.length ?? 0;
}

describe.each(Object.entries(WAYS))("packets of a %s socket", (_kind, makeWay) => {
  let way: Way;
  beforeEach(() => (way = makeWay(pathOf("way"))));
  afterEach(() => way[Symbol.dispose]());
  const many = (count: number): number[] => Array.from({ length: count }, () => way.from.fd);

  it("keep their bounds and order, and wake up who waits for them", async () => {
    const wait = waitForFd(way.to);
    way.send(one);
    way.send(bytes(2, 3));
    await wait;
    expect(way.receive(100)).toMatchObject({ bytes: Buffer.from([1]), fds: [], truncated: false });
    expect(way.receive(100)?.bytes).toEqual(Buffer.from([2, 3]));
    expect(way.receive(100)).toBeUndefined();
  });

  it("that are longer than asked for say that they were cut, and the next one is whole", () => {
    way.send(bytes(1, 2, 3));
    way.send(bytes(4));
    expect(way.receive(2)).toMatchObject({ bytes: Buffer.from([1, 2]), fds: [], truncated: true });
    expect(way.receive(2)).toMatchObject({ bytes: Buffer.from([4]), fds: [], truncated: false });
  });

  it("from a view in the middle of a buffer, or from shared memory, are just these bytes", () => {
    way.send(bytes(1, 2, 3, 4).subarray(1, 3));
    way.send(new Uint8Array(new SharedArrayBuffer(4)).fill(9));
    expect([...way.receive(9)!.bytes]).toEqual([2, 3]);
    expect([...way.receive(9)!.bytes]).toEqual([9, 9, 9, 9]);
  });

  it("that nobody reads are EAGAIN in the end, not a wait; larger than the send buffer, EMSGSIZE", () => {
    expect(errorOf(() => way.send(new Uint8Array(64 * 2 ** 20))).code).toBe("EMSGSIZE");
    const error = errorOf(() => {
      for (let i = 0; i < 10_000; i++) way.send(new Uint8Array(1024));
    });
    expect(error).toMatchObject({ code: "EAGAIN", syscall: "sendmsg" });
  });

  it.each([["text"], [[1]], [new Uint16Array(1)], [undefined], [null]])("can't be made of %s", (payload) => {
    expect(errorOf(() => way.send(payload as never)).code).toBe("ERR_VFIO_PACKET_ARGUMENT");
    expect(way.receive(9)).toBeUndefined();
  });

  it.each([-1, 0.5, NaN, 2 ** 40, 2 ** 62, "9"])("can't be received as %s bytes", (most) => {
    expectRangeError(() => way.receive(most as never, 0), "ERR_VFIO_PACKET_ARGUMENT");
  });

  it.each([-1, 254, NaN, "1"])("can't be received with %s fds", (fds) => {
    expectRangeError(() => way.receive(9, fds as never), "ERR_VFIO_PACKET_ARGUMENT");
  });

  it("bring file descriptors as new ones for the same open file, close-on-exec", () => {
    using event = EventFd.create();
    way.send(one, [event.fd]);
    const packet = way.receive(9, 2);
    using copy = new Fd(packet!.fds[0]!, "a received eventfd");
    expect(packet).toMatchObject({ truncated: false, fds: [copy.fd] });
    expect(copy.fd).not.toBe(event.fd);
    kernel().eventfdWrite(copy.fd, 5);
    expect(event.read()).toBe(5);
    const listed = spawnSync("ls", ["/proc/self/fd"], { encoding: "utf8" }).stdout.split("\n");
    expect(listed).not.toContain(String(copy.fd));
  });

  it("bring them in the order in which they were sent, fd 0 among them", () => {
    using nothing = openFile("/dev/null");
    using zeroes = openFile("/dev/zero");
    way.send(one, [zeroes.fd, 0, nothing.fd]);
    const packet = way.receive(9, 3);
    const links = packet?.fds.map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
    expect(links).toEqual(["/dev/zero", readlinkSync("/proc/self/fd/0"), "/dev/null"]);
    closeAll(packet);
  });

  it("bring them without any bytes, too", () => {
    way.send(new Uint8Array(0), many(1));
    const packet = way.receive(0, 1);
    expect([packet?.bytes.length, closeAll(packet)]).toEqual([0, 1]);
  });

  it("bring 253 at most", () => {
    way.send(one, many(253));
    const packet = way.receive(9, 253);
    expect([packet?.truncated, new Set(packet?.fds).size]).toEqual([false, 253]);
    expect(closeAll(packet)).toBe(253);
  });

  it.each([254, 2 ** 32 - 1])("with %d are EINVAL, sent to nobody", (count) => {
    const error = errorOf(() => way.send(one, new Array<number>(count)));
    expect(error).toMatchObject({ code: "EINVAL", syscall: "sendmsg" });
    expect(way.receive(9)).toBeUndefined();
  });

  it.each(["2 for 1", "3 for 1", "3 for 2", "5 for 3", "1 for 0", "253 for 0"])(
    "with more than asked for (%s) are cut, say so, and none is left open",
    (numbers) => {
      const [sent = 0, asked = 0] = numbers.split(" for ").map(Number);
      way.send(one, many(sent));
      const packet = way.receive(9, asked);
      expect([packet?.truncated, closeAll(packet)]).toEqual([true, asked]);
    },
  );

  it("that nobody receives: their fds are closed with the socket", () => {
    way.send(one, [way.from.fd, 0]);
  });

  it.each([-1, 0.5, NaN, 2 ** 32, "0", undefined, null, {}, 2 ** 31 - 1])(
    "can't bring %s as an fd: EBADF, and not stdin by accident",
    (fd) => {
      expect(errorOf(() => way.send(one, [fd as never])).code).toBe("EBADF");
      expect(way.receive(9, 1)).toBeUndefined();
    },
  );

  it.each([["0"], [{ length: 1, 0: 0 }], [3], [null]])("can't bring fds in %j", (fds) => {
    expect(errorOf(() => way.send(one, fds as never)).code).toBe("ERR_VFIO_PACKET_ARGUMENT");
  });

  it("whose array of fds has a getter that detaches the bytes do no harm", () => {
    const payload = new Uint8Array(4096).fill(7);
    const get = (): number => {
      structuredClone(payload.buffer, { transfer: [payload.buffer] });
      return way.from.fd;
    };
    way.send(payload, Object.defineProperty([0], 0, { get }));
    const packet = way.receive(9, 1);
    expect([packet?.bytes.length, closeAll(packet)]).toEqual([0, 1]);
  });

  it("whose array of fds has a getter that throws are that exception", () => {
    const get = (): never => {
      throw new Error("from the getter");
    };
    expect(() => way.send(one, Object.defineProperty([0], 0, { get }))).toThrow("from the getter");
    expect(way.receive(9, 1)).toBeUndefined();
  });
});
