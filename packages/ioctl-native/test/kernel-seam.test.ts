import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { EventFd, kernel, openFile, realKernel, useKernel, type Kernel } from "../src/index.js";
import { hasFdWatches, runtimeName } from "../src/kernel/runtime.js";
import { resultOfChild } from "./support/elsewhere.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";

fdsStayAsTheyWere();

describe("the one seam to the kernel", () => {
  it("lets a test put a kernel of its own behind everything, and brings the former one back", () => {
    const opened: string[] = [];
    const fake = (name: string): Kernel => ({
      ...realKernel(),
      open: (path) => opened.push(`${name} ${path}`),
    });
    const real = kernel();
    {
      using _outer = useKernel(fake("outer"));
      {
        using _inner = useKernel(fake("inner"));
        expect(openFile("/a").release()).toBe(1);
      }
      expect(openFile("/b").release()).toBe(2);
    }
    expect(opened).toEqual(["inner /a", "outer /b"]);
    expect(kernel()).toBe(real);
  });

  it("has the addon that was loaded first", () => {
    expect(realKernel().close).toBe(realKernel().close);
  });

  it("reads the limit of locked memory as the kernel shows it, Infinity for none", () => {
    const line = /^Max locked memory +(\S+) +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    const [current, maximum] = line!.slice(1).map((text) => (text === "unlimited" ? Infinity : Number(text)));
    expect(kernel().memlockLimit()).toEqual({ current, maximum });
  });

  it("forgets a watcher's number when it is used up", () => {
    using event = EventFd.create();
    const watcher = kernel().watch(event.fd, false, () => {});
    kernel().unwatch(watcher);
    kernel().unwatch(watcher);
    kernel().watchRef(watcher);
    kernel().watchUnref(watcher);
    expect(watcher).toBeTypeOf("number");
  });
});

describe("whatever JavaScript passes to the addon", () => {
  // In a process of its own, for what would go wrong here would end it.
  it("is answered with -errno or an exception, and the process lives", () => {
    const code = `
      const kernel = vfio.kernel();
      const detached = new Uint8Array(8);
      structuredClone(detached.buffer, { transfer: [detached.buffer] });
      const junk = [undefined, null, NaN, -1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, 1e300, -1e300, Infinity, "", "x", "\\0",
        true, Symbol("s"), 1n, -1n, 2n ** 64n, {}, [], [1], () => {}, new Uint8Array(0), detached,
        new Uint8Array(new SharedArrayBuffer(8)), new Float64Array(2), new DataView(new ArrayBuffer(8)), new ArrayBuffer(0),
        new Proxy([], {}), new (class extends Uint8Array {})(4), { valueOf() { throw new Error("valueOf"); } }];
      const functions = Object.keys(kernel);
      let seed = 42;
      const any = () => junk[(seed = (seed * 1103515245 + 12345) % 2 ** 31) % junk.length];
      let calls = 0;
      for (const name of functions) {
        for (let round = 0; round < 400; round++) {
          const count = round % 7;
          // The first is never a real fd: the test's own stdout must stay open.
          try { kernel[name](...Array.from({ length: count }, any)); } catch (error) { if (!(error instanceof Error)) throw error; }
          calls++;
        }
      }
      console.log(JSON.stringify({ calls, functions: functions.length }));
      process.exit(0);`;
    const { calls, functions } = resultOfChild(code) as { calls: number; functions: number };
    expect(calls).toBe(functions * 400);
    expect(functions).toBeGreaterThan(30);
  });
});

describe("given a process, its runtime is known by what it tells of itself", () => {
  afterEach(() => vi.unstubAllGlobals());

  it.each([
    ["Node.js", {}, true],
    ["Bun", { bun: "1.4.4" }, false],
    ["Deno", { deno: "2.9.6" }, false],
    ["Electron", { electron: "37.0.0" }, true],
  ])("%s", (name, told, has) => {
    vi.stubGlobal("process", { ...process, versions: { ...process.versions, ...told } });
    expect([runtimeName(), hasFdWatches()]).toEqual([name, has]);
  });
});
