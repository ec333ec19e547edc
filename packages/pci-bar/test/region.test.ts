import { vfioConstants, vfioStructs } from "@vfio/ioctl-native";
import { expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { decodeRegionInfo } from "../src/index.js";

const {
  vfio_region_info,
  vfio_info_cap_header,
  vfio_region_info_cap_sparse_mmap,
  vfio_region_sparse_mmap_area,
} = vfioStructs;
const {
  VFIO_REGION_INFO_FLAG_CAPS: CAPS,
  VFIO_REGION_INFO_FLAG_MMAP: MMAP,
  VFIO_REGION_INFO_FLAG_READ: READ,
} = vfioConstants;

function answer(bytes: number, flags: number): Uint8Array {
  const values = {
    argsz: bytes,
    flags,
    index: 2,
    size: 0x10000n,
    offset: 2n << 40n,
    cap_offset: flags & CAPS ? 32 : 0,
  };
  return vfio_region_info.encode(values, bytes);
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
    const bytes = answer(96, MMAP | CAPS);
    vfio_info_cap_header.write(bytes, { id: 3, version: 1, next: 40 }, 32);
    vfio_info_cap_header.write(bytes, { id: 1, version: 1, next: 0 }, 40);
    vfio_region_info_cap_sparse_mmap.write(bytes, { nr_areas: 2 }, 40);
    vfio_region_sparse_mmap_area.write(bytes, { offset: 0n, size: 0x1000n }, 56);
    vfio_region_sparse_mmap_area.write(bytes, { offset: 0x3000n, size: 0x2000n }, 72);

    expect(decodeRegionInfo(bytes)).toMatchObject({
      msixMappable: true,
      sparseAreas: [
        { offset: 0, bytes: 0x1000 },
        { offset: 0x3000, bytes: 0x2000 },
      ],
    });
  });

  it("more areas than the answer has room for are an error", () => {
    const bytes = answer(64, MMAP | CAPS);
    vfio_info_cap_header.write(bytes, { id: 1, version: 1, next: 0 }, 32);
    vfio_region_info_cap_sparse_mmap.write(bytes, { nr_areas: 2 }, 32);

    expectError(() => decodeRegionInfo(bytes), "ERR_VFIO_BAD_CAPABILITY_CHAIN");
  });
});
