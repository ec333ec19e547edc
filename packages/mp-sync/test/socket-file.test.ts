import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import path from "node:path";
import { once } from "node:events";
import { constants } from "node:os";
import { kernel, SeqpacketListener, SeqpacketSocket, useKernel, waitForFd } from "@vfio/ioctl-native";
import { describe, expect, it } from "vitest";
import { SocketFile } from "../src/socket/socket-file.js";
import { errorOf, expectError } from "./support/errors.js";
import { expectNoFdLeft } from "./support/fds.js";
import { freshPath, useFolder } from "./support/folder.js";
import { TestPrimary } from "./support/primary.js";
import { hex, int, next, spell } from "./support/wire.js";

useFolder();
expectNoFdLeft();

const filesBeside = (file: string): string[] =>
  readdirSync(path.dirname(file)).filter((name) => name.startsWith("."));

async function canConnect(file: string): Promise<boolean> {
  try {
    SeqpacketSocket.connect(file).close();
    return true;
  } catch {
    return false;
  }
}

const RUNNING = "ERR_VFIO_PRIMARY_ALREADY_RUNNING";
const OCCUPIED = "ERR_VFIO_SOCKET_PATH_OCCUPIED";

/** The path of a socket file whose primary is dead. */
function staleFile(): string {
  const file = freshPath();
  SeqpacketListener.listen(file, 1).close();
  return file;
}

/** Each of these calls of the kernel fails with this. */
const failing = (call: string, errno: keyof typeof constants.errno): Disposable =>
  useKernel({ ...kernel(), [call]: () => -constants.errno[errno] });

