import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { EventFd, Fd, kernel, waitForFd, watchFd, type VfioError } from "../src/index.js";
import { nextMessage, resultOfChild, runInChild, startWorker } from "./support/elsewhere.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere, openFds } from "./support/leaks.js";
import { Pair, socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();

describe("watching an fd", () => {
  it("calls back while it is readable, and no more after stop(), which may be called twice", async () => {
    using event = EventFd.create();
    let calls = 0;
    const watcher = watchFd(event, () => calls++);
    event.signal();
    while (calls < 3) await setImmediate();
    watcher.stop();
    watcher.stop();
    watcher.ref();
    watcher.unref();
    watcher[Symbol.dispose]();
    const before = calls;
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    expect(calls).toBe(before);
  });

  it("can be stopped from within its own callback", async () => {
    using event = EventFd.create();
    let calls = 0;
    const watcher = watchFd(event, () => {
      calls++;
      watcher.stop();
    });
    event.signal();
    await waitForFd(event);
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    expect(calls).toBe(1);
  });

  it("is possible several times at once, for reading and for writing", async () => {
    using event = EventFd.create();
    const waits = [waitForFd(event), waitForFd(event), waitForFd(event, { forWriting: true })];
    event.signal();
    await expect(Promise.all(waits)).resolves.toHaveLength(3);
  });

  it("holds no fd any more once it is stopped, at once", () => {
    using event = EventFd.create();
    const before = openFds();
    watchFd(event, () => {}).stop();
    expect(openFds()).toEqual(before);
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

  it("of what can't be waited for is an error with the reason", () => {
    using file = new Fd(openSync(import.meta.filename, "r"), "an ordinary file");
    expect(errorOf(() => watchFd(file, () => {}))).toMatchObject({ code: "EPERM", syscall: "epoll_ctl" });
    expect(errorOf(() => watchFd({ fd: 2 ** 30 }, () => {})).code).toBe("EBADF");
    expect(errorOf(() => watchFd({ fd: NaN }, () => {})).code).toBe("EBADF");
  });

  it.each([undefined, null, 7, {}])("with %s for a callback is refused", (callback) => {
    using event = EventFd.create();
    expect(errorOf(() => watchFd(event, callback as never)).code).toBe("ERR_VFIO_WAIT_ARGUMENT");
  });
});

/** This file, opened as that number: the kernel gives the lowest free one, and another may have become free. */
function fileAt(fd: number): Fd {
  const lower: number[] = [];
  let opened = openSync(import.meta.filename, "r");
  for (; opened < fd; opened = openSync(import.meta.filename, "r")) lower.push(opened);
  for (const each of lower) closeSync(each);
  const file = new Fd(opened, "another file");
  expect(file.fd).toBe(fd);
  return file;
}

describe("a watched fd that is closed under its watcher", () => {
  it("does not end the process (libuv would), and the watcher can still be stopped", async () => {
    const event = EventFd.create();
    const watcher = watchFd(event, () => {});
    event.close();
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    watcher.stop();
  });

  it("nor does one whose number is another file's by then", async () => {
    const event = EventFd.create();
    const { fd } = event;
    let calls = 0;
    using _watcher = watchFd(event, () => calls++);
    event.close();
    using _other = fileAt(fd);
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    expect(calls).toBe(0);
  });
});

describe("a watcher and the life of its process", () => {
  it("keeps it alive", () => {
    const code = `
      const event = vfio.EventFd.create();
      const watcher = vfio.watchFd(event, () => { console.log(event.read()); watcher.stop(); });
      setTimeout(() => event.signal(3), 50).unref();`;
    expect(resultOfChild(code)).toBe(3);
  });

  it("unref'd lets it end, and ref'd again keeps it", () => {
    const code = `
      const event = vfio.EventFd.create();
      const watcher = vfio.watchFd(event, () => { console.log("never"); });
      watcher.unref();
      process.on("exit", () => console.log('"ended"'));`;
    expect(resultOfChild(code)).toBe("ended");
    const kept = code.replace("watcher.unref();", "watcher.unref(); watcher.ref();");
    const stop = "setTimeout(() => { console.log(1); process.reallyExit(0); }, 50).unref();";
    expect(resultOfChild(kept + stop)).toBe(1);
  });

  it("makes what its callback throws an uncaughtException, and goes on if somebody catches it", () => {
    const code = `
      const event = vfio.EventFd.create();
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
    const code = `
      const event = vfio.EventFd.create();
      vfio.watchFd(event, () => { throw new Error("from the callback"); });
      event.signal();`;
    const { status, stderr } = runInChild(code);
    expect(status).toBe(1);
    expect(stderr).toContain("Error: from the callback");
  });
});

describe("a worker with a live watcher", () => {
  const watching = `
    const callback = () => { port.postMessage("called"); STATEMENT };
    for (let i = 0; i < 3; i++) vfio.watchFd({ fd: workerData }, callback);
    port.postMessage("watching");`;

  it.each([
    ["ends by process.exit()", "process.exit(0);"],
    ["throws in the callback", "throw new Error('from the worker');"],
    ["is terminated in its callback", "while (true);"],
    ["is terminated between callbacks", ""],
  ])("that %s leaves the process alive and no fd open", async (_, statement) => {
    using event = EventFd.create();
    const worker = startWorker(watching.replace("STATEMENT", statement), event.fd);
    // Not by once(), which rejects at an error: the worker's comes by another way than its messages, and may be first.
    worker.on("error", () => {});
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    await nextMessage(worker);
    const called = new Promise((resolve) => worker.once("message", resolve));
    event.signal();
    expect(await called).toBe("called");
    if (!statement.startsWith("process")) await worker.terminate();
    await ended;
    expect(event.read()).toBe(1);
  });

  it("can't be stopped from another thread with its number", async () => {
    using event = EventFd.create();
    const worker = startWorker(
      `const watcher = vfio.kernel().watch(workerData, false, () => { port.postMessage("called"); process.exit(0); });
       port.postMessage(watcher);`,
      event.fd,
    );
    const number = await nextMessage(worker);
    for (const stale of [number, 0, -1, NaN, {}, undefined, "1"]) kernel().unwatch(stale);
    // Before the signal: Node.js may hand over the last message and the end in one turn.
    const ended = once(worker, "exit");
    event.signal();
    expect(await nextMessage(worker)).toBe("called");
    await ended;
  });
});
