import { leavesNothingBehind } from "@vfio/test-support";
import fc from "fast-check";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { ConfigPicture, decodeConfig, type Capability, type PciConfig } from "../../src/config/index.js";
import { recordedConfigSpaces, soundConfigSpaces, unknownCapabilities } from "../config-spaces.js";
import { bdfOf, lastTitles, lspciOfPictures, recordedLspci, runLspci } from "../lspci.js";
import {
  BRIDGED_EDU,
  E1000E,
  EDU,
  EDU_NARROW,
  ERROR_RNG,
  NVME,
  openDevice,
  SRIOV_NVME,
  TEST_DEVICE,
  VGA,
} from "./machine.js";

leavesNothingBehind();

beforeAll(() => {
  const version = execFileSync("lspci", ["--version"], { encoding: "utf8" });
  expect(version, "another lspci has other words: these tests are written for that of Debian 12").toMatch(
    /^lspci version 3\.9\./,
  );
});

const SYSFS = "/sys/bus/pci/devices";
/** What the machine has and we do not decode; anything else that is `unknown` fails the test. */
const NOT_DECODED = ["Hot-plug capable", "SATA HBA"];
const VIRTIO = 0x1af4;
const VIRTIO_KINDS = ["<unknown>", "CommonCfg", "Notify", "ISR", "DeviceCfg"];

function rawConfig(bdf: string): Uint8Array {
  return new Uint8Array(readFileSync(`${SYSFS}/${bdf}/config`));
}

/** The kernel's resources: first and last address of the BARs and the ROM. */
function regionBytesOf(bdf: string): number[] {
  const resources = readFileSync(`${SYSFS}/${bdf}/resource`, "utf8").split("\n").slice(0, 7);
  return resources.map((line) => {
    const [first = 0n, last = 0n] = line.split(" ").slice(0, 2).map(BigInt);
    return last === 0n ? 0 : Number(last - first + 1n);
  });
}

/** A block for each capability, and one for the header: the lines of our text that belong together. */
function blocksOf(lines: readonly string[]): string[][] {
  const blocks: string[][] = [[]];
  for (const line of lines) {
    if (line.startsWith("\tCapabilities:")) blocks.push([]);
    blocks.at(-1)?.push(line);
  }
  return blocks;
}

function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trimEnd())
    .filter(Boolean);
}

/** What lspci knows beyond our decoders, worked out here from the bytes that the decoders keep. */
function asLspciWould(block: readonly string[], capability: Capability, vendorId: number): string[] {
  const [title = "", ...rest] = block;
  const place = /^\tCapabilities: \[[^\]]*\] /.exec(title)?.[0] ?? "";
  if (capability.kind === "vendor-specific" && vendorId === VIRTIO)
    return virtioLines(place, capability.fields.bytes);
  if (capability.kind !== "unknown") return [title, ...rest];
  const name = title.slice(place.length).replace(" <?>", "");
  expect(NOT_DECODED).toContain(name);
  return name === "SATA HBA" ? [`${place}${sataText(capability.fields.bytes)}`] : [`${place}${name}`];
}

function sataText(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer);
  const place = view.getUint32(4, true);
  const offset = ((place >>> 4) & 0xfffff).toString(16).padStart(8, "0");
  return `SATA HBA v${view.getUint8(2) >> 4}.${view.getUint8(2) & 15} BAR${(place & 15) - 4} Offset=${offset}`;
}

function virtioLines(place: string, bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer);
  const word = (at: number): string => view.getUint32(at, true).toString(16).padStart(8, "0");
  const kind = VIRTIO_KINDS[view.getUint8(3)] ?? "<unknown>";
  const multiplier = kind === "Notify" ? ` multiplier=${word(16)}` : "";
  return [
    `${place}Vendor Specific Information: VirtIO: ${kind}`,
    `\t\tBAR=${view.getUint8(4)} offset=${word(8)} size=${word(12)}${multiplier}`,
  ];
}

/** Our text, block by block, as lspci would write it. */
function comparable(text: string, config: PciConfig): string[] {
  const [header = [], ...blocks] = blocksOf(linesOf(text));
  expect(blocks).toHaveLength(config.capabilities.length);
  const capabilities = blocks.flatMap((block, index) =>
    asLspciWould(block, config.capabilities[index]!, config.header.vendorId),
  );
  return [...header, ...capabilities];
}

/**
 * The two lines in which a running lspci shows what the kernel has instead of what the register has: the interrupt's
 * number, and the width of a bridge's window. Both sides of each difference are looked at.
 */
function withKernelsView(line: string, bdf: string, config: PciConfig): string {
  if (line.startsWith("\tInterrupt:")) {
    expect(line).toMatch(new RegExp(`routed to IRQ ${config.header.interruptLine}$`));
    const irq = readFileSync(`${SYSFS}/${bdf}/irq`, "utf8").trim();
    return line.replace(/\d+$/, irq);
  }
  // The kernel has the window below 4 GiB, and lspci says so.
  return line.replace(
    /(Prefetchable.*: )0{8}([0-9a-f]{8})-0{8}([0-9a-f]{8}) (.*)\[64-bit\]$/,
    "$1$2-$3 $4[32-bit]",
  );
}

