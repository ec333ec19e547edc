import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { countHugepages, DmaMapper, HugepageMemory } from "@vfio/dma";
import { kernel, LinearMemory, type LinearPlace } from "@vfio/ioctl-native";
import { leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { openEdu, WIDE_EDU } from "./open-edu.js";
import { ownCode, type OwnCode } from "./own-code.js";

leavesNothingBehind();

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const [PAGE, TWO_MIB, ONE_GIB] = [4096, 2 << 20, 1 << 30];
const PAGE_SIZES = [PAGE, TWO_MIB, ONE_GIB];
const WORDS = 64;
/** Registers of the edu device, and the buffer in it. */
const [IDENTIFICATION, FACTORIAL, STATUS, SOURCE, TARGET, COUNT, COMMAND] = [0, 8, 32, 128, 136, 144, 152];
const DEVICE_BUFFER = 0x40000n;
const [START, FROM_DEVICE] = [1, 2];

function placeOf(thing: { readonly place?: LinearPlace | undefined } | undefined): LinearPlace {
  if (thing?.place === undefined) throw new Error("it lies in no WebAssembly memory");
  return thing.place;
}

/** Where a memory lies in this process's address space. */
function baseOf({ buffer }: LinearMemory): bigint {
  const base = kernel().addressOf?.(new Uint8Array(buffer));
  if (typeof base !== "bigint") throw new Error("it lies nowhere");
  return base;
}

/** The parts of this process's address space: "start-end …", each with its lines in /proc/self/smaps. */
function areas(): { readonly start: bigint; readonly end: bigint; readonly text: string }[] {
  const text = readFileSync("/proc/self/smaps", "utf8");
  return text.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).map((area) => {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+)/.exec(area) ?? [];
    return { start: BigInt(`0x${start}`), end: BigInt(`0x${end}`), text: area };
  });
}

/** The size of the pages at a place, as the kernel has it. */
function pageBytesAt({ memory, address }: LinearPlace): number {
  const at = baseOf(memory) + BigInt(address);
  const area = areas().find(({ start, end }) => start <= at && at < end);
  return 1024 * Number(/^KernelPageSize: +(\d+) kB$/m.exec(area?.text ?? "")?.[1]);
}

/** What the process has of it once all garbage is gone, and how many of the areas lie in a memory. */
async function addressSpace(memory: LinearMemory): Promise<{ inside: number; all: number; bytes: number }> {
  for (let round = 0; round < 10; round++) {
    collectGarbage();
    await setImmediate();
  }
  const base = baseOf(memory);
  const all = areas();
  const inside = all.filter(({ start, end }) => start < base + BigInt(memory.bytes) && base < end).length;
  return {
    inside,
    all: all.length,
    bytes: Number(all.reduce((sum, { start, end }) => sum + end - start, 0n)),
  };
}

function allocateOfEachSize(within: LinearMemory): Disposable & { readonly pages: HugepageMemory[] } {
  const pages = PAGE_SIZES.map((pageBytes) =>
    HugepageMemory.allocate({ bytes: pageBytes, pageBytes, within }),
  );
  return { pages, [Symbol.dispose]: () => pages.forEach((each) => each.close()) };
}

/** The device's DMA, asked for and waited for by a program's own WebAssembly alone. */
async function copy(code: OwnCode, registers: number, source: bigint, target: bigint): Promise<void> {
  code.store64(registers + SOURCE, source);
  code.store64(registers + TARGET, target);
  code.store64(registers + COUNT, BigInt(4 * WORDS));
  code.store(registers + COMMAND, source === DEVICE_BUFFER ? START | FROM_DEVICE : START);
  while ((code.load(registers + COMMAND) & START) !== 0) await sleep(5);
}

