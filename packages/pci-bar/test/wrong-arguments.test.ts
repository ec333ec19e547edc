import { inspect } from "node:util";
import { isVfioError, useKernel } from "@vfio/ioctl-native";
import { describe, expect, it } from "vitest";
import * as pciBar from "../src/index.js";
import { FakeDevice } from "./fake-device.js";
import { MemoryDevice } from "./memory-device.js";

const { PciDevice, OpenRegion, ConfigSpace, Interrupts, RegisterTable } = pciBar;

/** What a program in JavaScript passes by mistake. */
const WRONG: readonly unknown[] = [
  undefined,
  null,
  7,
  -1,
  1.5,
  "text",
  "",
  true,
  5n,
  {},
  [],
  () => 0,
  Symbol("s"),
  { fd: "3" },
];

type Call = (...values: never[]) => unknown;

/** What is an object after all gets a limit, or it would wait for good. */
function without(options: unknown): object {
  const isObject = options === undefined || (typeof options === "object" && options !== null);
  return isObject ? { timeoutMs: 0 } : (options as object);
}

/** The errors of all calls with all wrong values, but for those that say by their code what they are. */
async function withoutCode(calls: Readonly<Record<string, Call>>): Promise<string[]> {
  const plain: string[] = [];
  for (const [name, call] of Object.entries(calls))
    for (const value of WRONG) {
      try {
        await (call as (value: unknown) => unknown)(value);
      } catch (error) {
        if (!isVfioError(error)) plain.push(`${name}(${inspect(value)}): ${String(error)}`);
      }
    }
  return plain;
}

