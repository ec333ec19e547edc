import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { EventFd, waitForFd } from "../src/index.js";
import { BUILT, nextMessage, runInChild, startWorker } from "./support/elsewhere.js";
import { errorOf, expectRangeError } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";

fdsStayAsTheyWere();

describe("an eventfd", () => {
  it("counts what is signalled and forgets it when read, without ever waiting", () => {
    using event = EventFd.create();
    expect(event.read()).toBe(0);
    event.signal();
    event.signal(0);
    event.signal(41);
    expect(event.read()).toBe(42);
    expect(event.read()).toBe(0);
  });

  it("loses no count of another thread's, however they fall together", async () => {
    using event = EventFd.create();
    const signals = 20_000;
    const worker = startWorker(
      `const event = new vfio.Fd(workerData, "eventfd");
       for (let i = 0; i < ${signals}; i++) vfio.kernel().eventfdWrite(event.fd, 1);
       port.postMessage("done");`,
      event.fd,
    );
    const done = nextMessage(worker);
    let sum = 0;
    for (; sum < signals; sum += event.read()) await waitForFd(event);
    await done;
    await worker.terminate();
    expect(sum).toBe(signals);
    expect(event.read()).toBe(0);
  });

  it("busy-polled, it gives what is there, or 0 when the time is up", () => {
    using event = EventFd.create();
    expect([event.spin(0), event.spin(0.5)]).toEqual([0, 0]);
    event.signal(3);
    expect([event.spin(1000), event.spin(0)]).toEqual([3, 0]);
  });

  it("busy-polled, it meets what another thread signals meanwhile", async () => {
    using event = EventFd.create();
    const worker = startWorker(
      `port.postMessage("ready");
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
       vfio.kernel().eventfdWrite(workerData, 5);`,
      event.fd,
    );
    await nextMessage(worker);

    expect(event.spin(60_000)).toBe(5);
    await worker.terminate();
  });

  it.each([
    ["terminate()", "await worker.terminate(); process.exit(3);"],
    ["process.exit()", "process.exit(3);"],
  ])("busy-polled without end in a worker, it is ended by %s", (_, end) => {
    const { status, stderr } = runInChild(
      `import { once } from "node:events";
       import { Worker } from "node:worker_threads";
       const program = \`import(${JSON.stringify(BUILT)}).then((vfio) => {
         require("node:worker_threads").parentPort.postMessage("ready");
         vfio.EventFd.create().spin(Infinity);
       })\`;
       const worker = new Worker(program, { eval: true, execArgv: [] });
       await once(worker, "message");
       ${end}`,
    );
    expect({ status, stderr }).toEqual({ status: 3, stderr: "" });
  });

  it("busy-polled without end, the time that node:vm gives it ends it", () => {
    using event = EventFd.create();
    const context = { spin: () => event.spin(Infinity) };
    expect((): unknown => runInNewContext("spin()", context, { timeout: 20 })).toThrow(
      "timed out after 20ms",
    );
  });

  it.each([-1, NaN, "1", null])("can't be busy-polled for %s milliseconds", (timeoutMs) => {
    using event = EventFd.create();
    event.signal();
    expect(errorOf(() => event.spin(timeoutMs as never))).toMatchObject({ code: "ERR_VFIO_WAIT_ARGUMENT" });
    expect(event.read()).toBe(1);
  });

  it("says so when its 64 bits are full", () => {
    using event = EventFd.create();
    for (let i = 0; i < 2047; i++) event.signal(2 ** 53 - 1);
    expect(errorOf(() => [event.signal(2 ** 53 - 1), event.signal(2 ** 53 - 1)])).toMatchObject({
      code: "EAGAIN",
      syscall: "write",
    });
  });

  it.each([-1, 0.5, NaN, Infinity, 2 ** 53, "1", 1n, null])("can't be signalled with %s", (count) => {
    using event = EventFd.create();
    expectRangeError(() => event.signal(count as never), "ERR_VFIO_EVENTFD_COUNT");
    expect(event.read()).toBe(0);
  });

  it("used after its close says that it is closed; closing twice is fine", () => {
    const event = EventFd.create();
    event.close();
    event.close();
    for (const use of [() => event.fd, () => event.read(), () => event.spin(1), () => event.signal()]) {
      expect(errorOf(use).message).toContain("eventfd is closed");
    }
  });
});
