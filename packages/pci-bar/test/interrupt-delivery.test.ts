import { spawnSync } from "node:child_process";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { kernel } from "@vfio/ioctl-native";
import { errorOf, expectError, expectRejection, leavesNothingBehind, rejectionOf } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { InterruptVector } from "../src/index.js";

leavesNothingBehind();

let vector: InterruptVector;
beforeEach(() => {
  vector = new InterruptVector(0, "vector 0 of a device");
});
afterEach(() => {
  vi.useRealTimers();
  vector.close();
});

function interrupt(count = 1): void {
  expect(kernel().eventfdWrite(vector.fd, count)).toBeGreaterThan(0);
}

describe("given several waits for one vector", () => {
  it("each interrupt's count goes to the one that began first", async () => {
    const waits = [1, 2, 3].map(() => vector.wait());
    const order: string[] = [];
    waits.forEach((wait, index) => void wait.then((count) => order.push(`${index}: ${count}`)));

    for (const [index, count] of [2, 3, 5].entries()) {
      interrupt(count);
      await waits[index];
    }

    expect(order).toEqual(["0: 2", "1: 3", "2: 5"]);
  });

  it("a wait whose interrupt another took keeps its own timeout", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const first = vector.wait();
    const second = rejectionOf(vector.wait({ timeoutMs: 100 }));

    vi.advanceTimersByTime(60);
    interrupt();
    await first;
    vi.advanceTimersByTime(60);

    expect(await second).toMatchObject({ code: "ERR_VFIO_TIMEOUT" });
  });

  it("one that is aborted or too late leaves its place to the next, and no count with it", async () => {
    const controller = new AbortController();
    const aborted = rejectionOf(vector.wait({ signal: controller.signal }));
    const late = rejectionOf(vector.wait({ timeoutMs: 0 }));
    const patient = vector.wait();
    controller.abort();
    expect((await aborted).name).toBe("AbortError");
    await late;

    interrupt(7);

    expect(await patient).toBe(7);
    expect((await rejectionOf(vector.wait({ signal: controller.signal }))).name).toBe("AbortError");
  });

  it("other work goes on meanwhile", async () => {
    const controller = new AbortController();
    let ticks = 0;
    const timer = setInterval(() => {
      if (++ticks === 10) controller.abort(new Error("ten ticks"));
    }, 1);

    expect((await rejectionOf(vector.wait({ signal: controller.signal }))).message).toBe("ten ticks");
    clearInterval(timer);
  });
});

describe("given interrupts that nobody waits for", () => {
  it("they are counted until somebody asks, also after waits", async () => {
    const waiting = vector.wait();
    interrupt();
    expect(await waiting).toBe(1);

    interrupt(3);
    await setImmediate();
    await setImmediate();
    interrupt(4);

    expect(vector.poll()).toBe(7);
    expect(vector.poll()).toBe(0);
  });

  it("a wait that begins afterwards has them at once, before it looks at its timeout", async () => {
    interrupt(2);

    expect(await vector.wait({ timeoutMs: 0 })).toBe(2);
  });
});

describe("given busy polling", () => {
  it("what came is there at once; a timeout names the vector, and the process can go on", () => {
    interrupt(2);

    expect(vector.waitSync()).toBe(2);
    expectError(
      () => vector.waitSync({ timeoutMs: 1 }),
      "ERR_VFIO_TIMEOUT … within 1 ms while waiting for vector 0 of a device",
    );
  });

  it("after close it says that the vector is closed", async () => {
    vector.close();

    const errors = [() => vector.waitSync(), () => vector.poll(), () => vector.fd].map(errorOf);
    for (const error of [...errors, await rejectionOf(vector.wait())]) {
      expect(error).toMatchObject({ code: "ERR_VFIO_CLOSED" });
      expect(error.message).toBe("vector 0 of a device is closed and cannot be used any more");
    }
  });
});

