import { once } from "node:events";
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { kernel, SeqpacketListener, SeqpacketSocket, useKernel, waitForFd } from "../src/index.js";
import { nextMessage, resultOfChild } from "./support/elsewhere.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { Pair, socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

describe("packets", () => {
  it("keep their bounds and order, in both directions", () => {
    using pair = new Pair(pathOf("pair"));
    pair.near.send(bytes(1));
    pair.near.send(bytes(2, 3));
    pair.far.send(bytes(4));
    expect(pair.far.receive(100)?.bytes).toEqual(Buffer.from([1]));
    expect(pair.far.receive(100)?.bytes).toEqual(Buffer.from([2, 3]));
    expect(pair.far.receive(100)).toBeUndefined();
    expect(pair.near.receive(100)?.bytes).toEqual(Buffer.from([4]));
  });

  it("wake up who waits for them", async () => {
    using pair = new Pair(pathOf("pair"));
    const wait = waitForFd(pair.far);
    pair.near.send(bytes(7));
    await wait;
    expect(pair.far.receive(1)).toMatchObject({ fds: [], truncated: false });
  });

  it("that are longer than asked for say that they were cut, and the next one is whole", () => {
    using pair = new Pair(pathOf("pair"));
    pair.near.send(bytes(1, 2, 3));
    pair.near.send(bytes(4));
    expect(pair.far.receive(2)).toEqual({ bytes: Buffer.from([1, 2]), fds: [], truncated: true });
    expect(pair.far.receive(2)).toEqual({ bytes: Buffer.from([4]), fds: [], truncated: false });
  });

  it("from a view in the middle of a buffer, or from shared memory, are just these bytes", () => {
    using pair = new Pair(pathOf("pair"));
    const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(9);
    pair.near.send(bytes(1, 2, 3, 4).subarray(1, 3));
    pair.near.send(shared);
    expect([...pair.far.receive(9)!.bytes]).toEqual([2, 3]);
    expect([...pair.far.receive(9)!.bytes]).toEqual([9, 9, 9, 9]);
  });

  it("are empty when the peer left, after everything that it sent", () => {
    using pair = new Pair(pathOf("pair"));
    pair.near.send(bytes(1));
    pair.near.close();
    expect(pair.far.receive(9)?.bytes).toHaveLength(1);
    expect(pair.far.receive(9)).toEqual({ bytes: Buffer.alloc(0), fds: [], truncated: false });
  });

  it("that a peer sent just before it left are not lost to a kernel that looked for them a moment too early", () => {
    using pair = new Pair(pathOf("pair"));
    const real = kernel();
    let looks = 0;
    using _fake = useKernel({
      ...real,
      socketReceive: (...args) => {
        if (looks++ > 0) return real.socketReceive(...args);
        pair.near.send(bytes(5));
        pair.near.close();
        return { bytes: bytes(), fds: [], truncated: false };
      },
    });
    expect(pair.far.receive(4)).toEqual({ bytes: Buffer.from([5]), fds: [], truncated: false });
    expect(pair.far.receive(4)).toEqual({ bytes: Buffer.from([]), fds: [], truncated: false });
  });

  it("that a peer left unread are ECONNRESET for their sender, once", () => {
    using pair = new Pair(pathOf("pair"));
    pair.near.send(bytes(1));
    pair.far.close();
    expect(errorOf(() => pair.near.receive(9))).toMatchObject({ code: "ECONNRESET", syscall: "recvmsg" });
    expect(pair.near.receive(9)?.bytes).toHaveLength(0);
  });

  it("to a peer that left are EPIPE, and no signal", () => {
    const code = `
      const listener = vfio.SeqpacketListener.listen(${JSON.stringify(pathOf("epipe"))}, 1);
      const near = vfio.SeqpacketSocket.connect(${JSON.stringify(pathOf("epipe"))});
      listener.accept().close();
      process.on("SIGPIPE", () => console.log('"signal"'));
      try { near.send(new Uint8Array(1)); } catch (error) { console.log(JSON.stringify([error.code, error.syscall])); }`;
    expect(resultOfChild(code)).toEqual(["EPIPE", "sendmsg"]);
    rmSync(pathOf("epipe"));
  });

  it("to a peer that does not read are EAGAIN, not a wait", () => {
    using pair = new Pair(pathOf("pair"));
    expect(
      errorOf(() => {
        for (let i = 0; i < 10_000; i++) pair.near.send(new Uint8Array(1024));
      }).code,
    ).toBe("EAGAIN");
  });

  it("larger than the send buffer are EMSGSIZE", () => {
    using pair = new Pair(pathOf("pair"));
    expect(errorOf(() => pair.near.send(new Uint8Array(64 * 2 ** 20))).code).toBe("EMSGSIZE");
  });

  it.each([["text"], [[1]], [new Uint16Array(1)], [undefined], [null]])("can't be made of %s", (payload) => {
    using pair = new Pair(pathOf("pair"));
    expect(errorOf(() => pair.near.send(payload as never)).code).toBe("ERR_VFIO_PACKET_ARGUMENT");
    expect(pair.far.receive(9)).toBeUndefined();
  });

  it.each([
    [-1, 0],
    [0.5, 0],
    [NaN, 0],
    [2 ** 40, 0],
    [2 ** 62, 0],
    ["9", 0],
    [9, -1],
    [9, 254],
    [9, NaN],
    [9, "1"],
  ])("can't be received as %s bytes with %s fds", (most, fds) => {
    using pair = new Pair(pathOf("pair"));
    const error = errorOf(() => pair.near.receive(most as never, fds as never));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.code).toBe("ERR_VFIO_PACKET_ARGUMENT");
  });
});