describe("given all PCI functions of the machine, root ports and bridges too", () => {
  const bdfs = readdirSync(SYSFS);

  it("each raw config space, decoded, reads line by line as a running lspci reads the function", () => {
    const devices = runLspci();
    const kinds = new Set<string>();
    let lines = 0;
    expect(devices.map(({ bdf }) => bdf)).toEqual(bdfs);
    for (const { bdf, lines: theirs } of devices) {
      const config = decodeConfig(new ConfigPicture(rawConfig(bdf)));
      const text = config.describe({ name: bdf, regionBytes: regionBytesOf(bdf) });
      const ours = comparable(text, config).map((line) => withKernelsView(line, bdf, config));

      expect(ours).toEqual(theirs);

      expect(config.problems).toEqual([]);
      for (const { kind } of config.capabilities) kinds.add(kind);
      lines += theirs.length;
    }
    for (const kind of ["msi", "msix", "pci-express", "power-management", "error-reporting", "serial-number"])
      expect(kinds).toContain(kind);
    for (const kind of ["sr-iov", "routing-id", "vendor-specific"]) expect(kinds).toContain(kind);
    expect(lines).toBeGreaterThan(200);
  });

  it("and as lspci reads the same bytes from a dump, where no kernel has a say", () => {
    const pictures = bdfs.map(rawConfig);

    lspciOfPictures(pictures).forEach(({ bdf, lines }, index) => {
      const config = decodeConfig(new ConfigPicture(pictures[index]!));
      expect(comparable(config.describe({ name: bdf }), config)).toEqual(lines);
    });
  });

  it("JSON has all of it, and addresses as strings", () => {
    for (const bdf of bdfs) {
      const config = decodeConfig(new ConfigPicture(rawConfig(bdf)));
      const json = JSON.parse(JSON.stringify(config)) as { capabilities: { kind: string }[] };
      expect(json.capabilities.map(({ kind }) => kind)).toEqual(config.capabilities.map(({ kind }) => kind));
    }
  });
});

describe("given config spaces that no machine has, with anything in their registers", () => {
  it("what the tests on a host take for lspci's reading of some of them is what it reads", () => {
    const devices = lspciOfPictures(recordedConfigSpaces);

    expect(devices.flatMap(({ lines }) => lines)).toEqual(recordedLspci());
    expect(lastTitles(lspciOfPictures(unknownCapabilities))).toEqual(recordedLspci("lspci-3.9-names"));
  });

  it("each reads line by line as lspci reads it", () => {
    const pictures = fc.sample(soundConfigSpaces, { numRuns: 60 });

    const devices = lspciOfPictures(pictures);

    expect(devices).toHaveLength(pictures.length);
    devices.forEach(({ bdf, lines }, index) => {
      expect(bdf).toBe(bdfOf(index));
      expect(linesOf(decodeConfig(new ConfigPicture(pictures[index]!)).describe({ name: bdf }))).toEqual(
        lines,
      );
    });
  });
});

describe.each([
  { device: "edu", bdf: EDU },
  { device: "nvme", bdf: NVME },
  { device: "e1000e", bdf: E1000E },
  { device: "pci-testdev", bdf: TEST_DEVICE },
  { device: "edu with a narrow mask", bdf: EDU_NARROW },
  { device: "edu behind a bridge", bdf: BRIDGED_EDU },
  { device: "nvme with SR-IOV", bdf: SRIOV_NVME },
  { device: "a virtio device with AER and a ROM", bdf: ERROR_RNG },
  { device: "a VGA card", bdf: VGA },
])("given $device, opened through VFIO", ({ bdf }) => {
  it("its bytes are those of sysfs, and its text is lspci's, sizes included", () => {
    using open = openDevice(bdf);
    const { config } = open.pci;
    const decoded = config.decode();

    expect(Buffer.from(config.read(0, config.bytes)).equals(rawConfig(bdf))).toBe(true);
    const ours = comparable(config.describe(), decoded).map((line) => withKernelsView(line, bdf, decoded));
    expect(ours).toEqual(runLspci("-s", bdf)[0]?.lines);
  });
});

describe("given what vfio-pci answers itself", () => {
  it("MSI that is switched on through VFIO has an address only in the hardware", () => {
    using edu = openDevice(EDU);
    edu.pci.setUpInterrupts({ type: "msi" }).enable();
    const hardware = decodeConfig(new ConfigPicture(rawConfig(EDU))).capability("msi");
    const [device] = runLspci("-s", EDU);

    const throughVfio = edu.pci.config.decode().capability("msi");

    expect(hardware).toMatchObject({ enabled: true });
    expect(hardware?.address).not.toBe(0n);
    expect(device?.lines).toContain("\tCapabilities: [40] MSI: Enable+ Count=1/1 Maskable- 64bit+");
    // The kernel programs the message; a program sees its own, virtual registers, which nobody wrote.
    expect(throughVfio).toMatchObject({ address: 0n, data: 0 });
  });
});
