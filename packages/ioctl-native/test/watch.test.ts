import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setImmediate, setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  EventFd,
  Fd,
  kernel,
  openFile,
  realKernel,
  useKernel,
  waitForFd,
  watchFd,
  type HasFd,
  type VfioError,
} from "../src/index.js";
import { resultOfChild, runInChild } from "./support/elsewhere.js";
import { errorOf, rejectionOf } from "./support/errors.js";
import { fdsStayAsTheyWere, openFds } from "./support/leaks.js";
import { Pair, socketFolder } from "./support/sockets.js";

const { versions } = process;
const pathOf = socketFolder();
fdsStayAsTheyWere();

function pretend(told: Record<string, string>): void {
  Object.defineProperty(process, "versions", { value: { ...versions, ...told }, configurable: true });
}
afterEach(() => pretend({}));

/** The event loop of bun and deno is none that an addon can use: there, fds are polled. */
describe.each(["node", "bun", "deno"])("watching an fd in %s", (name) => {
  let undo: Disposable;
  beforeEach(() => {
    pretend({ [name]: "99.0.0" });
    undo = useKernel(realKernel());
  });
  afterEach(() => undo[Symbol.dispose]());
  /** As many turns, or as much time, as a call back would take. */
  const meanwhile = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    if (name !== "node") await delay(20);
  };

  it("calls back while it is readable, and no more after stop(); all that is left to do is nothing then", async () => {
    using event = EventFd.create();
    let calls = 0;
    const watcher = watchFd(event, () => calls++);
    event.signal();
    while (calls < 3) await setImmediate();
    for (const each of [watcher.stop, watcher.stop, watcher.ref, watcher.unref]) each();
    watcher[Symbol.dispose]();
    for (const stale of [undefined, 0, 1, {}, "1"]) kernel().unwatch(stale);
    const before = calls;
    await meanwhile();
    expect(calls).toBe(before);
  });

  it("can signal what it watches and stop itself from within its own callback", async () => {
    using event = EventFd.create();
    const counts: number[] = [];
    const watcher = watchFd(event, () => {
      counts.push(event.read());
      if (counts.length === 4) watcher.stop();
      event.signal(counts.length);
    });
    event.signal(9);
    while (counts.length < 4) await setImmediate();
    await meanwhile();
    expect(counts).toEqual([9, 1, 2, 3]);
  });

  it("holds no fd any more once it is stopped, at once, and is not called for what comes then", async () => {
    using event = EventFd.create();
    const before = openFds();
    let calls = 0;
    watchFd(event, () => calls++).stop();
    event.signal();
    expect(openFds()).toEqual(before);
    await meanwhile();
    expect(calls).toBe(0);
  });

  it("is possible several times at once, for reading and for writing", async () => {
    using event = EventFd.create();
    const waits = [waitForFd(event), waitForFd(event), waitForFd(event, { forWriting: true })];
    event.signal();
    await expect(Promise.all(waits)).resolves.toHaveLength(3);
  });

  it("goes on after an error state: a reset connection is reported, and then its end", async () => {
    using pair = new Pair(pathOf("pair"));
    const seen: string[] = [];
    using _watcher = watchFd(pair.near, () => {
      try {
        seen.push(`${pair.near.receive(9)?.bytes.length} bytes`);
      } catch (error) {
        seen.push((error as VfioError).code);
      }
    });
    pair.near.send(new Uint8Array(1));
    pair.far.close();
    while (seen.length < 2) await setImmediate();
    expect(seen.slice(0, 2)).toEqual(["ECONNRESET", "0 bytes"]);
  });

  it("a wait ends when it is ready for writing, when the time is up, when the peer leaves", async () => {
    using event = EventFd.create();
    await waitForFd(event, { forWriting: true });
    expect((await rejectionOf(waitForFd(event, { timeoutMs: 5 }))).code).toBe("ERR_VFIO_TIMEOUT");
    using pair = new Pair(pathOf("pair"));
    setTimeout(() => pair.far.close(), 5);
    await waitForFd(pair.near, { timeoutMs: 10_000 });
    expect(pair.near.receive(9)?.bytes.length).toBe(0);
  });

  it("of what can't be waited for is an error with the reason", () => {
    using file = new Fd(openSync(import.meta.filename, "r"), "an ordinary file");
    using folder = new Fd(openSync(import.meta.dirname, "r"), "a folder");
    for (const each of [file, folder])
      expect(errorOf(() => watchFd(each, () => {}))).toMatchObject({ code: "EPERM", syscall: "epoll_ctl" });
    for (const fd of [2 ** 30, NaN, -1]) expect(errorOf(() => watchFd({ fd }, () => {})).code).toBe("EBADF");
  });

  it.each([undefined, null, 7, {}])("with %s for a callback is refused", (callback) => {
    using event = EventFd.create();
    expect(errorOf(() => watchFd(event, callback as never)).code).toBe("ERR_VFIO_WAIT_ARGUMENT");
  });

  it("that is closed meanwhile does not end the process (libuv would), and the watcher can still be stopped", async () => {
    const event = EventFd.create();
    const watcher = watchFd(event, () => {});
    event.close();
    await meanwhile();
    watcher.stop();
  });

  it("nor does one whose number is another file's by then, and nobody is called", async () => {
    const event = EventFd.create();
    const { fd } = event;
    let calls = 0;
    using _watcher = watchFd(event, () => calls++);
    event.close();
    using _other = fileAt(fd);
    await meanwhile();
    expect(calls).toBe(0);
  });
});

