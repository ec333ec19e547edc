import { useKernel } from "@vfio/ioctl-native";
import { plainErrors, showsState, type Called } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import * as pciBar from "../src/index.js";
import { FakeDevice } from "./fake-device.js";
import { MemoryDevice } from "./memory-device.js";

const { ConfigPicture, defineRegisters, Interrupts, OpenRegion, PciDevice } = pciBar;

const word = new Uint32Array(1);
const NEVER = { timeoutMs: 0 };
const OF_REGIONS = {
  write8: [0, 0],
  write16: [0, 0],
  write32: [0, 0],
  write64: [0, 0n],
  writeFlush32: [0, 0],
  readBlock: [0, word],
  writeBlock: [0, word],
  readFifo: [0, word],
  writeFifo: [0, word],
  readHalves: [0, new Uint32Array(2)],
  writeHalves: [0, 0, 0],
  pollMask: [0, 0, 0, {}],
  pollMaskSync: [0, 0, 0, {}],
};
const OF_REGISTERS = { waitFor: [{ on: false }, NEVER], waitForSync: [{ on: false }, NEVER] };

const fake = new FakeDevice();
const memory = new MemoryDevice({ 0: { bytes: 0x1000 }, 1: { bytes: 0x1000, mappable: true } });
const table = defineRegisters({
  one: { offset: 0, fields: { on: { bit: 0 }, mode: { bits: [3, 1], values: { a: 0 } } } },
  long: { offset: 8, width: 64, fields: { on: { bit: 0 }, rest: { bits: [63, 1], wide: true } } },
  list: { offset: 16, count: 2, fields: { all: { bits: [31, 0] } } },
  plain: { offset: 32 },
});
const bar = memory.pci.bar(1).map();
const registers = table.on(bar);

/** What is made of a device of its own, which is given back with it. */
function ofDevice<T extends object>(make: (pci: pciBar.PciDevice) => T): T {
  const own = new FakeDevice();
  const kernel = useKernel(own.kernel);
  const pci = new PciDevice(own.device);
  const made = make(pci);
  const close = (): void => {
    pci.close();
    kernel[Symbol.dispose]();
  };
  return Object.defineProperty(made, Symbol.dispose, { value: close });
}

function enabledVector(pci: pciBar.PciDevice): pciBar.InterruptVector {
  const interrupts = pci.setUpInterrupts();
  interrupts.enable();
  return interrupts.vector(0);
}

/** Wrong values inside right arguments: a device's options, and what its lists hold. */
function deviceOptions(pci: pciBar.PciDevice) {
  const vector = enabledVector(pci);
  const setUp = (options: object): void => Interrupts.setUp(fake.device, options).close();
  return {
    msixTable: (msixTable: never) => pci.bar(0).map({ msixTable }),
    "a group": (group: never) => pci.hotReset([group]),
    type: (type: never) => setUp({ type }),
    vectors: (vectors: never) => setUp({ vectors }),
    start: (start: never) => setUp({ start }),
    wait: (options: unknown) => vector.wait(limited(options)),
    // Without a limit it would wait for good.
    timeoutMs: (timeoutMs?: number) => timeoutMs !== undefined && vector.wait({ timeoutMs }),
    signal: (signal: never) => vector.wait({ signal, ...NEVER }),
    waitSync: (options: unknown) => vector.waitSync(limited(options)),
    counts: (options: unknown) => vector.counts(limited(options)).next(),
  };
}

/** What is an object after all gets a limit, or it would wait for good. */
function limited(options: unknown): object {
  const isObject = options === undefined || (typeof options === "object" && options !== null);
  return isObject ? NEVER : (options as object);
}