describe("given listeners", () => {
  it("each hears every count, until it is disposed of", async () => {
    const heard: string[] = [];
    const one = vector.onInterrupt((count) => heard.push(`one ${count}`));
    using two = vector.onInterrupt((count) => heard.push(`two ${count}`));
    expect(two).toBeDefined();

    interrupt(2);
    await vi.waitFor(() => expect(heard).toHaveLength(2));
    one[Symbol.dispose]();
    interrupt(3);
    await vi.waitFor(() => expect(heard).toHaveLength(3));

    expect(heard).toEqual(["one 2", "two 2", "two 3"]);
  });

  it("a wait comes before them, and what it takes they do not hear", async () => {
    const heard: number[] = [];
    using listening = vector.onInterrupt((count) => heard.push(count));
    expect(listening).toBeDefined();
    const waiting = vector.wait();

    interrupt(2);
    expect(await waiting).toBe(2);
    interrupt(3);
    await vi.waitFor(() => expect(heard).toEqual([3]));
  });

  it("the same function may listen twice, and each disposable ends one of them", async () => {
    let heard = 0;
    const listener = (): void => {
      heard++;
    };
    const first = vector.onInterrupt(listener);
    vector.onInterrupt(listener);

    first[Symbol.dispose]();
    first[Symbol.dispose]();
    interrupt();
    await vi.waitFor(() => expect(heard).toBe(1));
  });

  it("after close none is heard and none can come", () => {
    vector.onInterrupt(() => undefined);
    vector.close();

    expectError(() => vector.onInterrupt(() => undefined), "ERR_VFIO_CLOSED … vector 0 of a device");
  });
});

describe("given limits that a wait cannot keep", () => {
  it.each([-1, NaN, "10"])("a timeout of %s is refused, and nobody waits", async (timeoutMs) => {
    await expectRejection(vector.wait({ timeoutMs: timeoutMs as number }), "ERR_VFIO_WAIT_ARGUMENT");

    interrupt();
    expectError(() => vector.waitSync({ timeoutMs: timeoutMs as number }), "ERR_VFIO_WAIT_ARGUMENT");
    expect(vector.poll()).toBe(1);
  });

  it("an iteration ends with its signal, and the counts until then are all there", async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const iterating = (async () => {
      for await (const count of vector.counts({ signal: controller.signal })) {
        seen.push(count);
        if (seen.length === 2) controller.abort(new Error("enough"));
        else interrupt(4);
      }
    })();
    interrupt(3);

    expect((await rejectionOf(iterating)).message).toBe("enough");
    expect(seen).toEqual([3, 4]);
  });
});

describe("given an iteration over a vector", () => {
  it("when the vector is closed, then it ends", async () => {
    const seen: number[] = [];
    const waiting = (async () => {
      for await (const count of vector) seen.push(count);
      return "ended";
    })();
    interrupt(3);
    while (seen.length === 0) await setImmediate();
    vector.close();

    expect(await waiting).toBe("ended");
    expect(seen).toEqual([3]);
  });

  it("when the vector was closed before, then that is an error", async () => {
    vector.close();
    await expectRejection(vector.counts().next(), "ERR_VFIO_CLOSED");
  });
});

describe("given a process that has nothing else to do", { timeout: 90_000 }, () => {
  const BUILT = path.join(import.meta.dirname, "../dist/index.js");
  /** What the process printed before it ended by itself; "killed" if it did not. */
  function run(code: string): string {
    const program = `import { InterruptVector } from ${JSON.stringify(BUILT)};
      const vector = new InterruptVector(0, "vector"); ${code}`;
    const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
      timeout: 60_000,
    });
    return signal === null ? stdout.trim() : "killed";
  }

  it("a listener that does not keep it alive lets it end, also after a wait was over", () => {
    const code = `vector.onInterrupt(() => {}, { keepAlive: false });
      vector.wait({ timeoutMs: 1 }).catch((error) => console.log(error.code));`;

    expect(run(code)).toBe("ERR_VFIO_TIMEOUT");
  });

  it("a wait keeps it alive", () => {
    expect(run(`vector.wait({ timeoutMs: 300 }).catch((error) => console.log(error.code));`)).toBe(
      "ERR_VFIO_TIMEOUT",
    );
  });

  it("an ordinary listener keeps it alive until it is disposed of", () => {
    const code = `const listening = vector.onInterrupt(() => {});
      setTimeout(() => (console.log("still here"), listening[Symbol.dispose]()), 100).unref();`;

    expect(run(code)).toBe("still here");
  });
});
