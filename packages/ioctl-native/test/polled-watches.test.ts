import { closeSync, openSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EventFd, Fd, kernel, realKernel, useKernel, waitForFd, watchFd } from "../src/index.js";
import { hasFdWatches, runtimeName } from "../src/kernel/runtime.js";
import { resultOfChild } from "./support/elsewhere.js";
import { errorOf, rejectionOf } from "./support/errors.js";
import { fdsStayAsTheyWere, openFds } from "./support/leaks.js";
import { Pair, socketFolder } from "./support/sockets.js";

const { versions } = process;
const pathOf = socketFolder();
fdsStayAsTheyWere();

/** Makes this process tell the versions of another runtime; `realKernel()` then is what that runtime gets. */
function pretend(told: Record<string, string>): void {
  Object.defineProperty(process, "versions", { value: { ...versions, ...told }, configurable: true });
}
afterEach(() => pretend({}));

describe("given a process, its runtime is known by what it tells of itself", () => {
  it.each([
    ["Node.js", {}, true],
    ["Bun", { bun: "1.4.4" }, false],
    ["Deno", { deno: "2.9.6" }, false],
    ["Electron", { electron: "37.0.0" }, true],
  ])("%s", (name, told, has) => {
    pretend(told);
    expect([runtimeName(), hasFdWatches()]).toEqual([name, has]);
  });
});

describe.each(["bun", "deno"])("given a runtime such as %s, whose event loop no addon can use", (name) => {
  let undo: Disposable;
  beforeEach(() => {
    pretend({ [name]: "1.0.0" });
    undo = useKernel(realKernel());
  });
  afterEach(() => undo[Symbol.dispose]());

  it("a watch whose callback signals its own eventfd is called again and again", async () => {
    using event = EventFd.create();
    const counts: number[] = [];
    await new Promise<void>((resolve) => {
      const watcher = watchFd(event, () => {
        counts.push(event.read());
        if (counts.length < 4) return event.signal(counts.length);
        watcher.stop();
        resolve();
      });
      event.signal(9);
    });
    expect(counts).toEqual([9, 1, 2, 3]);
  });

  it("stopped it is called no more and holds no fd; stopping twice, ref() and unref() do nothing then", async () => {
    using event = EventFd.create();
    const before = openFds();
    let calls = 0;
    const watcher = watchFd(event, () => calls++);
    watcher.stop();
    event.signal();
    for (const each of [watcher.stop, watcher.ref, watcher.unref]) each();
    for (const stale of [undefined, 0, 1, {}, "1"]) kernel().unwatch(stale);
    expect(openFds()).toEqual(before);
    await delay(20);
    expect(calls).toBe(0);
  });

  it("waits end when the fd is ready for reading or writing, when the time is up, when the peer leaves", async () => {
    using event = EventFd.create();
    await waitForFd(event, { forWriting: true });
    expect((await rejectionOf(waitForFd(event, { timeoutMs: 5 }))).code).toBe("ERR_VFIO_TIMEOUT");
    using pair = new Pair(pathOf("pair"));
    setTimeout(() => pair.far.close(), 5);
    await waitForFd(pair.near, { timeoutMs: 10_000 });
    expect(pair.near.receive(9)?.bytes.length).toBe(0);
  });

  it("an fd that is closed under its watch, whose number is another file's by then, calls nobody", async () => {
    const event = EventFd.create();
    let calls = 0;
    using _watcher = watchFd(event, () => calls++);
    event.close();
    const other = openSync("/dev/zero", "r");
    await delay(20);
    closeSync(other);
    expect(calls).toBe(0);
  });

  it("what can't be waited for is the same error as in Node.js", () => {
    using file = new Fd(openSync(import.meta.filename, "r"), "an ordinary file");
    using folder = new Fd(openSync(import.meta.dirname, "r"), "a folder");
    for (const each of [file, folder])
      expect(errorOf(() => watchFd(each, () => {}))).toMatchObject({ code: "EPERM", syscall: "epoll_ctl" });
    for (const fd of [2 ** 30, NaN, -1]) expect(errorOf(() => watchFd({ fd }, () => {})).code).toBe("EBADF");
  });
});

describe("given a polled watch and its process", () => {
  const polled = `Object.defineProperty(process, "versions", { value: { ...process.versions, bun: "1.0.0" } });
    const event = vfio.EventFd.create();`;

  it("it keeps the process alive", () => {
    const code = `${polled}
      const watcher = vfio.watchFd(event, () => { console.log(event.read()); watcher.stop(); });
      setTimeout(() => event.signal(3), 50).unref();`;
    expect(resultOfChild(code)).toBe(3);
  });

  it("unref'd it lets the process end", () => {
    const code = `${polled}
      vfio.watchFd(event, () => {}).unref();
      process.on("exit", () => console.log('"ended"'));`;
    expect(resultOfChild(code)).toBe("ended");
  });

  it("what its callback throws is an uncaughtException, and it goes on if somebody catches that", () => {
    const code = `${polled}
      const messages = [];
      process.on("uncaughtException", (error) => messages.push(error.message));
      const watcher = vfio.watchFd(event, () => {
        if (event.read() === 2) { watcher.stop(); console.log(JSON.stringify(messages)); return; }
        event.signal(2);
        throw new Error("from the callback");
      });
      event.signal(1);`;
    expect(resultOfChild(code)).toEqual(["from the callback"]);
  });
});

describe("given the question whether an fd is ready", () => {
  it("nothing waits, and nothing is taken", () => {
    using event = EventFd.create();
    const { ready } = realKernel();
    expect([ready(event.fd, false), ready(event.fd, true)]).toEqual([0, 1]);
    event.signal(5);
    expect([ready(event.fd, false), event.read()]).toEqual([1, 5]);
  });

  it("an fd that is none is EBADF", () => {
    const { ready } = realKernel();
    expect([-1, NaN, 2 ** 30, "0" as never].map((fd) => ready(fd, false))).toEqual([-9, -9, -9, -9]);
  });
});
