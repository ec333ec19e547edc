import { errnoOf, VfioSystemError } from "@vfio/ioctl-native";
import { errorOf, expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { DmaMapper } from "../src/index.js";
import { FakeIommu, memoryAt, mapped, mapperOn } from "./fake-iommu.js";

/** Errors as an `AddressSpace` of somebody else's makes them: a code, and nothing of this library. */
const foreign = (code: string): Error => Object.assign(new Error(`refused: ${code}`), { code });
const ours = (name: "ENOMEM" | "EIO"): Error =>
  new VfioSystemError(errnoOf(name), { syscall: "ioctl", what: "refused" });

/** An IOMMU whose next map fails for a reason that has nothing to do with what is mapped. */
class FailingIommu extends FakeIommu {
  failure: Error | undefined;

  override map(...args: Parameters<FakeIommu["map"]>): number {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
    return super.map(...args);
  }
}

const failures: [string, Error][] = [
  ["no memory for the question", ours("ENOMEM")],
  ["an I/O error", ours("EIO")],
  ["somebody else's error", foreign("EAGAIN")],
  ["EINVAL with a group in the container", foreign("EINVAL")],
  ["an error without a code", new Error("refused")],
];

describe("given a mapping in place, and a replay that cannot find that out", () => {
  it.each(failures)(
    "after %s it counts as mapped: unmap() unmaps it, and its memory is held until then",
    (_what, failure) => {
      const { iommu, mapper, memory, mapping } = mapped(
        [0x1000n, 0x5000n],
        "physical",
        {},
        new FailingIommu(),
      );
      iommu.failure = failure;

      let thrown: unknown;
      try {
        mapper.replay();
      } catch (error) {
        thrown = error;
      }

      expect(thrown).toBe(failure);
      expect([mapping.mapped, mapping.iovaOf(4096), memory.holds.size]).toEqual([true, 0x5000n, 1]);
      mapping.unmap();
      expect([iommu.mapped.size, memory.holds.size]).toEqual([0, 0]);
    },
  );

  it("the next replay finds it, and what is missing of it later is told again", () => {
    const { iommu, mapper, mapping } = mapped([0x1000n], "physical", {}, new FailingIommu());
    iommu.failure = ours("EIO");
    expectError(() => mapper.replay(), "EIO");
    expect(mapper.replay()).toBe(0);

    iommu.mapped.clear();

    expectError(() => mapping.unmap(), "ERR_VFIO_UNMAP_INCOMPLETE");
  });

  it("if the kernel had forgotten it, it can be unmapped in parts and as a whole without complaint", () => {
    const { iommu, mapper, memory, mapping } = mapped([0x1000n, 0x5000n], "physical", {}, new FailingIommu());
    iommu.lastGroupLeaves();
    iommu.failure = ours("ENOMEM");
    expectError(() => iommu.groupJoins(), "ENOMEM");

    mapping.unmapPart(0, 4096);
    mapping.unmap();

    expect([memory.holds.size, mapper.mappings.length]).toEqual([0, 0]);
  });

  it("one in doubt keeps no other from coming back", () => {
    const { iommu, mapper } = mapperOn("physical", new FailingIommu());
    mapper.map(memoryAt([0x1000n]));
    const other = mapper.map(memoryAt([0x5000n]));
    iommu.lastGroupLeaves();
    iommu.failure = ours("EIO");

    expectError(() => iommu.groupJoins(), "EIO");
    expect([...iommu.mapped.keys()]).toEqual([0x5000n]);
    expect([other.mapped, mapper.replay()]).toEqual([true, 1]);
  });
});

describe("given the page with which a replay asks", () => {
  it("if it cannot be unmapped again, the memory stays held, and its addresses stay taken", () => {
    const { iommu, mapper } = mapperOn("physical");
    const memory = memoryAt([0x1000n]);
    mapper.map(memory);
    iommu.lastGroupLeaves();
    iommu.unmapFailsAt = 0x1000n;

    const error = expectError(() => iommu.groupJoins(), "ERR_VFIO_ROLLBACK_FAILED");

    expect(error.cause).toMatchObject({ code: "EIO" });
    expect([memory.holds.size, mapper.mappings.length, iommu.mapped.size]).toEqual([1, 0, 1]);
    expectError(() => mapper.map(memoryAt([0x1000n])), "ERR_VFIO_DMA_OVERLAP");
  });
});

describe("given an Iommu whose errors are its own", () => {
  it("EEXIST at a replay says that the mapping is in place", () => {
    const { iommu, mapper, mapping } = mapped([0x1000n], "physical", {}, new FailingIommu());
    iommu.failure = foreign("EEXIST");

    expect([mapper.replay(), mapping.mapped]).toEqual([0, true]);
  });

  it("when limits() fails after another failure, the first one is told", () => {
    const { iommu, mapper, memory, mapping } = mapped([0x1000n], "physical", {}, new FailingIommu());
    iommu.limits = () => {
      throw ours("EIO");
    };
    iommu.unmap = () => {
      throw foreign("EINVAL");
    };

    expect(errorOf(() => mapping.unmap()).message).toBe("refused: EINVAL");
    expect([mapping.mapped, memory.holds.size]).toEqual([true, 1]);
    iommu.failure = foreign("EINVAL");
    expect(errorOf(() => mapper.map(memoryAt([0x7000n]))).message).toBe("refused: EINVAL");
  });

  it.each([0, -4096, 12288, NaN, undefined])(
    "one that says it mapped %s of 8192 bytes is refused, not asked for ever",
    (answer) => {
      const iommu = Object.assign(new FakeIommu(), { map: () => answer as number });
      const memory = memoryAt([0x1000n, 0x2000n]);

      expectError(
        () => new DmaMapper(iommu, { iova: "physical" }).map(memory, { pieceBytes: 4096 }),
        `… the IOMMU says that it mapped ${String(answer)} of 8192 bytes`,
      );
      expect(memory.holds.size).toBe(0);
    },
  );
});
