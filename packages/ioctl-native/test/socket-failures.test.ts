import { once } from "node:events";
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import {
  DatagramSocket,
  errnoOf,
  realKernel,
  SeqpacketListener,
  SeqpacketSocket,
  useKernel,
  type ErrnoName,
  type VfioError,
} from "../src/index.js";
import { nextMessage, resultOfChild } from "./support/elsewhere.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();
afterEach(() => rmSync(pathOf("socket"), { force: true }));

const hint = (): string => "The folder must be there";
const making = {
  "a listener": () => SeqpacketListener.listen(pathOf("socket"), 8, hint),
  "a datagram socket": () => DatagramSocket.bind(pathOf("socket"), hint),
  "a connection": () => SeqpacketSocket.connect(pathOf("socket"), hint),
};
const calls = {
  socket: "socket",
  fchmod: "chmod",
  bind: "socketBind",
  listen: "socketListen",
  connect: "socketConnect",
} as const;

/** The error of making something while one call fails. */
function failure(what: keyof typeof making, syscall: keyof typeof calls, errno: ErrnoName): unknown {
  using _kernel = useKernel({ ...realKernel(), [calls[syscall]]: () => errnoOf(errno) });
  return errorOf(making[what]);
}

describe("given a local socket one of whose calls fails, the error names that call, and nothing is left", () => {
  it.each([
    ["a listener", ["socket", "fchmod", "bind", "listen"]],
    ["a datagram socket", ["socket", "fchmod", "bind"]],
    ["a connection", ["socket", "connect"]],
  ] as const)("%s: any of %o", (what, syscalls) => {
    for (const syscall of syscalls)
      for (const errno of ["EIO", "ENOMEM", "EINVAL"] as const) {
        expect(failure(what, syscall, errno)).toMatchObject({ code: errno, syscall });
        expect(existsSync(pathOf("socket"))).toBe(false);
      }
  });
});

describe("given the remedy that a caller knows", () => {
  it.each([
    ["a listener", "bind"],
    ["a datagram socket", "bind"],
    ["a connection", "connect"],
  ] as const)("%s names it when %s fails, with the path", (what, syscall) => {
    expect(failure(what, syscall, "ENOENT")).toMatchObject({ hint: hint(), path: pathOf("socket") });
  });

  it.each(Object.keys(making) as (keyof typeof making)[])(
    "%s names another one when there is no fd for it, which has nothing to do with the folder",
    (what) => {
      const hintFor = (errno: ErrnoName): unknown => (failure(what, "socket", errno) as VfioError).hint;
      expect(hintFor("EMFILE")).toContain("ulimit -n");
      expect(hintFor("ENFILE")).toContain("fs.file-max");
      expect(failure(what, "socket", "EPERM")).not.toHaveProperty("hint");
    },
  );
});

describe.each([
  ["a listener", (file: string) => SeqpacketListener.listen(file, 1)],
  ["a datagram socket", (file: string) => DatagramSocket.bind(file)],
] as const)("given the path that %s shall have", (_what, make) => {
  it("if something is there, it is EADDRINUSE, and that stays", () => {
    writeFileSync(pathOf("socket"), "precious");
    const error = { code: "EADDRINUSE", syscall: "bind", path: pathOf("socket") };
    expect(errorOf(() => make(pathOf("socket")))).toMatchObject(error);
    expect(statSync(pathOf("socket")).isFile()).toBe(true);
  });

  it("its file has mode 0600 from its first moment, whatever the umask", async () => {
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
        const watcher = new Worker(look, { eval: true, workerData: pathOf("socket"), execArgv: [] });
        // Its last message and its end may come in one go.
        const exited = once(watcher, "exit");
        await nextMessage(watcher);
        const first = nextMessage(watcher);
        using _socket = make(pathOf("socket"));
        expect(await first).toBe(0o140600);
        await exited;
        rmSync(pathOf("socket"));
      }
    } finally {
      process.umask(umask);
    }
  });
});

it.each([
  ["x".repeat(108), "ENAMETOOLONG"],
  ["", "EINVAL"],
  ["\0abstract", "EINVAL"],
  ["cut\0short", "EINVAL"],
  [7, "ERR_VFIO_ARGUMENT"],
])("given the path %j, nobody can connect to it, listen or be bound there: %s", (path, code) => {
  const file = path as string;
  for (const use of [
    () => SeqpacketSocket.connect(file),
    () => SeqpacketListener.listen(file, 1),
    () => DatagramSocket.bind(file),
  ])
    expect(errorOf(use).code).toBe(code);
});

it("given a process that has no fd left, it is told so, and not of a folder", () => {
  const code = `
    const taken = [];
    try { for (;;) taken.push(vfio.EventFd.create()); } catch {}
    let said;
    try { vfio.SeqpacketListener.listen("/tmp/never", 8); } catch ({ code, syscall }) { said = { code, syscall }; }
    for (const each of taken) each.close();
    console.log(JSON.stringify(said));`;
  expect(resultOfChild(code)).toEqual({ code: "EMFILE", syscall: "socket" });
});

it("given a kind of socket that is none, or a mode, the kernel is not asked", () => {
  const { socket, chmod } = realKernel();
  const answers = [socket("stream" as never), chmod(-1, 0o600), chmod(0, -1), chmod(0, 0o10000)];
  expect(answers).toEqual((["EINVAL", "EBADF", "EINVAL", "EINVAL"] as const).map(errnoOf));
});
