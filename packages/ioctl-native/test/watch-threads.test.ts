import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { EventFd, kernel } from "../src/index.js";
import { nextMessage, startWorker } from "./support/elsewhere.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";

fdsStayAsTheyWere();

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