describe("given arguments of the wrong type", () => {
  it("a device's functions say what they expected", async () => {
    const fake = new FakeDevice();
    using _ = useKernel(fake.kernel);
    using pci = new PciDevice(fake.device);
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();
    const vector = interrupts.vector(0);

    expect(
      await withoutCode({
        PciDevice: (device) => new PciDevice(device),
        bar: (index) => pci.bar(index),
        region: (index) => pci.region(index),
        mapBars: (options) => pci.mapBars(options),
        msixTable: (msixTable) => pci.bar(0).map({ msixTable }),
        map: (options) => pci.bar(0).map(options),
        obstacleTo: (options) => pci.bar(0).obstacleTo(options),
        busMaster: (on) => (pci.busMaster = on),
        memorySpace: (on) => (pci.memorySpace = on),
        ioSpace: (on) => (pci.ioSpace = on),
        onRemovalRequested: (listener) => pci.onRemovalRequested(listener),
        onDeviceError: (listener) => pci.onDeviceError(listener),
        "onDeviceError, options": (options) => pci.onDeviceError(() => undefined, options),
        reset: (options) => pci.reset(options),
        hotReset: (groups) => pci.hotReset(groups),
        "hotReset, group": (group) => pci.hotReset([group]),
        "hotReset, options": (options) => pci.hotReset([], options),
        "config.read8": (offset) => pci.config.read8(offset),
        "config.read16": (offset) => pci.config.read16(offset),
        "config.read32": (offset) => pci.config.read32(offset),
        "config.read": (offset) => pci.config.read(offset, 1),
        "config.read, bytes": (bytes) => pci.config.read(0, bytes),
        "config.write16": (offset) => pci.config.write16(offset, 0),
        "config.write16, value": (value) => pci.config.write16(4, value),
        "config.write32, value": (value) => pci.config.write32(0, value),
        "command.set": (flag) => pci.config.command.set(flag, true),
        "command.set, on": (on) => pci.config.command.set("intxDisabled", on),
        "command.isSet": (flag) => pci.config.command.isSet(flag),
        "status.clear": (flag) => pci.config.status.clear(flag),
        ConfigSpace: (device) => new ConfigSpace(device),
        readRegionInfo: (device) => pciBar.readRegionInfo(device, 0),
        "readRegionInfo, index": (index) => pciBar.readRegionInfo(fake.device, index),
        findMsixTable: (config) => pciBar.findMsixTable(config),
        listCapabilities: (config) => pciBar.listCapabilities(config),
        chooseInterrupt: (device) => pciBar.chooseInterrupt(device, undefined),
        "chooseInterrupt, type": (type) => pciBar.chooseInterrupt(fake.device, type),
        readInterruptInfo: (device) => pciBar.readInterruptInfo(device, "msi"),
        "readInterruptInfo, type": (type) => pciBar.readInterruptInfo(fake.device, type),
        "Interrupts.setUp": (device) => Interrupts.setUp(device),
        "Interrupts.setUp, options": (options) => Interrupts.setUp(fake.device, options).close(),
        "Interrupts.setUp, type": (type) => Interrupts.setUp(fake.device, { type }).close(),
        "Interrupts.setUp, vectors": (vectors) => Interrupts.setUp(fake.device, { vectors }).close(),
        "Interrupts.setUp, start": (start) => Interrupts.setUp(fake.device, { start }).close(),
        setUpInterrupts: (options) => pci.setUpInterrupts(options),
        vector: (number) => interrupts.vector(number),
        addVectors: (count) => interrupts.addVectors(count),
        "interrupts.onClose": (listener) => interrupts.onClose(listener),
        wait: (options) => vector.wait(without(options)),
        // Without a limit it would wait for good.
        "wait, timeoutMs": (timeoutMs: number | undefined) =>
          timeoutMs !== undefined && vector.wait({ timeoutMs }),
        "wait, signal": (signal) => vector.wait({ signal, timeoutMs: 0 }),
        waitSync: (options) => vector.waitSync(options),
        onInterrupt: (listener) => vector.onInterrupt(listener)[Symbol.dispose](),
        "onInterrupt, options": (options) => vector.onInterrupt(() => undefined, options)[Symbol.dispose](),
        counts: (options) => vector.counts(without(options)).next(),
      }),
    ).toEqual([]);
  });

  it("a region's functions say what they expected", async () => {
    using memory = new MemoryDevice({ 0: { bytes: 0x1000 }, 1: { bytes: 0x1000, mappable: true } });
    const open = memory.pci.bar(0).open();
    const mapped = memory.pci.bar(1).map();
    const on = (region: pciBar.OpenRegion, name: string): Record<string, Call> => ({
      ...Object.fromEntries(
        (["read8", "read16", "read32", "read64"] as const).map((read) => [
          `${name}.${read}`,
          (offset: never) => region[read](offset),
        ]),
      ),
      ...Object.fromEntries(
        (["write8", "write16", "write32", "write64"] as const).flatMap((write) => [
          [`${name}.${write}`, (offset: never) => region[write](offset, 0 as never)],
          [`${name}.${write}, value`, (value: never) => region[write](0, value)],
        ]),
      ),
      ...Object.fromEntries(
        (["readBlock", "writeBlock", "readFifo", "writeFifo"] as const).flatMap((block) => [
          [`${name}.${block}`, (offset: never) => region[block](offset, new Uint32Array(1))],
          [`${name}.${block}, array`, (array: never) => region[block](0, array)],
        ]),
      ),
      [`${name}.readHalves`]: (offset) => region.readHalves(offset, new Uint32Array(2)),
      [`${name}.readHalves, array`]: (halves) => region.readHalves(0, halves),
      [`${name}.writeHalves`]: (offset) => region.writeHalves(offset, 0, 0),
      [`${name}.writeHalves, value`]: (value) => region.writeHalves(0, value, value),
      [`${name}.pollMask`]: (offset) => region.pollMask(offset, 1, 1, { timeoutMs: 0 }),
      [`${name}.pollMask, mask`]: (mask) => region.pollMask(0, mask, 1 as never, { timeoutMs: 0 }),
      [`${name}.pollMask, value`]: (value) => region.pollMask(0, 1, value, { timeoutMs: 0 }),
      [`${name}.pollMask, options`]: (options) => region.pollMask(0, 0, 0, options),
      [`${name}.pollMask, interval`]: (intervalMs) => region.pollMask(0, 1, 1, { intervalMs, timeoutMs: 1 }),
      [`${name}.pollMask, width`]: (width) => region.pollMask(0, 0, 0, { width }),
      [`${name}.pollMask, signal`]: (signal) => region.pollMask(0, 0, 0, { signal }),
      [`${name}.pollMaskSync, mask`]: (mask) => region.pollMaskSync(0, mask, 0 as never),
      [`${name}.pollMaskSync, options`]: (options) => region.pollMaskSync(0, 0, 0, options),
      [`${name}.onClose`]: (listener) => region.onClose(listener),
      [`${name}.writeFlush32`]: (offset) => region.writeFlush32(offset, 0),
    });

    expect(
      await withoutCode({
        ...on(open, "open"),
        ...on(mapped, "mapped"),
        OpenRegion: (parts) => new OpenRegion(parts).read32(0),
        fromShared: (shared) => OpenRegion.fromShared(shared).close(),
      }),
    ).toEqual([]);
    mapped.close();
    open.close();
  });

  it("a register table and its registers say what they expected", async () => {
    using memory = new MemoryDevice({ 0: { bytes: 0x1000, mappable: true } });
    using bar = memory.pci.bar(0).map();
    const table = pciBar.defineRegisters({
      one: { offset: 0, fields: { on: { bit: 0 }, mode: { bits: [3, 1], values: { a: 0 } } } },
      list: { offset: 8, count: 2, fields: { all: { bits: [31, 0] } } },
      plain: { offset: 16 },
    });
    const regs = table.on(bar);

    expect(
      await withoutCode({
        defineRegisters: (declarations) => pciBar.defineRegisters(declarations),
        RegisterTable: (declarations) => new RegisterTable(declarations),
        "a register": (register) => pciBar.defineRegisters({ register }),
        "its fields": (fields) => pciBar.defineRegisters({ register: { offset: 0, fields } }),
        "a field": (field) => pciBar.defineRegisters({ register: { offset: 0, fields: { field } } }),
        on: (region) => table.on(region),
        "on, options": (options) => table.on(bar, options),
        "on, base": (base) => table.on(bar, { base }),
        dump: (region) => table.dump(region),
        "dump, options": (options) => table.dump(bar, options),
        formatDump: (dump) => pciBar.formatDump(dump),
        "list.at": (index) => regs.list.at(index),
        write: (values) => regs.one.write(values),
        modify: (values) => regs.one.modify(values),
        "write, flag": (on) => regs.one.write({ on }),
        "write, named": (mode) => regs.one.write({ mode }),
        "fields.on.write": (on) => regs.one.fields.on.write(on),
        writeRaw: (value) => regs.plain.writeRaw(value),
        waitForSync: (wanted) => regs.one.waitForSync(wanted),
        "waitForSync, options": (options) => regs.one.waitForSync({ on: false }, options),
        waitFor: (wanted) => regs.one.waitFor(wanted, { timeoutMs: 1 }),
        "waitFor, options": (options) => regs.one.waitFor({ on: false }, options),
      }),
    ).toEqual([]);
  });

  it("the decoders say what they expected", async () => {
    expect(
      await withoutCode({
        ConfigPicture: (bytes) => new pciBar.ConfigPicture(bytes),
        decodeConfig: (bytes) => pciBar.decodeConfig(bytes),
        decodeRegionInfo: (answer) => pciBar.decodeRegionInfo(answer),
      }),
    ).toEqual([]);
  });
});
