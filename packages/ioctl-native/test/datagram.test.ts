import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DatagramSocket, EventFd, Fd, kernel, openFile, SeqpacketListener, waitForFd } from "../src/index.js";
import { lockHolder } from "../src/internal.js";
import { BUILT_INTERNAL, resultOfChild, runInChild } from "./support/elsewhere.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

/** Two sockets with files, which are removed with them. */
class Two implements Disposable {
  readonly near = DatagramSocket.bind(pathOf("near"));
  readonly far = DatagramSocket.bind(pathOf("far"));

  [Symbol.dispose](): void {
    for (const socket of [this.near, this.far]) {
      socket.close();
      rmSync(socket.path, { force: true });
    }
  }
}

describe("a datagram", () => {
  it("keeps its bounds, and says from whom it is, so that it can be answered", async () => {
    using two = new Two();
    const wait = waitForFd(two.far);
    two.near.send(two.far.path, bytes(1, 2));
    two.near.send(two.far.path, bytes());
    await wait;
    expect(two.far.receive(9)).toEqual({
      bytes: Buffer.from([1, 2]),
      fds: [],
      truncated: false,
      from: two.near.path,
    });
    expect(two.far.receive(9)).toMatchObject({ bytes: Buffer.alloc(0), from: two.near.path });
    expect(two.far.receive(9)).toBeUndefined();
    two.far.send(two.near.path, bytes(3));
    expect(two.near.receive(9)).toMatchObject({ bytes: Buffer.from([3]), from: two.far.path });
  });

  it("brings file descriptors, which are close-on-exec", () => {
    using two = new Two();
    using event = EventFd.create();
    two.near.send(two.far.path, bytes(1), [event.fd]);
    const datagram = two.far.receive(9, 2);
    using copy = new Fd(datagram!.fds[0]!, "a received eventfd");
    kernel().eventfdWrite(copy.fd, 5);
    expect(event.read()).toBe(5);
    expect(datagram).toMatchObject({ truncated: false, fds: [copy.fd] });
    const flags = /^flags:\s+(\d+)/m.exec(kernel().readText(`/proc/self/fdinfo/${copy.fd}`) as string)![1]!;
    expect(parseInt(flags, 8) & 0o2000000).toBe(0o2000000);
  });

  it("with more bytes or fds than asked for says that it was cut", () => {
    using two = new Two();
    using event = EventFd.create();
    two.near.send(two.far.path, bytes(1, 2, 3));
    two.near.send(two.far.path, bytes(1), [event.fd]);
    expect(two.far.receive(2)).toMatchObject({ bytes: Buffer.from([1, 2]), truncated: true });
    expect(two.far.receive(2, 0)).toMatchObject({ fds: [], truncated: true });
  });

  it("of a sender without a path has no sender to answer", () => {
    using two = new Two();
    const code = `
      const { spawnSync } = await import("node:child_process");
      const program = "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', ${JSON.stringify(two.far.path).replaceAll('"', "'")})";
      console.log(spawnSync("python3", ["-c", program]).status);`;
    expect(resultOfChild(code)).toBe(0);
    expect(two.far.receive(9)).toMatchObject({ bytes: Buffer.from("x"), from: "" });
    expect(errorOf(() => two.far.send("", bytes(1))).code).toBe("EINVAL");
  });

  it("to a socket whose queue is full is EAGAIN, not a wait", () => {
    using two = new Two();
    const error = errorOf(() => {
      for (let i = 0; i < 10_000; i++) two.near.send(two.far.path, bytes(1));
    });
    expect(error).toMatchObject({ code: "EAGAIN", syscall: "sendmsg", path: two.far.path });
  });

  it("to a closed socket is ECONNREFUSED, to none ENOENT, each with the hint for its errno", () => {
    using two = new Two();
    two.far.close();
    const hint = (errno: number): string => `it was ${errno}`;
    expect(errorOf(() => two.near.send(two.far.path, bytes(1), [], hint))).toMatchObject({
      code: "ECONNREFUSED",
      hint: "it was -111",
    });
    expect(errorOf(() => two.near.send(pathOf("absent"), bytes(1), [], hint))).toMatchObject({
      code: "ENOENT",
      hint: "it was -2",
    });
  });

  it.each([["text"], [[1]], [undefined]])("can't be made of %s", (payload) => {
    using two = new Two();
    expect(errorOf(() => two.near.send(two.far.path, payload as never)).code).toBe(
      "ERR_VFIO_PACKET_ARGUMENT",
    );
    expect(two.far.receive(9)).toBeUndefined();
  });

  it.each([
    [-1, 0],
    [NaN, 0],
    [2 ** 40, 0],
    [9, 254],
  ])("can't be received as %s bytes with %s fds", (most, fds) => {
    using two = new Two();
    expect(errorOf(() => two.near.receive(most, fds)).code).toBe("ERR_VFIO_PACKET_ARGUMENT");
  });
});