describe("connecting", () => {
  it("finds out who is at the other end", () => {
    using pair = new Pair(pathOf("pair"));
    const us = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
    expect(pair.near.peer).toEqual(us);
    expect(pair.far.peer).toEqual(us);
  });

  it("where no file is: ENOENT, with the hint for that errno", () => {
    const error = errorOf(() => SeqpacketSocket.connect(pathOf("absent"), (errno) => `start it (${errno})`));
    expect(error).toMatchObject({ code: "ENOENT", syscall: "connect", path: pathOf("absent") });
    expect(error.hint).toBe("start it (-2)");
  });

  it("where nobody listens any more: ECONNREFUSED", () => {
    SeqpacketListener.listen(pathOf("stale"), 1).close();
    expect(existsSync(pathOf("stale"))).toBe(true);
    expect(errorOf(() => SeqpacketSocket.connect(pathOf("stale"))).code).toBe("ECONNREFUSED");
    rmSync(pathOf("stale"));
  });

  it("when the queue is full: EAGAIN, not a wait", () => {
    using _listener = SeqpacketListener.listen(pathOf("full"), 0);
    using _first = SeqpacketSocket.connect(pathOf("full"));
    expect(errorOf(() => SeqpacketSocket.connect(pathOf("full"))).code).toBe("EAGAIN");
    rmSync(pathOf("full"));
  });

  it.each([
    ["x".repeat(108), "ENAMETOOLONG"],
    ["", "EINVAL"],
    ["\0abstract", "EINVAL"],
    ["cut\0short", "EINVAL"],
    [7, "ERR_VFIO_ARGUMENT"],
  ])("or listening on the path %j: %s", (file, code) => {
    expect(errorOf(() => SeqpacketSocket.connect(file as never)).code).toBe(code);
    expect(errorOf(() => SeqpacketListener.listen(file as never, 1)).code).toBe(code);
  });
});

describe("listening", () => {
  it("on the longest path there is (107 bytes) works", () => {
    const folder = pathOf("").replace(/\/?$/, "/");
    const file = folder + "x".repeat(107 - folder.length);
    using _listener = SeqpacketListener.listen(file, 1);
    using _near = SeqpacketSocket.connect(file);
    rmSync(file);
  });

  it("accepts who waits, and else nobody", () => {
    using listener = SeqpacketListener.listen(pathOf("door"), 1);
    expect(listener.accept()).toBeUndefined();
    using near = SeqpacketSocket.connect(pathOf("door"));
    using far = listener.accept();
    expect(far?.closed).toBe(false);
    expect(near.fd).not.toBe(far?.fd);
    rmSync(pathOf("door"));
  });

  it("where something is: EADDRINUSE, and that stays", () => {
    writeFileSync(pathOf("taken"), "precious");
    const error = errorOf(() => SeqpacketListener.listen(pathOf("taken"), 1));
    expect(error).toMatchObject({ code: "EADDRINUSE", syscall: "bind", path: pathOf("taken") });
    expect(statSync(pathOf("taken")).isFile()).toBe(true);
  });

  it.each([-1, 0.5, NaN, 2 ** 31, "5"])("with a backlog of %s is refused and leaves no file", (backlog) => {
    expect(errorOf(() => SeqpacketListener.listen(pathOf("none"), backlog as never)).code).toBe(
      "ERR_VFIO_PACKET_ARGUMENT",
    );
    expect(existsSync(pathOf("none"))).toBe(false);
  });

  it("gives the file mode 0600 from its first moment, whatever the umask", async () => {
    const look = `
      const { parentPort, workerData } = require("node:worker_threads");
      const { statSync } = require("node:fs");
      parentPort.postMessage("looking");
      let seen;
      while ((seen = statSync(workerData, { throwIfNoEntry: false })) === undefined);
      parentPort.postMessage(seen.mode);`;
    const umask = process.umask(0);
    try {
      for (let round = 0; round < 5; round++) {
        const watcher = new Worker(look, { eval: true, workerData: pathOf("mode"), execArgv: [] });
        // Its last message and its end may come in one go.
        const exited = once(watcher, "exit");
        await nextMessage(watcher);
        const first = nextMessage(watcher);
        using _listener = SeqpacketListener.listen(pathOf("mode"), 1);
        expect(await first).toBe(0o140600);
        await exited;
        rmSync(pathOf("mode"));
      }
    } finally {
      process.umask(umask);
    }
  });

  it("without any fd left says so, with the remedy, and accepts when there is one again", () => {
    const code = `
      const file = ${JSON.stringify(pathOf("emfile"))};
      const listener = vfio.SeqpacketListener.listen(file, 1);
      const near = vfio.SeqpacketSocket.connect(file);
      const hoard = [];
      try { for (;;) hoard.push(vfio.openFile("/dev/null")); } catch {}
      let failure;
      try { listener.accept(); } catch (error) { failure = error; }
      hoard.pop().close();
      console.log(JSON.stringify([failure.code, failure.hint, listener.accept() !== undefined]));`;
    expect(resultOfChild(code)).toEqual(["EMFILE", "Close some, or raise the limit: ulimit -n", true]);
    rmSync(pathOf("emfile"));
  });
});