describe("given one WebAssembly memory with ordinary pages, hugepages of both sizes and a BAR", () => {
  it("the device does what WebAssembly of a few bytes asks of its registers", async () => {
    const memory = new LinearMemory({ bytes: 2 << 20 });
    using machine = openEdu(WIDE_EDU, memory);
    const { bar } = machine.edu;
    const { address } = placeOf(bar.windows[0]);
    const code = ownCode(memory);

    code.store(address + FACTORIAL, 10);
    while ((code.load(address + STATUS) & 1) !== 0) await sleep(1);

    expect(code.load(address + FACTORIAL)).toBe(3_628_800);
    expect(bar.read32(FACTORIAL)).toBe(3_628_800);
    expect(new Uint32Array(memory.buffer, address)[IDENTIFICATION]).toBe(0x010000ed);
    expect(machine.edu.invert(7)).toBe(~7 >>> 0);
  });

  it("its DMA goes from one kind of pages to the next, and arrays and WebAssembly see the same bytes there", async () => {
    const memory = new LinearMemory({ bytes: 2 ** 32 });
    using machine = openEdu(WIDE_EDU, memory);
    using allocated = allocateOfEachSize(memory);
    using dma = new DmaMapper(machine.container, { iova: "allocate" });
    const registers = placeOf(machine.edu.bar.windows[0]).address;
    const code = ownCode(memory);
    const pages = allocated.pages.map((own) => ({ own, place: placeOf(own), mapping: dma.map(own) }));
    expect(pages.map(({ place }) => pageBytesAt(place))).toEqual(PAGE_SIZES);

    for (const [index, from] of pages.entries()) {
      const to = pages[(index + 1) % pages.length]!;
      // The last words of the pages: beyond 2 GiB in the memory, in some.
      const [source, target] = [from, to].map(({ own }) => own.bytes - 4 * WORDS) as [number, number];
      for (let word = 0; word < WORDS; word++)
        code.store(from.place.address + source + 4 * word, (index << 8) | word);
      await copy(code, registers, from.mapping.iovaOf(source, 4 * WORDS), DEVICE_BUFFER);
      await copy(code, registers, DEVICE_BUFFER, to.mapping.iovaOf(target, 4 * WORDS));

      const sent = Array.from({ length: WORDS }, (_, word) => (index << 8) | word);
      const at = to.place.address + target;
      expect([...new Uint32Array(memory.buffer, at, WORDS)]).toEqual(sent);
      expect([...new Uint32Array(to.own.buffer, target, WORDS)]).toEqual(sent);
      expect(sent.map((_, word) => code.load(at + 4 * word))).toEqual(sent);
    }
  });

  it("a buffer and a pool lie there, too: the device reads the one and writes the other", async () => {
    const memory = new LinearMemory({ bytes: 16 << 20 });
    using machine = openEdu(WIDE_EDU, memory);
    using dma = new DmaMapper(machine.container, { iova: "allocate" });
    using buffer = dma.alloc({ bytes: 1024, within: memory });
    using pool = dma.pool({ count: 16, bytes: 2048, within: memory });
    const iovas = new Uint32Array(memory.buffer, 64, 32);
    pool.iovasInto(iovas);
    const code = ownCode(memory);
    buffer.bytes.fill(0x5a);

    machine.edu.copyToDevice(buffer.iova, 1024, { interrupt: false });
    await machine.edu.dmaDone();
    const iova = (BigInt(code.load(64 + 8 * 3 + 4)) << 32n) | BigInt(code.load(64 + 8 * 3) >>> 0);
    machine.edu.copyFromDevice(iova, 1024, { interrupt: false });
    await machine.edu.dmaDone();

    expect(code.load(pool.place.address + 3 * 2048 + 1020)).toBe(0x5a5a5a5a);
    expect(pool.view(3).subarray(0, 1024)).toEqual(buffer.bytes);
    expect(pool.view(3)[1024]).toBe(0);
  });

  it("after 200 rounds of laying all of them and closing, the process's address space is as before", async () => {
    const memory = new LinearMemory({ bytes: 2 ** 24 });
    using machine = openEdu(WIDE_EDU);
    const round = () => {
      using _bar = machine.pci.bar(0).open({ within: memory });
      using pages = HugepageMemory.allocate({ bytes: PAGE, pageBytes: PAGE, within: memory });
      using dma = new DmaMapper(machine.container, { iova: "allocate" });
      dma.map(pages);
      // In a hugepage.
      dma.alloc({ bytes: PAGE, within: memory }).words[0] = 1;
    };
    round();
    const before = await addressSpace(memory);
    for (let count = 0; count < 200; count++) round();

    const { inside, all, bytes } = await addressSpace(memory);
    expect([before.inside, inside]).toEqual([1, 1]);
    // Anything left of each round would be more; the engine's own heap may grow, too.
    expect(all - before.all).toBeLessThan(100);
    expect(bytes - before.bytes).toBeLessThan(200 * (TWO_MIB / 4));
  }, 180_000);
});

describe("given a process with a WebAssembly memory full of mappings, mapped for DMA, and a worker that writes there", () => {
  it("when it is killed, then its hugepages are free, and its group and device are for the next", async () => {
    const free = () => [TWO_MIB, ONE_GIB].map((pageBytes) => countHugepages(pageBytes)?.available);
    const before = free();
    const program = path.join(import.meta.dirname, "memory-full-of-mappings.mjs");
    const child = spawn(process.execPath, [program, WIDE_EDU], { stdio: ["ignore", "pipe", "inherit"] });
    const closed = once(child, "close");
    const [line] = (await Promise.race([once(child.stdout, "data"), closed])) as [unknown];
    expect(String(line)).toBe("running\n");
    expect(free()).toEqual(before.map((pages, index) => (pages ?? 0) - [2, 1][index]!));

    child.kill("SIGKILL");

    expect(await closed).toEqual([null, "SIGKILL"]);
    expect(free()).toEqual(before);
    using machine = openEdu(WIDE_EDU);
    expect(machine.edu.identification()).toBe(0x010000ed);
  });
});

describe("given a process that can have no WebAssembly memory, or one whose engine checks each bound by itself", () => {
  it.each([
    ["--jitless", "", "ERR_VFIO_NO_LINEAR_MEMORY"],
    ["few addresses", "ulimit -v 4000000;", "ERR_VFIO_NO_LINEAR_MEMORY"],
    ["--disable-wasm-trap-handler", "", { made: 2 ** 32 }],
  ])("%s: its BARs work all the same", (what, limit, memory) => {
    const flags = what.startsWith("-") ? [what] : [];
    const program = path.join(import.meta.dirname, "bar-without-memory.mjs");
    const command = [process.execPath, ...flags, program, WIDE_EDU];
    const text = execFileSync("sh", ["-c", `${limit} exec "$@"`, "sh", ...command], { encoding: "utf8" });
    expect(JSON.parse(text)).toEqual({
      memory,
      identification: 0x010000ed,
      inverse: ~5 >>> 0,
      factorial: 120,
    });
  });
});
