import type { Interrupts, OpenRegion, PciDevice } from "@vfio/pci-bar";
import { devicesOfGroup, type Container, type Device, type Group } from "@vfio/vfio-core";
import type { DmaMemory } from "./dma-memory.js";
import type { Facts } from "./events.js";

export function containerFacts(container: Container): Facts {
  return { apiVersion: container.apiVersion, iommuType: container.iommuType };
}

export function groupNumberFacts(bdf: string): (group: number) => Facts {
  return (group) => ({ bdf, group });
}

export function groupFacts({ number }: Group): Facts {
  return { path: `/dev/vfio/${number}` };
}

export function memberFacts({ number }: Group): () => Facts {
  return () => ({
    devices: devicesOfGroup(number).map(({ bdf, driver }) => `${bdf} (${driver ?? "no driver"})`),
  });
}

export function iommuFacts(container: Container): () => Facts {
  return () => {
    const info = container.iommuInfo();
    return {
      iovaRanges: (info.iovaRanges ?? []).map(({ start, end }) => `[${hex(start)}, ${hex(end)}]`),
      pageSizes: pageSizesOf(info.pageSizes),
      mappingsLeft: info.mappingsLeft ?? "unknown",
    };
  };
}

export function mappingFacts({ memory, mapping: { pieces } }: DmaMemory): Facts {
  return {
    bytes: memory.bytes,
    pages: memory.bytes / memory.pageBytes,
    pageBytes: memory.pageBytes,
    ioctls: pieces.length,
    iova: pieces.map(({ iova, bytes }) => `[${hex(iova)}, ${hex(iova + BigInt(bytes) - 1n)}]`),
  };
}

export function deviceFacts(device: Device): Facts {
  return { bdf: device.bdf, ...device.info };
}

export function barFacts(pci: PciDevice): (mapped: readonly OpenRegion[]) => Facts {
  return (mapped) => ({
    mapped: mapped.map(({ index, bytes }) => `BAR${index} (${bytes} bytes)`),
    skipped: pci.bars
      .filter(({ obstacle }) => obstacle !== undefined)
      .map(({ index, obstacle }) => `BAR${index}: ${obstacle ?? ""}`),
  });
}

export function interruptFacts(interrupts: Interrupts): Facts {
  return { type: interrupts.type, vectors: interrupts.info.vectors, enabled: interrupts.enabled };
}

export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

function pageSizesOf(bitmap: bigint): string[] {
  const units: [bigint, string][] = [
    [1n << 30n, "GiB"],
    [1n << 20n, "MiB"],
    [1n << 10n, "KiB"],
  ];
  const sizes = Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit)).filter(
    (size) => (bitmap & size) !== 0n,
  );
  return sizes.map((size) => {
    const [unit, name] = units.find(([each]) => size >= each) ?? [1n, "B"];
    return `${size / unit} ${name}`;
  });
}
