import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isVfioError } from "../src/index.js";
import { decodeIommuInfo, vfioConstants, vfioStructs } from "../src/vfio/index.js";
import { errorOf } from "./support/errors.js";

const {
  vfio_iommu_type1_info: info,
  vfio_info_cap_header: header,
  vfio_iommu_type1_info_cap_iova_range: rangeCapability,
  vfio_iova_range: range,
  vfio_iommu_type1_info_dma_avail: available,
} = vfioStructs;
const { VFIO_IOMMU_INFO_CAPS, VFIO_IOMMU_INFO_PGSIZES } = vfioConstants;
const BOTH = VFIO_IOMMU_INFO_CAPS | VFIO_IOMMU_INFO_PGSIZES;

/** The answer of an Intel IOMMU: 4 KiB, 2 MiB and 1 GiB pages, two ranges around the MSI window, 65535 mappings. */
function answer(flags = BOTH): Uint8Array {
  const bytes = info.encode({ argsz: 88, flags, iova_pgsizes: 0x40201000n, cap_offset: 24 }, 88);
  header.write(bytes, { id: 1, version: 1, next: 72 }, 24);
  rangeCapability.write(bytes, { nr_iovas: 2 }, 24);
  range.write(bytes, { start: 0n, end: 0xfedfffffn }, 40);
  range.write(bytes, { start: 0xfef00000n, end: 2n ** 64n - 1n }, 56);
  header.write(bytes, { id: 3, version: 1, next: 0 }, 72);
  available.write(bytes, { avail: 65535 }, 72);
  return bytes;
}

describe("the IOMMU's info", () => {
  it("has page sizes, ranges with inclusive ends up to 2^64 - 1, and the mappings left", () => {
    expect(decodeIommuInfo(answer())).toEqual({
      pageSizes: 0x40201000n,
      smallestPage: 4096,
      iovaRanges: [
        { start: 0n, end: 0xfedfffffn },
        { start: 0xfef00000n, end: 0xffffffffffffffffn },
      ],
      mappingsLeft: 65535,
    });
  });

  it("of an old kernel without capabilities says that it does not know ranges and mappings", () => {
    expect(decodeIommuInfo(answer(VFIO_IOMMU_INFO_PGSIZES))).toEqual({
      pageSizes: 0x40201000n,
      smallestPage: 4096,
      iovaRanges: undefined,
      mappingsLeft: undefined,
    });
  });

  it("without page sizes means pages of 4096 bytes", () => {
    expect(decodeIommuInfo(answer(0))).toMatchObject({ pageSizes: 4096n, smallestPage: 4096 });
  });

  it.each([4, 2 ** 28, 2 ** 32 - 1])("that claims %d ranges where there are two is an error", (count) => {
    const bytes = answer();
    rangeCapability.write(bytes, { nr_iovas: count }, 24);
    expect(errorOf(() => decodeIommuInfo(bytes)).code).toBe("ERR_VFIO_BAD_CAPABILITY_CHAIN");
  });

  it("whose last capability is cut off, or that is shorter than its struct, is an error", () => {
    const codeOf = (bytes: number) => errorOf(() => decodeIommuInfo(answer().subarray(0, bytes))).code;
    expect([codeOf(83), codeOf(23)]).toEqual(["ERR_VFIO_BAD_CAPABILITY_CHAIN", "ERR_VFIO_STRUCT_BOUNDS"]);
  });

  it("of damaged or random bytes is decoded or refused, never anything else", () => {
    const damaged = fc
      .array(fc.tuple(fc.nat(87), fc.nat(255)), { maxLength: 8 })
      .map((changes) => changes.reduce((bytes, [at, value]) => bytes.fill(value, at, at + 1), answer()));
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        try {
          expect(decodeIommuInfo(bytes).pageSizes).toBeTypeOf("bigint");
        } catch (error) {
          expect(isVfioError(error), String(error)).toBe(true);
        }
      }),
      { numRuns: 5000 },
    );
  });
});