/** A file that is always readable, opened as that number: the kernel gives the lowest free one, and another may be. */
function fileAt(fd: number): Fd {
  const lower: number[] = [];
  let opened = openSync("/dev/zero", "r");
  for (; opened < fd; opened = openSync("/dev/zero", "r")) lower.push(opened);
  for (const each of lower) closeSync(each);
  const file = new Fd(opened, "another file");
  expect(file.fd).toBe(fd);
  return file;
}

describe.each(["node", "bun"])("a watcher and the life of its process, in %s", (name) => {
  const given = `Object.defineProperty(process, "versions", { value: { ...process.versions, ${name}: "99.0.0" } });
    const event = vfio.EventFd.create();`;

  it("keeps it alive", () => {
    const code = `${given}
      const watcher = vfio.watchFd(event, () => { console.log(event.read()); watcher.stop(); });
      setTimeout(() => event.signal(3), 50).unref();`;
    expect(resultOfChild(code)).toBe(3);
  });

  it("unref'd lets it end, and ref'd again keeps it", () => {
    const code = `${given}
      const watcher = vfio.watchFd(event, () => { console.log("never"); });
      watcher.unref();
      process.on("exit", () => console.log('"ended"'));`;
    expect(resultOfChild(code)).toBe("ended");
    const kept = code.replace("watcher.unref();", "watcher.unref(); watcher.ref();");
    const stop = "setTimeout(() => { console.log(1); process.reallyExit(0); }, 50).unref();";
    expect(resultOfChild(kept + stop)).toBe(1);
  });

  it("makes what its callback throws an uncaughtException, and goes on if somebody catches it", () => {
    const code = `${given}
      const messages = [];
      process.on("uncaughtException", (error) => messages.push(error.message));
      const watcher = vfio.watchFd(event, () => {
        const count = event.read();
        if (count === 2) { watcher.stop(); console.log(JSON.stringify(messages)); return; }
        event.signal(2);
        throw new Error("from the callback");
      });
      event.signal(1);`;
    expect(resultOfChild(code)).toEqual(["from the callback"]);
  });

  it("ends it with that exception if nobody does", () => {
    const code = `${given}
      vfio.watchFd(event, () => { throw new Error("from the callback"); });
      event.signal();`;
    const { status, stderr } = runInChild(code);
    expect(status).toBe(1);
    expect(stderr).toContain("Error: from the callback");
  });
});

describe("given the question whether an fd is ready", () => {
  const { ready } = realKernel();

  it("nothing waits, and nothing is taken", () => {
    using event = EventFd.create();
    expect([ready(event.fd, false), ready(event.fd, true)]).toEqual([0, 1]);
    event.signal(5);
    expect([ready(event.fd, false), event.read()]).toEqual([1, 5]);
  });

  it("an fd that is none is EBADF", () => {
    expect([-1, NaN, 2 ** 30, "0" as never].map((fd) => ready(fd, false))).toEqual([-9, -9, -9, -9]);
  });
});

describe("a watch leaves the flags of what it watches", () => {
  /** The flags of the open file (fcntl(2), F_GETFL), which all have in common that have it open. */
  const flagsOf = ({ fd }: HasFd): string | undefined =>
    /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];

  function expectTheSameFlags(file: HasFd): void {
    const before = flagsOf(file);
    const watcher = watchFd(file, () => undefined);
    expect(flagsOf(file)).toBe(before);
    watcher.stop();
    expect(flagsOf(file)).toBe(before);
  }

  it("a pipe in which others wait stays blocking, while it is watched and afterwards", () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "watch-"));
    execFileSync("mkfifo", [path.join(folder, "pipe")]);
    using pipe = openFile(path.join(folder, "pipe"));
    rmSync(folder, { recursive: true });
    expectTheSameFlags(pipe);
  });

  it("what is non-blocking stays so", () => {
    using event = EventFd.create();
    expectTheSameFlags(event);
  });
});
