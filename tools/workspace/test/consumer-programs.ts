/**
 * A program of somebody who has a container of their own, and of ours only @vfio/dma and what it depends on: it maps
 * memory, and has an edu device copy from one place of it to another. As good in JavaScript as in TypeScript.
 */
const BODY = `
const address = "0000:00:10.0";
const group = openFile("/dev/vfio/" + path.basename(readlinkSync("/sys/bus/pci/devices/" + address + "/iommu_group")));
const container = openFile("/dev/vfio/vfio");
ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
ioctl(container, vfioIoctls.VFIO_SET_IOMMU, vfioConstants.VFIO_TYPE1v2_IOMMU);
const device = new Fd(ioctl(group, vfioIoctls.VFIO_GROUP_GET_DEVICE_FD, address), address);

const memory = HugepageMemory.allocate({ bytes: 4 << 20 });
const dma = new DmaMapper({ fd: container.fd }, { iova: "allocate", addressBits: 32 });
const mapping = dma.map(memory);
const buffer = dma.alloc({ bytes: 1000 });

const { vfio_region_info } = vfioStructs;
const bar = vfio_region_info.encode({ argsz: vfio_region_info.bytes, index: vfioConstants.VFIO_PCI_BAR0_REGION_INDEX });
ioctl(device, vfioIoctls.VFIO_DEVICE_GET_REGION_INFO, bar);
const config = vfio_region_info.encode({ argsz: vfio_region_info.bytes, index: vfioConstants.VFIO_PCI_CONFIG_REGION_INDEX });
ioctl(device, vfioIoctls.VFIO_DEVICE_GET_REGION_INFO, config);
const memoryAndBusMaster = new Uint8Array([6, 0]);
writeAt(device, Number(vfio_region_info.decode(config).offset) + 4, memoryAndBusMaster, "the command register");
const { size, offset } = vfio_region_info.decode(bar);
const { registers } = Mapping.map({ file: device, bytes: Number(size), offset: Number(offset), name: "BAR0" });

const bytes = new Uint8Array(memory.buffer);
for (let index = 0; index < 1000; index++) bytes[index] = index % 251;
const inTheDevice = 0x40000n;
const intoTheDevice = [mapping.iovaOf(0, 1000), inTheDevice, 1n] as const;
const outOfTheDevice = [inTheDevice, mapping.iovaOf(2 << 20, 1000), 3n] as const;
for (const [from, to, command] of [intoTheDevice, outOfTheDevice]) {
  registers.write64(0x80, from);
  registers.write64(0x88, to);
  registers.write64(0x90, 1000n);
  registers.write64(0x98, command);
  while ((registers.read64(0x98) & 1n) !== 0n);
}
const copied = Buffer.compare(bytes.subarray(0, 1000), bytes.subarray(2 << 20, (2 << 20) + 1000)) === 0;
const last = bytes[(2 << 20) + 999];
console.log(JSON.stringify({ iova: String(mapping.iovaOf(0)), buffer: String(buffer.iova), copied, last }));
dma.close();
memory.close();
`;

const NAMES = {
  "node:fs": "readlinkSync",
  "@vfio/dma": "DmaMapper, HugepageMemory",
  "@vfio/ioctl-native": "Fd, ioctl, Mapping, openFile, writeAt",
  "@vfio/ioctl-native/vfio": "vfioConstants, vfioIoctls, vfioStructs",
};

/** The names, taken in with a statement such as `import { … } from "…"`. */
function withNames(statement: (names: string, from: string) => string, body: string): string {
  const statements = Object.entries(NAMES).map(([from, names]) => statement(`{ ${names} }`, from));
  return [...statements, body].join("\n");
}

const IMPORTED = withNames(
  (names, from) => `import ${names} from "${from}";`,
  `import { Buffer } from "node:buffer";\nimport path from "node:path";\n${BODY}`,
);

const IN_JAVASCRIPT = (text: string): string => text.replaceAll(" as const", "");

/** What they print when the device has copied. */
export const ANSWER = { iova: String(2 << 20), buffer: String(6 << 20), copied: true, last: 999 % 251 };

/** The same program in three ways; the typed one is right but for one line that is said to be wrong. */
export const PROGRAMS = {
  "imports.mjs": IN_JAVASCRIPT(IMPORTED),
  "requires.cjs": IN_JAVASCRIPT(
    withNames(
      (names, from) => `const ${names} = require("${from}");`,
      `const path = require("node:path");\n${BODY}`,
    ),
  ),
  "typed.mts": `
import type { DmaBuffer, DmaMapping } from "@vfio/dma";
${IMPORTED}
export const typed: { mapping: DmaMapping; buffer: DmaBuffer } = { mapping, buffer };
// @ts-expect-error: an address is a bigint
export const wrong: number = buffer.iova;
`,
};
