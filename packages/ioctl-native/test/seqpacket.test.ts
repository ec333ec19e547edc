import { existsSync, rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { kernel, SeqpacketListener, SeqpacketSocket, useKernel } from "../src/index.js";
import { resultOfChild } from "./support/elsewhere.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { Pair, socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

describe("packets", () => {
  it("go in both directions", () => {
    using pair = new Pair(pathOf("pair"));
    pair.near.send(bytes(1));
    pair.far.send(bytes(4));
    expect(pair.far.receive(100)?.bytes).toEqual(Buffer.from([1]));
    expect(pair.near.receive(100)?.bytes).toEqual(Buffer.from([4]));
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

  it.each([-1, 0.5, NaN, 2 ** 31, "5"])("with a backlog of %s is refused and leaves no file", (backlog) => {
    expect(errorOf(() => SeqpacketListener.listen(pathOf("none"), backlog as never)).code).toBe(
      "ERR_VFIO_PACKET_ARGUMENT",
    );
    expect(existsSync(pathOf("none"))).toBe(false);
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
