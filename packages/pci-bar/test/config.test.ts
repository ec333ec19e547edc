import { runInNewContext } from "node:vm";
import { expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import {
  ConfigPicture,
  decodeConfig,
  decodeHeader,
  findMsixTable,
  listCapabilities,
  walkExtendedCapabilities,
  walkStandardCapabilities,
  type PciConfig,
} from "../src/index.js";
import { bytesOfWords, LIST } from "./config-spaces.js";

function pictureOf(words: Readonly<Record<number, number>>, bytes?: number): ConfigPicture {
  return new ConfigPicture(bytesOfWords(words, bytes));
}

function decoded(words: Readonly<Record<number, number>>, bytes?: number): PciConfig {
  return decodeConfig(pictureOf({ ...LIST, ...words }, bytes));
}

describe("given the header of a device", () => {
  it("a 64-bit BAR above 4 GiB takes two registers; I/O ports and old memory are told apart", () => {
    const header = decodeHeader(
      pictureOf({ 0x10: 0xfe00000c, 0x14: 0x38, 0x18: 0xd001, 0x1c: 0xffffffff, 0x20: 0x000c_0002, 0x24: 4 }),
    );

    expect(header).toMatchObject({
      kind: "device",
      bars: [
        { index: 0, kind: "mem64", prefetchable: true, address: 0x38_fe00_0000n },
        { index: 2, kind: "io", prefetchable: false, address: 0xd000n },
        { index: 4, kind: "mem1M", prefetchable: false, address: 0xc0000n },
        { index: 5, kind: "invalid", address: 0n },
      ],
    });
  });

  it("a BAR or ROM without an address is unassigned, be it valid or not", () => {
    const text = decodeConfig(pictureOf({ 0x14: 4, 0x1c: 0xfe00_0000, 0x24: 4, 0x30: 1 })).describe();

    expect(text.match(/Region \d: Memory at \S+/g)).toEqual([
      "Region 1: Memory at <unassigned>",
      "Region 3: Memory at fe000000",
      "Region 5: Memory at <unassigned>",
    ]);
    expect(text).toContain("Expansion ROM at <unassigned>");
  });

  it("ids, class, self test and interrupt are told by name", () => {
    const ids = { 0x00: 0x10d38086, 0x08: 0x02000003, 0x2c: 0x0001_8086 };

    expect(decodeHeader(pictureOf({ ...ids, 0x0c: 0xc280_4010, 0x3c: 0x2010_020b }))).toMatchObject({
      ...{ vendorId: 0x8086, deviceId: 0x10d3, revision: 3 },
      class: { base: 2, sub: 0, programmingInterface: 0 },
      ...{ headerType: 0, multiFunction: true, cacheLineBytes: 64, latencyTimer: 64 },
      ...{ selfTest: { capable: true, running: true, code: 2 }, interruptLine: 11, interruptPin: 2 },
      ...{ subsystem: { vendorId: 0x8086, deviceId: 1 }, minGrant: 0x10, maxLatency: 0x20 },
    });
  });

  it("a picture from another realm, such as a test's vm context, is decoded as any other", () => {
    const bytes = bytesOfWords({ 0: 0x0010_1b36 }, 64);
    const foreign = runInNewContext(`Uint8Array.of(${bytes.join(", ")})`) as Uint8Array;

    const { header } = decodeConfig(new ConfigPicture(foreign));

    expect([header.vendorId, header.deviceId]).toEqual([0x1b36, 0x0010]);
  });

  it("fewer than 64 bytes are a RangeError", () => {
    expectError(
      () => decodeConfig(new ConfigPicture(new Uint8Array(60))),
      "ERR_VFIO_CONFIG_OFFSET … this picture of a config space (60 bytes)",
    );
  });

  it.each([
    ["read8", [-1, 0.5, 64, NaN], 63],
    ["read16", [-2, 1, 0.5, 63, 64, NaN], 62],
    ["read32", [-4, 2, 0.5, 62, 64, NaN], 60],
  ] as const)(
    "a picture refuses to %s beside itself or out of step, and reads up to its end",
    (read, wrong, last) => {
      const picture = new ConfigPicture(new Uint8Array(64).fill(7));

      for (const offset of wrong) expectError(() => picture[read](offset), "ERR_VFIO_CONFIG_OFFSET");
      expect(picture[read](last) % 256).toBe(7);
    },
  );
});

describe("given the header of a bridge", () => {
  const bridge = { 0x0c: 0x0001_0000, 0x18: 0x0005_0200 };

  it("its buses and windows are decoded; a limit below its base is a closed window", () => {
    const words = { 0x1c: 0xe1d1, 0x20: 0xfff0, 0x24: 0x1ff1_0001, 0x28: 1, 0x2c: 1, 0x30: 0x0002_0001 };

    const header = decodeHeader(pictureOf({ ...bridge, ...words }));

    expect(header).toMatchObject({
      kind: "bridge",
      buses: { primary: 0, secondary: 2, subordinate: 5, latencyTimer: 0 },
      windows: {
        io: { base: 0x1d000n, limit: 0x2efffn, addressBits: 32 },
        memory: { base: 0xfff0_0000n, limit: 0x000f_ffffn, addressBits: 32 },
        prefetchable: { base: 0x1_0000_0000n, limit: 0x1_1fff_ffffn, addressBits: 64 },
      },
    });
    expect(decodeConfig(pictureOf({ ...bridge, ...words })).describe()).toContain(
      "\tMemory behind bridge: [disabled] [32-bit]\n",
    );
  });

  it("a window of a reserved type is none, and the text says so", () => {
    const config = decodeConfig(pictureOf({ ...bridge, 0x1c: 0x0202, 0x20: 0x0001_0000, 0x24: 0x0001_0000 }));

    expect(config.header).toMatchObject({
      windows: { io: undefined, memory: undefined, prefetchable: undefined },
    });
    expect(config.describe()).toContain("!!! I/O behind bridge: reserved type");
  });

  it("a CardBus bridge has its list elsewhere; of a header nobody knows, only the common part is decoded", () => {
    const cardbus = decodeConfig(
      pictureOf({ 0x04: 0x0010_0000, 0x0c: 0x0002_0000, 0x14: 0x80, 0x80: 0x0001 }),
    );

    expect(cardbus.header.kind).toBe("cardbus");
    expect(cardbus.capabilities).toMatchObject([{ kind: "power-management", offset: 0x80 }]);
    expect(decodeConfig(pictureOf({ 0x0c: 0x007f_0000 })).header.kind).toBe("unknown");
    expect(decodeConfig(pictureOf({ 0x0c: 0x007f_0000 })).describe()).toContain("!!! Unknown header type 7f");
  });
});

describe("given capability lists that are not sound", () => {
  it.each([
    ["a standard list that comes back to itself", { 0x40: 0x4801, 0x48: 0x4005 }, "comes back to 0x40", 2],
    ["a standard list that leads into the header", { 0x40: 0x1001 }, "leaves its area at 0x10", 1],
    ["a standard list that reads all ones", { 0x40: 0xffffffff }, "nothing answers at 0x40", 0],
    ["an extended list that comes back to itself", { 0x100: 0x1001_0001 }, "comes back to 0x100", 1],
    ["an extended list that leads below it", { 0x100: 0x0401_0001 }, "leaves its area at 0x40", 1],
    ["an extended list that reads all ones", { 0x100: 0xffffffff }, "nothing answers at 0x100", 0],
  ])("%s ends there, and says so", (which, words, problem, count) => {
    const walk = which.startsWith("a standard") ? walkStandardCapabilities : walkExtendedCapabilities;

    const { found, problem: said } = walk(pictureOf({ ...LIST, ...words }));

    expect(found).toHaveLength(count);
    expect(said).toContain(problem);
  });

  it("a capability may lie in the last four bytes of its area", () => {
    const words = { 0x40: 0xfc01, 0xfc: 0x0009, 0x100: 0xffc1_0003, 0xffc: 0x0001_000b };

    expect(walkStandardCapabilities(pictureOf({ ...LIST, ...words }))).toMatchObject({
      found: [{ offset: 0x40 }, { offset: 0xfc, id: 9 }],
      problem: undefined,
    });
    expect(walkExtendedCapabilities(pictureOf(words))).toMatchObject({
      found: [{ offset: 0x100 }, { offset: 0xffc, id: 0xb, version: 1 }],
      problem: undefined,
    });
  });

  it("an extended list may be empty, and 256 bytes have none", () => {
    const empty = { found: [], problem: undefined };

    expect(walkExtendedCapabilities(pictureOf({}))).toEqual(empty);
    expect(walkExtendedCapabilities(pictureOf({}, 256))).toEqual(empty);
  });

  it("a file of which an ordinary user sees 64 bytes gives the header, and the reason why there is no more", () => {
    const config = decoded({ 0x00: 0x10d38086 }, 64);

    expect(config.header.vendorId).toBe(0x8086);
    expect(config.capabilities).toEqual([]);
    expect(config.problems).toEqual(["the list leaves its area at 0x40"]);
    expect(config.describe()).toContain("\t!!! Capabilities: the list leaves its area at 0x40");
  });

  it("a capability may end where its area ends, whatever the width of its last register", () => {
    const standard = { 0x34: 0xf4, 0xf4: 0x0007_0011, 0xf8: 0x2003, 0xfc: 0x3001 };
    const extended = { 0x100: 0xff41_0000, 0xff4: 0x0001_0003, 0xff8: 2, 0xffc: 1 };

    const { capabilities } = decoded({ ...standard, ...extended });

    expect(capabilities).toMatchObject([
      { fields: { table: { bar: 3, offset: 0x2000 }, pendingBits: { bar: 1, offset: 0x3000 } } },
      { kind: "unknown" },
      { fields: { serialNumber: 0x1_0000_0002n } },
    ]);
  });

  it("a capability whose registers do not fit into its area is unknown, with its bytes and the reason", () => {
    const config = decoded({ 0x34: 0xf8, 0xf8: 0x0000_0011 });

    expect(config.capabilities).toMatchObject([
      { kind: "unknown", id: 0x11, offset: 0xf8, fields: { problem: "its registers reach beyond 0x100" } },
    ]);
    expect(config.capability("msix")).toBeUndefined();
    expect(config.capability("unknown")?.bytes).toHaveLength(8);
  });

  it("one that nobody knows keeps its id and its bytes up to the next", () => {
    const config = decoded({ 0x40: 0xbeef_48ee, 0x44: 0x01020304, 0x48: 0x0001 });

    expect(config.capabilities[0]).toMatchObject({
      kind: "unknown",
      id: 0xee,
      fields: { problem: undefined },
    });
    expect(config.describe()).toContain("[40] Capability ID 0xee <?>\n\t\t00: ee 48 ef be 04 03 02 01\n");
  });
});

describe("given a config space that is read one register at a time", () => {
  it("capabilities are found in order; pointers have reserved bits; without the status bit there is no list", () => {
    const words = { 0x34: 0x43, 0x40: 0x5101, 0x50: 0x0005 };

    expect(listCapabilities(pictureOf({ ...LIST, ...words }))).toEqual([
      { id: 0x01, offset: 0x40 },
      { id: 0x05, offset: 0x50 },
    ]);
    expect(listCapabilities(pictureOf(words))).toEqual([]);
  });

  it.each([
    [
      "has BAR, offset and size",
      { 0x40: 0x8040_0011, 0x44: 0x2002 },
      { bar: 2, offset: 0x2000, vectors: 65 },
    ],
    ["may lie above 2 GiB", { 0x40: 0x11, 0x44: 0xffff_f005 }, { bar: 5, offset: 0xffff_f000, vectors: 1 }],
    ["in the reserved BAR 6 is none", { 0x40: 0x11, 0x44: 0x2006 }, undefined],
    ["in the reserved BAR 7 is none", { 0x40: 0x11, 0x44: 0x2007 }, undefined],
    ["of a capability that reaches out of the standard area is none", { 0x34: 0xf8, 0xf8: 0x11 }, undefined],
  ])("an MSI-X table %s", (_, words, table) => {
    expect(findMsixTable(pictureOf({ ...LIST, ...words }))).toEqual(table);
  });
});

describe("given capabilities", () => {
  it("a bridge's power management tells what its clock does", () => {
    const config = decoded({ 0x40: 0x0001, 0x44: 0x0040_0003 });

    expect(config.capability("power-management")).toMatchObject({
      state: 3,
      bridge: { clockControl: false, clockStopsInD3hot: true },
    });
    expect(config.describe()).toContain("\t\tBridge: PM- B2+\n");
  });

  it("PCI Express tells speed and width, payload and reads; codes nobody knows are undefined", () => {
    const config = decoded({ 0x40: 0x0002_0010, 0x44: 1, 0x48: 0x2020, 0x4c: 0x43, 0x50: 0x102f_0000 });

    expect(config.capability("pci-express")).toMatchObject({
      type: "endpoint",
      device: { maxPayloadSupported: 256, maxPayload: 256, maxReadRequest: 512 },
      link: { max: { speed: 8, width: 4 }, current: { speed: undefined, width: 2 } },
    });
  });

  it("a reserved scale of a latency is an error in the text, and undefined in the data", () => {
    const config = decoded({ 0x40: 0x0010, 0x100: 0x0001_0018, 0x104: 0x0401_1801 });

    expect(config.capability("latency-tolerance")).toEqual({ maxSnoopNs: undefined, maxNoSnoopNs: 32 });
    expect(config.describe()).toContain("Max snoop latency: <error>");
  });

  it("JSON has addresses as strings and bytes as digits", () => {
    const config = decoded({ 0x10: 0xfe000000, 0x40: 0x0004_0009 });

    expect(JSON.parse(JSON.stringify(config))).toMatchObject({
      header: { bars: [{ address: "0xfe000000" }] },
      capabilities: [{ kind: "vendor-specific", fields: { length: 4, bytes: "09000400" } }],
      problems: [],
    });
  });
});
