import {
  errnoOf,
  Type1Space,
  useKernel,
  vfioConstants,
  vfioIoctls,
  vfioStructs,
  type Kernel,
} from "../src/index.js";
import { errorOf, rejectionOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";

const { vfio_iommu_type1_dma_map: MAP, vfio_iommu_type1_dma_unmap: UNMAP } = vfioStructs;
const { VFIO_DMA_MAP_FLAG_READ: READ, VFIO_DMA_MAP_FLAG_WRITE: WRITE } = vfioConstants;
const { VFIO_IOMMU_MAP_DMA, VFIO_IOMMU_UNMAP_DMA } = vfioIoctls;
const PAGE = 4096;

type Piece = ReturnType<typeof MAP.decode>;

/** A container's kernel: what it was asked to map, call by call, and how many pieces of a call it takes. */
function mappingKernel(takes: (count: number) => number = (count) => count) {
  const calls: Piece[][] = [];
  const map = (fd: number, request: number, bytes: Uint8Array): number => {
    expect([fd, request]).toEqual([7, VFIO_IOMMU_MAP_DMA.number]);
    const count = bytes.length / MAP.bytes;
    calls.push(Array.from({ length: count }, (_, at) => MAP.decode(bytes, at * MAP.bytes)));
    return takes(count);
  };
  const kernel: Partial<Kernel> = {
    ioctlEach: (fd, request, bytes) => map(fd, request, bytes),
    ioctlAsync: (fd, request, bytes) => Promise.resolve(Math.min(map(fd, request, bytes as Uint8Array), 0)),
  };
  return { calls, kernel: kernel as Kernel };
}

/** A container's kernel that takes back as much as the test says. */
function unmappingKernel(answer: number, taken: bigint) {
  const asked: ReturnType<typeof UNMAP.decode>[] = [];
  const unmap = (fd: number, request: number, bytes: Uint8Array | number): number => {
    expect([fd, request]).toEqual([7, VFIO_IOMMU_UNMAP_DMA.number]);
    asked.push(UNMAP.decode(bytes as Uint8Array));
    UNMAP.write(bytes as Uint8Array, { size: taken });
    return answer;
  };
  const kernel: Partial<Kernel> = {
    ioctl: unmap,
    ioctlAsync: (...args) => Promise.resolve(unmap(...args)),
  };
  return { asked, kernel: kernel as Kernel };
}

/** Memory at an address of this process. */
const at = (address: bigint) => ({ address, bytes: 1000 * PAGE });
const piece = (vaddr: bigint, iova: bigint, size: number, flags = READ | WRITE): Piece => ({
  argsz: MAP.bytes,
  flags,
  vaddr,
  iova,
  size: BigInt(size),
});

describe("given the IOMMU of a container", () => {
  it.each([
    ["read-write", READ | WRITE],
    ["read-only", READ],
    ["write-only", WRITE],
  ] as const)(
    "memory mapped %s is one struct with its place and its rights, whichever way",
    async (access, flags) => {
      const { calls, kernel } = mappingKernel();
      using _ = useKernel(kernel);
      const iommu = new Type1Space({ fd: 7 });

      iommu.map(at(0x7f00_0000_0000n), 0, 3 * PAGE, 0x1_0000_0000n, access);
      await iommu.mapAsync(at(0x7f00_0000_0000n), 0, 3 * PAGE, 0x1_0000_0000n, access);

      const expected = [piece(0x7f00_0000_0000n, 0x1_0000_0000n, 3 * PAGE, flags)];
      expect(calls).toEqual([expected, expected]);
    },
  );

  it("memory in pieces: each begins where the one before ends, and the last is as long as what is left", () => {
    const { calls, kernel } = mappingKernel();
    using _ = useKernel(kernel);

    const done = new Type1Space({ fd: 7 }).map(at(0x1000n), 0, 5 * PAGE, 0x80_0000n, "read-write", 2 * PAGE);

    expect(done).toBe(5 * PAGE);
    expect(calls).toEqual([
      [
        piece(0x1000n, 0x80_0000n, 2 * PAGE),
        piece(0x3000n, 0x80_2000n, 2 * PAGE),
        piece(0x5000n, 0x80_4000n, PAGE),
      ],
    ]);
  });

  it("the same structs serve a shorter call after a longer one: nothing of that is left", () => {
    const { calls, kernel } = mappingKernel();
    using _ = useKernel(kernel);
    const iommu = new Type1Space({ fd: 7 });

    iommu.map(at(0x1000n), 0, 5 * PAGE, 0x80_0000n, "read-only", 2 * PAGE);
    iommu.map(at(0x9000n), 0, 4 * PAGE, 0n, "read-write", 2 * PAGE);

    expect(calls[1]).toEqual([piece(0x9000n, 0n, 2 * PAGE), piece(0xb000n, 0x2000n, 2 * PAGE)]);
  });

  it("more pieces than go with one call: it does those that do, and says how far it came", () => {
    const { calls, kernel } = mappingKernel();
    using _ = useKernel(kernel);

    const done = new Type1Space({ fd: 7 }).map(at(0n), 0, 1000 * PAGE, 0n, "read-write", PAGE);

    const [call = []] = calls;
    expect(done).toBe(call.length * PAGE);
    expect(call.length * MAP.bytes).toBeLessThanOrEqual(2 * PAGE);
    const all = call.map((_, at) => piece(BigInt(at * PAGE), BigInt(at * PAGE), PAGE));
    expect(call).toEqual(all);
  });

  it("pieces of which the kernel takes the first two: it says that those are done", () => {
    using _ = useKernel(mappingKernel(() => 2).kernel);

    const done = new Type1Space({ fd: 7 }).map(at(0n), 0, 5 * PAGE, 0n, "read-write", 2 * PAGE);

    expect(done).toBe(4 * PAGE);
  });

  it("the first piece is refused: the error names it, the container's ioctl, and what the errno means", async () => {
    using _ = useKernel(mappingKernel(() => errnoOf("EEXIST")).kernel);
    const iommu = new Type1Space({ fd: 7 });

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

  it("memory that is unmapped: the kernel's answer is how much was", async () => {
    const { asked, kernel } = unmappingKernel(0, 0x3000n);
    using _ = useKernel(kernel);
    const iommu = new Type1Space({ fd: 7 });

    expect(iommu.unmap(0x1_0000_0000n, 4 * PAGE)).toBe(3 * PAGE);
    expect(await iommu.unmapAsync(0x1_0000_0000n, 4 * PAGE)).toBe(3 * PAGE);

    const question = { argsz: UNMAP.bytes, flags: 0, iova: 0x1_0000_0000n, size: 0x4000n };
    expect(asked).toEqual([question, question]);
  });

  it("memory that is not unmapped: the error names it", async () => {
    using _ = useKernel(unmappingKernel(errnoOf("EIO"), 0n).kernel);
    const iommu = new Type1Space({ fd: 7 });

    for (const error of [
      errorOf(() => iommu.unmap(0x4000n, PAGE)),
      await rejectionOf(iommu.unmapAsync(0x4000n, PAGE)),
    ]) {
      expect(error).toMatchObject({ code: "EIO", ioctl: "VFIO_IOMMU_UNMAP_DMA" });
      expect(error.message).toContain("cannot unmap IOVA [0x4000, 0x4fff]");
    }
  });
});
