import { rejectionOf, expectError, expectRejection } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { DmaMapper, type AddressSpace } from "../src/index.js";
import { FakeIommu, memoryAt, mapperOn, mapped } from "./fake-iommu.js";

/** An IOMMU whose calls off the event loop end when the test says so, one after the other. */
class SlowIommu extends FakeIommu {
  readonly #waiting: (() => void)[] = [];

  mapAsync(...args: Parameters<AddressSpace["map"]>): Promise<number> {
    return this.#later(() => this.map(...args));
  }

  unmapAsync(iova: bigint, bytes: number): Promise<number> {
    return this.#later(() => this.unmap(iova, bytes));
  }

  #later<T>(action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(action());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  /** The kernel is done with a call. */
  async finish(calls = 1): Promise<void> {
    for (let call = 0; call < calls; call++) {
      this.#waiting.shift()?.();
      await new Promise(setImmediate);
    }
  }
}

const PIECES = { pieceBytes: 4096 };

describe("given memory that is mapped off the event loop", () => {
  it("it is held at once, mapped piece by piece, and known when all of it is mapped", async () => {
    const { iommu, mapper } = mapperOn("allocate", new SlowIommu());
    const memory = memoryAt([0n, 0n, 0n]);

    const promise = mapper.mapAsync(memory, PIECES);
    await iommu.finish(2);
    expect([memory.holds.size, iommu.mapped.size, mapper.mappings.length]).toEqual([1, 2, 0]);
    await iommu.finish();
    const mapping = await promise;

    expect([mapping.mapped, mapping.iovaOf(8192), mapper.mappings]).toEqual([true, 0x3000n, [mapping]]);
    expect(await mapper.mapAsync(memory, PIECES)).toBe(mapping);
    expect(mapper.map(memory, PIECES)).toBe(mapping);
  });

  it("aborted between two pieces, what was mapped is unmapped, and memory and addresses are free", async () => {
    const { iommu, mapper } = mapperOn("allocate", new SlowIommu());
    const memory = memoryAt([0n, 0n, 0n]);
    const controller = new AbortController();

    const promise = mapper.mapAsync(memory, { ...PIECES, signal: controller.signal });
    const rejection = rejectionOf(promise);
    await iommu.finish();
    controller.abort(new Error("enough"));
    await iommu.finish(2);
    expect((await rejection).message).toBe("enough");

    expect([iommu.mapped.size, memory.holds.size, mapper.mappings.length]).toEqual([0, 0, 0]);
    expect(mapper.map(memoryAt([0n])).iovaOf(0)).toBe(0x1000n);
  });

  it("aborted before or at the last piece, it is not mapped either; without an Error the code says so", async () => {
    const { iommu, mapper } = mapperOn("allocate", new SlowIommu());
    await expectRejection(
      mapper.mapAsync(memoryAt([0n]), { signal: AbortSignal.abort("now") }),
      "ERR_VFIO_ABORTED",
    );
    const controller = new AbortController();
    const rejection = rejectionOf(mapper.mapAsync(memoryAt([0n]), { signal: controller.signal }));

    controller.abort("later");
    await iommu.finish(2);

    expect(await rejection).toMatchObject({ code: "ERR_VFIO_ABORTED" });
    expect(iommu.mapped.size).toBe(0);
  });

  it("its addresses are taken meanwhile, and the same memory is refused until it is there", async () => {
    const { iommu, mapper } = mapperOn("physical", new SlowIommu());
    const memory = memoryAt([0x1000n]);
    const promise = mapper.mapAsync(memory);

    expectError(() => mapper.map(memory), "ERR_VFIO_MAPPING_BUSY");
    expectError(() => mapper.map(memoryAt([0x1000n])), "ERR_VFIO_DMA_OVERLAP");
    await iommu.finish();
    expect(mapper.map(memory)).toBe(await promise);
  });

  it("when the mapper is closed meanwhile, nothing stays mapped", async () => {
    const { iommu, mapper } = mapperOn("physical", new SlowIommu());
    const memory = memoryAt([0x1000n, 0x5000n]);
    const rejection = rejectionOf(mapper.mapAsync(memory));

    mapper.close();
    await iommu.finish(2);

    expect(await rejection).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    expect([iommu.mapped.size, memory.holds.size]).toEqual([0, 0]);
  });

  it("when undoing fails, the memory stays held", async () => {
    const iommu = new SlowIommu();
    const memory = memoryAt([0x1000n, 0x5000n]);
    iommu.failAt = 0x5000n;
    iommu.unmapFailsAt = 0x1000n;
    const rejection = rejectionOf(new DmaMapper(iommu, { iova: "physical" }).mapAsync(memory));
    await iommu.finish(3);

    expect(await rejection).toMatchObject({ code: "ERR_VFIO_ROLLBACK_FAILED" });
    expect(memory.holds.size).toBe(1);
  });

  it("somebody else's mapping is stepped over", async () => {
    const iommu = new SlowIommu();
    iommu.mapped.set(0x1000n, 4096);
    const promise = new DmaMapper(iommu, { iova: "allocate" }).mapAsync(memoryAt([0n]));
    await iommu.finish(2);

    expect((await promise).iovaOf(0)).toBe(0x2000n);
  });

  it("when the groups leave and come back meanwhile, it is mapped anew as a whole", async () => {
    const { iommu, mapper } = mapperOn("physical", new SlowIommu());
    const promise = mapper.mapAsync(memoryAt([0x1000n, 0x5000n]));
    await iommu.finish();
    iommu.lastGroupLeaves();
    iommu.groupJoins();
    // The second piece, undoing both, and both again.
    await iommu.finish(5);

    expect([(await promise).mapped, ...iommu.mapped.keys()]).toEqual([true, 0x1000n, 0x5000n]);
  });

  it("without a group it waits, and comes with the group", async () => {
    const iommu = new SlowIommu();
    iommu.ready = false;
    const mapping = await new DmaMapper(iommu, { iova: "physical" }).mapAsync(memoryAt([0x1000n]));
    expect(mapping.mapped).toBe(false);

    iommu.groupJoins();
    expect(mapping.iovaOf(0)).toBe(0x1000n);
  });

  it("an IOMMU that cannot do that is asked piece by piece, and others get their turn between", async () => {
    const { iommu, mapper } = mapperOn("allocate");
    const turns: number[] = [];
    setImmediate(() => turns.push(iommu.mapped.size));
    const mapping = await mapper.mapAsync(memoryAt([0n, 0n]), PIECES);

    expect(turns).toEqual([1]);
    await mapping.unmapAsync();
    expect(iommu.mapped.size).toBe(0);
  });
});