/** As {@link deviceOptions}, of an open region. */
function regionOptions(region: pciBar.OpenRegion) {
  return {
    intervalMs: (intervalMs: never) => region.pollMask(0, 1, 1, { intervalMs, timeoutMs: 1 }),
    width: (width: never) => region.pollMask(0, 0, 0, { width }),
    signal: (signal: never) => region.pollMask(0, 0, 0, { signal }),
    "both halves": (value: never) => region.writeHalves(0, value, value),
    "a mask that cannot match": (mask: never) => region.pollMask(0, mask, 1, NEVER),
    "a value that cannot be": (value: never) => region.pollMask(0, 1, value, NEVER),
    parts: (parts: never) => new OpenRegion(parts).read32(0),
    fromShared: (shared: never) => OpenRegion.fromShared(shared).close(),
  };
}

/** As {@link deviceOptions}, of a register table. */
const tableOptions = {
  "a register": (register: never) => defineRegisters({ register }),
  fields: (fields: never) => defineRegisters({ register: { offset: 0, fields } }),
  "a field": (field: never) => defineRegisters({ register: { offset: 0, fields: { field } } }),
  base: (base: never) => table.on(bar, { base }),
  "a flag": (on: never) => registers.one.write({ on }),
  "a named value": (mode: never) => registers.one.write({ mode }),
  "a flag alone": (on: never) => registers.one.fields.on.write(on),
};

const members: Record<string, Called> = {
  "the package": {
    make: () => ({ ...pciBar }),
    right: {
      readRegionInfo: [fake.device, 0],
      readInterruptInfo: [fake.device, "msi"],
      chooseInterrupt: [fake.device, "msi"],
    },
    // TypeScript does not let it be called.
    except: ["Interrupts"],
  },
  "a PciDevice": {
    make: () => ofDevice((pci) => pci),
    right: { onDeviceError: [() => undefined, {}], hotReset: [[], {}], hotResetAsync: [[], {}] },
  },
  "its config space": {
    make: () => ofDevice((pci) => pci.config),
    right: { read: [0, 1], write8: [4, 0], write16: [4, 0], write32: [4, 0] },
  },
  "its command register": {
    make: () => ofDevice((pci) => pci.config.command),
    right: { set: ["intxDisabled", true] },
  },
  "its status register": { make: () => ofDevice((pci) => pci.config.status) },
  "a BAR": { make: () => memory.pci.bar(1) },
  "an open region": { make: () => memory.pci.bar(0).open(), right: OF_REGIONS },
  "a mapped region": { make: () => memory.pci.bar(1).map(), right: OF_REGIONS },
  "OpenRegion itself": { make: () => OpenRegion },
  "a register table": { make: () => table, right: { on: [bar, {}], dump: [bar, {}] } },
  "a register": { make: () => ({ ...registers.one }), right: OF_REGISTERS },
  "a register of 64 bits": { make: () => ({ ...registers.long }), right: OF_REGISTERS },
  "a register without fields": { make: () => ({ ...registers.plain }) },
  "an array of registers": { make: () => registers.list },
  "Interrupts itself": { make: () => Interrupts, right: { setUp: [fake.device, {}] } },
  Interrupts: { make: () => ofDevice((pci) => pci.setUpInterrupts()) },
  "an interrupt's vector": {
    make: () => ofDevice(enabledVector),
    right: { onInterrupt: [() => undefined, {}], counts: [NEVER] },
    // Without a limit, for good.
    except: ["wait", "waitSync", "spin"],
  },
  "a device's options": { make: () => ofDevice(deviceOptions) },
  "an open region's options": { make: () => regionOptions(memory.pci.bar(0).open()) },
  "a mapped region's options": { make: () => regionOptions(bar) },
  "a register table's options": { make: () => tableOptions },
  "a picture of a config space": { make: () => new ConfigPicture(new Uint8Array(256)) },
};

describe("given wrong arguments, all members answer with a coded error or with what they make of them:", () => {
  it.each(Object.entries(members))("%s", async (name, called) => {
    expect(await plainErrors({ [name]: called })).toEqual([]);
  });
});

describe("given somebody who prints it, its state is seen:", () => {
  it.each(Object.entries(members))("%s", (_, called) => expect(showsState(called)).toBe(true));
});
