import { describeAddressSpace, errorOf, rejectionOf } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errnoOf } from "../src/index.js";
import { Type1Space, vfioConstants, vfioStructs } from "../src/vfio/index.js";
import { FakeContainer } from "./support/fake-container.js";

const { vfio_iommu_type1_dma_map: MAP, vfio_iommu_type1_dma_unmap: UNMAP } = vfioStructs;
const { VFIO_DMA_MAP_FLAG_READ: READ, VFIO_DMA_MAP_FLAG_WRITE: WRITE } = vfioConstants;
const PAGE = 4096;

/** Memory at an address of this process. */
const at = (address: bigint) => ({ address, bytes: 1000 * PAGE });
const piece = (vaddr: bigint, iova: bigint, size: number, flags = READ | WRITE) => ({
  argsz: MAP.bytes,
  flags,
  vaddr,
  iova,
  size: BigInt(size),
});

describeAddressSpace("a container", () => {
  const container = new FakeContainer();
  return {
    space: new Type1Space(container),
    memory: at(0x7f00_0000_0000n),
    deviceLeaves() {
      container.hasGroup = false;
      container.mapped.length = 0;
    },
    deviceComes: () => void (container.hasGroup = true),
    close: () => container[Symbol.dispose](),
  };
});

describe("given the IOMMU of a container", () => {
  let container: FakeContainer;
  let iommu: Type1Space;
  beforeEach(() => {
    container = new FakeContainer();
    iommu = new Type1Space(container);
  });
  afterEach(() => container[Symbol.dispose]());

  it.each([
    ["read-write", READ | WRITE],
    ["read-only", READ],
    ["write-only", WRITE],
  ] as const)(
    "memory mapped %s is one struct with its place and its rights, either way",
    async (access, flags) => {
      iommu.map(at(0x7f00_0000_0000n), 2 * PAGE, 3 * PAGE, 0x1_0000_0000n, access);
      await iommu.mapAsync(at(0x7f00_0000_0000n), PAGE, 3 * PAGE, 0x2_0000_0000n, access);

      expect(container.maps).toEqual([
        [piece(0x7f00_0000_2000n, 0x1_0000_0000n, 3 * PAGE, flags)],
        [piece(0x7f00_0000_1000n, 0x2_0000_0000n, 3 * PAGE, flags)],
      ]);
    },
  );

  it("pieces go with one call, each begins where the one before ends, and nothing of a longer call is left", () => {
    expect(iommu.map(at(0x1000n), 0, 5 * PAGE, 0x80_0000n, "read-only", 2 * PAGE)).toBe(5 * PAGE);
    iommu.map(at(0x9000n), 0, 4 * PAGE, 0n, "read-write", 2 * PAGE);

    expect(container.maps).toEqual([
      [
        piece(0x1000n, 0x80_0000n, 2 * PAGE, READ),
        piece(0x3000n, 0x80_2000n, 2 * PAGE, READ),
        piece(0x5000n, 0x80_4000n, PAGE, READ),
      ],
      [piece(0x9000n, 0n, 2 * PAGE), piece(0xb000n, 0x2000n, 2 * PAGE)],
    ]);
  });

  it("more pieces than go with one call: it does those that do, and says how far it came", () => {
    const done = iommu.map(at(0n), 0, 1000 * PAGE, 0n, "read-write", PAGE);

    const [call = []] = container.maps;
    expect(done).toBe(call.length * PAGE);
    expect(call.length * MAP.bytes).toBeLessThanOrEqual(2 * PAGE);
    expect(call).toEqual(call.map((_, at) => piece(BigInt(at * PAGE), BigInt(at * PAGE), PAGE)));
  });

  it("the first piece is refused: the error names it, the container's ioctl, and what the errno means", async () => {
    iommu.map(at(0n), 0, PAGE, 0x4000n, "read-write");

    const pieces = errorOf(() => iommu.map(at(0n), 0, 5 * PAGE, 0x4000n, "read-write", 2 * PAGE));
    const short = errorOf(() => iommu.map(at(0n), 0, PAGE, 0x4000n, "read-write", 2 * PAGE));
    const later = await rejectionOf(iommu.mapAsync(at(0n), 0, 5 * PAGE, 0x4000n, "read-write"));

    for (const [error, range] of [
      [pieces, "[0x4000, 0x5fff]"],
      [short, "[0x4000, 0x4fff]"],
      [later, "[0x4000, 0x8fff]"],
    ] as const) {
      expect(error).toMatchObject({ code: "EEXIST", ioctl: "VFIO_IOMMU_MAP_DMA" });
      expect(error.message).toContain(`cannot map IOVA ${range} for DMA`);
      expect(error.hint).toContain("overlaps");
    }
  });

  it("memory that is not unmapped: the kernel was asked for its range, and the error names it", async () => {
    container.unmapAnswer = errnoOf("EIO");

    for (const error of [
      errorOf(() => iommu.unmap(0x4000n, PAGE)),
      await rejectionOf(iommu.unmapAsync(0x4000n, PAGE)),
    ]) {
      expect(error).toMatchObject({ code: "EIO", ioctl: "VFIO_IOMMU_UNMAP_DMA" });
      expect(error.message).toContain("cannot unmap IOVA [0x4000, 0x4fff]");
    }
    const question = { argsz: UNMAP.bytes, flags: 0, iova: 0x4000n, size: 0x1000n };
    expect(container.unmaps).toEqual([question, question]);
  });
});