describe("given a mapping that is unmapped off the event loop", () => {
  it("its memory is held and its addresses are taken until that is done", async () => {
    const { iommu, mapper, memory, mapping } = mapped([0x1000n, 0x5000n], "physical", {}, new SlowIommu());
    const promise = mapping.unmapAsync();

    for (const use of [() => mapping.unmap(), () => mapping.unmapPart(0, 4096), () => mapper.map(memory)])
      expectError(use, "ERR_VFIO_MAPPING_BUSY");
    await expectRejection(mapping.unmapAsync(), "ERR_VFIO_MAPPING_BUSY");
    expect(mapper.replay()).toBe(0);
    mapper.unmapAll();
    await iommu.finish();
    expect([memory.holds.size, iommu.mapped.size]).toEqual([1, 1]);
    await iommu.finish();
    await promise;

    expect([memory.holds.size, iommu.mapped.size, mapper.mappings.length]).toEqual([0, 0, 0]);
    await mapping.unmapAsync();
  });

  it("what fails half-way can be tried again", async () => {
    const { iommu, mapping } = mapped([0x1000n, 0x5000n], "physical", {}, new SlowIommu());
    iommu.unmapFailsAt = 0x5000n;
    const rejection = rejectionOf(mapping.unmapAsync());
    await iommu.finish(2);
    expect(await rejection).toMatchObject({ code: "EIO" });
    expect(mapping.pieces).toEqual([{ offset: 4096, iova: 0x5000n, bytes: 4096 }]);
    iommu.unmapFailsAt = undefined;

    mapping.unmap();

    expect(iommu.mapped.size).toBe(0);
  });

  it("what the kernel took back of it is looked at", async () => {
    const { iommu, memory, mapping } = mapped([0x1000n], "physical", {}, new SlowIommu());
    iommu.mapped.clear();
    const rejection = rejectionOf(mapping.unmapAsync());
    await iommu.finish();

    expect(await rejection).toMatchObject({ code: "ERR_VFIO_UNMAP_INCOMPLETE" });
    expect(memory.holds.size).toBe(0);
  });
});
