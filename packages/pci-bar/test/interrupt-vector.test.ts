import { getEventListeners } from "node:events";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { kernel, useKernel } from "@vfio/ioctl-native";
import { expectRejection, processState, rejectionOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { InterruptVector } from "../src/index.js";

const WAITS = 20_000;
/** Far below what a listener or a weak reference for each wait would take. */
const HEAP_BYTES = 512 << 10;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

async function heapUsed(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await setImmediate();
    collectGarbage();
  }
  return process.memoryUsage().heapUsed;
}

/** Waits that each begin before their interrupt comes. */
async function waitOften(vector: InterruptVector, count: number, signal: AbortSignal): Promise<number> {
  let interrupts = 0;
  for (let each = 0; each < count; each++) {
    const waiting = vector.wait({ signal });
    kernel().eventfdWrite(vector.fd, 1);
    interrupts += await waiting;
  }
  return interrupts;
}

describe("given a vector that is waited for again and again with one long-lived signal", () => {
  it("no wait leaves a listener or memory behind", async () => {
    using vector = new InterruptVector(0, "vector 0");
    const { signal } = new AbortController();
    await waitOften(vector, WAITS, signal);
    const before = await heapUsed();

    expect(await waitOften(vector, WAITS, signal)).toBe(WAITS);

    expect(getEventListeners(signal, "abort")).toEqual([]);
    expect((await heapUsed()) - before).toBeLessThan(HEAP_BYTES);
  });
});

describe("given a wait whose interrupt comes before the job that began it has ended", () => {
  it("it is met without the event loop", async () => {
    const silent = { ...kernel(), watch: () => 1, unwatch: () => 0 };
    using _kernel = useKernel(silent);
    using vector = new InterruptVector(0, "vector 0");
    const turns = setImmediate("the event loop's turn brought nothing");

    const waiting = vector.wait();
    kernel().eventfdWrite(vector.fd, 3);

    expect(await Promise.race([waiting, turns])).toBe(3);
  });
});

describe.each(["before", "behind"])("given interrupts without end, each raised %s its wait", (order) => {
  it("the event loop has its turns all the same", async () => {
    using vector = new InterruptVector(0, "vector 0");
    let waits = 0;
    const turn = { isOver: false };
    const over = setImmediate().then(() => (turn.isOver = true));

    while (!turn.isOver && waits < 10_000) {
      if (order === "before") kernel().eventfdWrite(vector.fd, 1);
      const waiting = vector.wait();
      if (order === "behind") kernel().eventfdWrite(vector.fd, 1);
      waits += await waiting;
    }

    expect(waits).toBeLessThan(1000);
    await over;
  });
});

describe("given a wait that cannot begin", () => {
  it("without an fd left, or with a signal that is none, it rejects, and neither a timer nor a watch is left", async () => {
    using vector = new InterruptVector(0, "vector 0");
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = [processState(), timers()];
    const { rejects } = expect(vector.wait({ timeoutMs: 1e6, signal: {} as AbortSignal }));
    await rejects.toMatchObject({ code: "ERR_VFIO_WAIT_ARGUMENT" });
    const failing = { ...kernel(), watch: () => -24 };
    {
      using _kernel = useKernel(failing);
      await expectRejection(vector.wait({ timeoutMs: 1e6 }), "EMFILE");
    }

    expect([processState(), timers()]).toEqual(before);
    vector.close();
  });
});

describe("given a vector that is busy-polled without end", () => {
  it("the time that node:vm gives it ends it", () => {
    using vector = new InterruptVector(0, "vector 0");
    const wait = (): number => vector.waitSync({ timeoutMs: Infinity });
    expect((): unknown => runInNewContext("wait()", { wait }, { timeout: 20 })).toThrow(
      "timed out after 20ms",
    );
  });
});

describe("given waits that end in another way than by an interrupt", () => {
  it("many waits share one listener on their signal; the abort ends all and leaves none", async () => {
    using vector = new InterruptVector(0, "vector 0");
    using other = new InterruptVector(1, "vector 1");
    const controller = new AbortController();
    const waits = Array.from({ length: 20 }, (_, each) =>
      rejectionOf((each % 2 === 0 ? vector : other).wait({ signal: controller.signal })),
    );
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);

    controller.abort(new Error("enough"));

    for (const error of await Promise.all(waits)) expect(error.message).toBe("enough");
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });

  it("closing one vector leaves the waits for another to their signal", async () => {
    using vector = new InterruptVector(0, "vector 0");
    using other = new InterruptVector(1, "vector 1");
    const controller = new AbortController();
    const waits = [vector, other].map((each) => rejectionOf(each.wait({ signal: controller.signal })));

    vector.close();
    expect(await waits[0]).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
    controller.abort(new Error("enough"));

    expect((await waits[1])?.message).toBe("enough");
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  });

  it("a reason that is no Error has a code of its own", async () => {
    using vector = new InterruptVector(0, "vector 0");
    const controller = new AbortController();
    const waiting = rejectionOf(vector.wait({ signal: controller.signal }));

    controller.abort("enough");

    expect(await waiting).toMatchObject({ code: "ERR_VFIO_ABORTED", message: "aborted: enough" });
  });

  it("a timeout names the vector and leaves no listener", async () => {
    using vector = new InterruptVector(0, "vector 0 of a device");
    const { signal } = new AbortController();

    await expectRejection(vector.wait({ signal, timeoutMs: 0 }), "ERR_VFIO_TIMEOUT … vector 0 of a device");

    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("closing ends all waits, with and without a signal, and leaves no listener and no fd", async () => {
    const before = processState();
    const vector = new InterruptVector(0, "vector 0");
    const { signal } = new AbortController();
    const waits = [{ signal }, {}].map((options) => rejectionOf(vector.wait(options)));

    vector.close();
    vector.close();

    for (const error of await Promise.all(waits)) expect(error).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    expect(getEventListeners(signal, "abort")).toEqual([]);
    await expectRejection(vector.wait(), "ERR_VFIO_CLOSED");
    expect(processState()).toEqual(before);
  });
});
