import { runInNewContext } from "node:vm";
import { vfioConstants, vfioStructs } from "@vfio/ioctl-native/vfio";
import { expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { decodeRegionInfo, readRegionInfo } from "../src/index.js";
import { MemoryDevice } from "./memory-device.js";

const { vfio_region_info, vfio_info_cap_header, vfio_region_info_cap_sparse_mmap } = vfioStructs;
const {
  VFIO_REGION_INFO_FLAG_CAPS: CAPS,
  VFIO_REGION_INFO_FLAG_MMAP: MMAP,
  VFIO_REGION_INFO_FLAG_READ: READ,
} = vfioConstants;

function answer(bytes: number, flags: number): Uint8Array {
  const place = { index: 2, size: 0x10000n, offset: 2n << 40n };
  return vfio_region_info.encode({ argsz: bytes, flags, cap_offset: flags & CAPS ? 32 : 0, ...place }, bytes);
}

describe("given the kernel's answer about a region", () => {
  it("its place is the kernel's, beyond 32 bits", () => {
    expect(decodeRegionInfo(answer(32, READ | MMAP))).toEqual({
      index: 2,
      bytes: 0x10000,
      fileOffset: 2 ** 41,
      readable: true,
      writable: false,
      mappable: true,
      msixMappable: false,
      sparseAreas: undefined,
    });
  });

  it("its capabilities are decoded: mappable areas, and an MSI-X table that may be mapped", () => {
    const sparse = [
      { offset: 0, bytes: 0x1000 },
      { offset: 0x3000, bytes: 0x2000 },
    ];
    using device = new MemoryDevice({ 2: { bytes: 0x10000, mappable: true, msixMappable: true, sparse } });

    expect(readRegionInfo(device.device, 2)).toMatchObject({ msixMappable: true, sparseAreas: sparse });
  });

  it("more areas than the answer has room for are an error", () => {
    const bytes = answer(64, MMAP | CAPS);
    vfio_info_cap_header.write(bytes, { id: 1, version: 1, next: 0 }, 32);
    vfio_region_info_cap_sparse_mmap.write(bytes, { nr_areas: 2 }, 32);

    expectError(() => decodeRegionInfo(bytes), "ERR_VFIO_BAD_CAPABILITY_CHAIN");
  });

  it("as bytes of another realm, such as a test's vm context, it is decoded as any other", () => {
    const foreign = runInNewContext(`Uint8Array.of(${answer(32, READ).join(", ")})`) as Uint8Array;

    expect(decodeRegionInfo(foreign)).toMatchObject({ index: 2, bytes: 0x10000 });
  });
});