describe("a datagram socket", () => {
  it("has a file of mode 0600 whatever the umask, which its close leaves", () => {
    const file = pathOf("mode");
    const umask = process.umask(0);
    try {
      using socket = DatagramSocket.bind(file);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      socket.close();
      socket.close();
      expect(socket.closed).toBe(true);
      expect(errorOf(() => socket.receive(1)).code).toBe("ERR_VFIO_CLOSED");
      expect(existsSync(file)).toBe(true);
    } finally {
      process.umask(umask);
      rmSync(file);
    }
  });

  it("that is connected takes datagrams from that peer only", () => {
    using two = new Two();
    using stranger = DatagramSocket.bind(pathOf("stranger"));
    two.near.connect(two.far.path);
    expect(errorOf(() => stranger.send(two.near.path, bytes(9))).code).toBe("EPERM");
    two.far.send(two.near.path, bytes(1));
    expect(two.near.receive(9)).toMatchObject({ bytes: Buffer.from([1]), from: two.far.path });
    rmSync(stranger.path);
  });

  it("can't connect to a socket of another type, a closed one or none", () => {
    using two = new Two();
    using _listener = SeqpacketListener.listen(pathOf("other"), 1);
    const code = (path: string): string | undefined => errorOf(() => two.near.connect(path)).code;
    expect(code(pathOf("other"))).toBe("EPROTOTYPE");
    two.far.close();
    expect(code(two.far.path)).toBe("ECONNREFUSED");
    expect(code(pathOf("absent"))).toBe("ENOENT");
    rmSync(pathOf("other"));
  });

  it.each([
    ["x".repeat(108), "ENAMETOOLONG"],
    ["", "EINVAL"],
    ["cut\0short", "EINVAL"],
    [7, "ERR_VFIO_ARGUMENT"],
  ])("can't be bound to %j: %s", (path, code) => {
    expect(errorOf(() => DatagramSocket.bind(path as never)).code).toBe(code);
  });

  it("can't be bound where something is, and that stays", () => {
    writeFileSync(pathOf("taken"), "precious");
    expect(errorOf(() => DatagramSocket.bind(pathOf("taken")))).toMatchObject({
      code: "EADDRINUSE",
      syscall: "bind",
    });
    expect(statSync(pathOf("taken")).isFile()).toBe(true);
  });
});

describe("the lock on a file", () => {
  it("is nobody's when nobody has one, and a closed file's can't be seen", () => {
    writeFileSync(pathOf("free"), "x");
    using file = openFile(pathOf("free"));
    expect(lockHolder(file, "the file")).toEqual({ locked: false, pid: 0 });
    expect(errorOf(() => lockHolder({ fd: 2 ** 31 - 1 }, "that file"))).toMatchObject({
      code: "EBADF",
      message: expect.stringContaining("cannot see who has locked that file") as string,
    });
  });

  it("names the process that has one, on a part of it, and is gone with that process", () => {
    writeFileSync(pathOf("locked"), "x".repeat(100));
    const lock = `import fcntl, sys, os; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX, 10, 50); print(os.getpid(), flush=True); sys.stdin.read()`;
    const { stdout } = runInChild(
      `
      const { spawn } = await import("node:child_process");
      const { once } = await import("node:events");
      const { lockHolder } = await import(${JSON.stringify(BUILT_INTERNAL)});
      const child = spawn("python3", ["-c", ${JSON.stringify(lock)}, ${JSON.stringify(pathOf("locked"))}]);
      const pid = Number(String((await once(child.stdout, "data"))[0]));
      using file = vfio.openFile(${JSON.stringify(pathOf("locked"))}, { flags: 0 });
      const held = lockHolder(file, "f");
      child.stdin.end();
      await once(child, "close");
      console.log(JSON.stringify({ right: held.pid === pid, locked: held.locked, after: lockHolder(file, "f") }));`.replace(
        "using file",
        "const file",
      ),
    );
    expect(JSON.parse(stdout)).toEqual({ right: true, locked: true, after: { locked: false, pid: 0 } });
  });
});