describe("claiming a socket file", () => {
  it("given nothing there, it listens, and closing removes the file", async () => {
    const file = freshPath();
    const socket = await SocketFile.claim(file);
    expect(await canConnect(file)).toBe(true);
    expect(filesBeside(file)).toEqual([]);
    socket.close();
    expect(existsSync(file)).toBe(false);
  });

  it("given a dead primary's socket, it takes the file over", async () => {
    const file = staleFile();
    const stale = statSync(file).ino;
    using socket = await SocketFile.claim(file);
    expect(socket.path).toBe(file);
    expect(statSync(file).ino).not.toBe(stale);
    expect(await canConnect(file)).toBe(true);
    expect(filesBeside(file)).toEqual([]);
  });

  it("given several that find the same stale socket at once, one has it and the others are refused", async () => {
    const file = staleFile();
    const claims = Array.from({ length: 8 }, () => SocketFile.claim(file));
    const outcomes = await Promise.all(claims.map((claim) => claim.catch((error: unknown) => error)));
    const [winner, ...others] = outcomes.filter((outcome) => outcome instanceof SocketFile);
    expect(others).toEqual([]);
    for (const loser of outcomes.filter((outcome) => outcome !== winner))
      expect(loser).toMatchObject({ code: RUNNING });
    winner!.close();
  });

  it("given a live primary, it is refused with who that is, and the primary serves on", async () => {
    using primary = await TestPrimary.start();
    const name = readFileSync("/proc/self/comm", "utf8").trimEnd();
    const who = `process ${process.pid} (${name}), uid ${process.getuid!()}`;
    const text = `a primary already listens on ${primary.path}: ${who}`;
    await expectError(() => SocketFile.claim(primary.path), RUNNING, text, "connectToPrimary");
    expect(await canConnect(primary.path)).toBe(true);
    expect(await primary.told(2)).toEqual(["unknown: ERR", "dropped: left"]);
  });

  it("given a live primary of 2014, hears out its answer, which would otherwise kill it with SIGPIPE", async () => {
    const file = freshPath();
    using listener = SeqpacketListener.listen(file, 4);
    const claiming = errorOf(() => SocketFile.claim(file));
    await waitForFd(listener);
    using socket = listener.accept()!;
    expect(spell(await next(socket))).toBe(`${hex(0)}+0fd`);
    expect(() => socket.send(int(255))).not.toThrow();
    expect((await claiming).code).toBe(RUNNING);
  });

  it("given a live primary whose queue is full, it is refused all the same", async () => {
    const file = freshPath();
    using listener = SeqpacketListener.listen(file, 0);
    using first = SeqpacketSocket.connect(file);
    await expectError(() => SocketFile.claim(file), RUNNING, "its queue is full");
    expect([listener.accept()?.close(), first.closed]).toEqual([undefined, false]);
  });

  it.each([
    ["a file", (file: string) => writeFileSync(file, "precious")],
    ["a folder", (file: string) => mkdirSync(file)],
    ["a link to a file", (file: string) => symlinkSync("/etc/hostname", file)],
  ])("given %s there, it is refused and left alone", async (_name, make) => {
    const file = freshPath();
    make(file);
    const before = statSync(file).ino;
    await expectError(() => SocketFile.claim(file), OCCUPIED, `cannot listen on ${file}: it is not a socket`);
    expect(statSync(file).ino).toBe(before);
  });

  it("given another program's live socket, it is refused", async () => {
    const file = freshPath();
    const other = net.createServer().listen(file);
    await once(other, "listening");
    await expectError(() => SocketFile.claim(file), OCCUPIED, "live socket of another type");
    other.close();
    await once(other, "close");
  });

  it("given a folder that does not exist: ENOENT with the path", async () => {
    const file = path.join(freshPath(), "s");
    const text = `cannot listen on ${file}`;
    await expectError(() => SocketFile.claim(file), "ENOENT", text, "The folder must exist");
  });

  it.each([
    ["bind", "socketBind", "EACCES", "writable for uid"],
    ["bind", "socketBind", "EROFS", "read-only"],
    ["bind", "socketBind", "ENOSPC", "no room"],
    ["bind", "socketBind", "EIO", null],
    ["socket", "socket", "EMFILE", "ulimit -n"],
    ["socket", "socket", "ENFILE", "file-max"],
    ["socket", "socket", "EACCES", null],
    ["listen", "socketListen", "EACCES", null],
  ] as const)(
    "given a %s() that fails (%s: %s): the hint follows from call and errno",
    async (call, name, errno, hint) => {
      const file = freshPath();
      using _fails = failing(name, errno);
      const error = await expectError(() => SocketFile.claim(file), errno, `cannot listen on ${file}`, hint);
      expect(error).toMatchObject({ syscall: call });
      expect(filesBeside(file)).toEqual([]);
    },
  );

  it("given a live primary whose name cannot be read, it is refused all the same, with its pid", async () => {
    using primary = await TestPrimary.start();
    using _fails = failing("readText", "EMFILE");
    const text = `process ${process.pid} (name unknown)`;
    await expectError(() => SocketFile.claim(primary.path), RUNNING, text);
  });

  it.each([
    ["EACCES", "another user"],
    ["EMFILE", "ulimit -n"],
    ["EIO", null],
  ] as const)("given that nobody can tell who is there (%s), nothing is replaced", async (errno, hint) => {
    const file = staleFile();
    const { ino } = statSync(file);
    using _fails = failing("socketConnect", errno);
    await expectError(() => SocketFile.claim(file), errno, "cannot tell whether a primary runs", hint);
    expect(statSync(file).ino).toBe(ino);
  });

  it("given that the new socket cannot be looked at, nothing is left behind", async () => {
    const file = freshPath();
    const real = kernel();
    using _fails = useKernel({
      ...real,
      stat: (name) => (name === file ? real.stat(name) : -constants.errno.EIO),
    });
    await expectError(() => SocketFile.claim(file), "EIO");
    expect([existsSync(file), filesBeside(file)]).toEqual([false, []]);
  });

  it("given a path that leaves no room for the temporary name beside it: a typed error", async () => {
    const file = `/${"d".repeat(100)}/s`;
    await expectError(() => SocketFile.claim(file), "ERR_VFIO_SOCKET_PATH", "", "107 bytes");
  });

  it("given a rename that fails, nothing is left behind", async () => {
    const file = freshPath();
    using _fails = failing("rename", "EACCES");
    await expectError(() => SocketFile.claim(file), "EACCES", `cannot put the socket in place at ${file}`);
    expect([existsSync(file), filesBeside(file)]).toEqual([false, []]);
  });
});

describe("leaving a socket file", () => {
  it("removes the file while it still listens: nobody takes over a file that is about to go", async () => {
    const file = freshPath();
    const socket = await SocketFile.claim(file);
    const real = kernel();
    let listened = false;
    using _seen = useKernel({
      ...real,
      unlink: (name) => {
        const probe = SeqpacketSocket.connect(name);
        listened = true;
        probe.close();
        return real.unlink(name);
      },
    });
    socket.close();
    expect([listened, existsSync(file)]).toEqual([true, false]);
  });

  it("given that another primary has taken the path over, its file stays", async () => {
    const file = freshPath();
    const first = await SocketFile.claim(file);
    renameSync(file, `${file}.old`);
    const second = await SocketFile.claim(file);
    first.close();
    expect(await canConnect(file)).toBe(true);
    second.close();
    expect(existsSync(file)).toBe(false);
  });
});
