import { DmaMapper, HugepageMemory, type DmaMapping } from "@vfio/dma";
import { KernelLog, leavesNothingBehind } from "@vfio/test-support";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { openEdu, WIDE_EDU } from "./open-edu.js";

const BYTES = 2048;
const IOVA = 0x7560_0000n;

leavesNothingBehind();

/** An edu device, and memory that it may or may not reach at {@link IOVA}. */
class EduAndMemory implements Disposable {
  readonly #machine = openEdu(WIDE_EDU);
  readonly mapper = new DmaMapper(this.#machine.container, { iova: "allocate" });
  readonly memory = HugepageMemory.allocate({ bytes: 1 });
  /** At an address of its own, where the device reaches it always. */
  readonly #other = HugepageMemory.allocate({ bytes: 1 });
  readonly #otherMapping: DmaMapping = this.mapper.map(this.#other);

  fillMemory(byte: number): void {
    this.#bytes(this.memory).fill(byte);
  }

  async fillDevice(byte: number): Promise<void> {
    this.#bytes(this.#other).fill(byte);
    await this.deviceReads(this.#otherMapping.iovaOf(0));
  }

  memoryHas(): Set<number> {
    return new Set(this.#bytes(this.memory));
  }

  async deviceHas(): Promise<Set<number>> {
    await this.deviceWrites(this.#otherMapping.iovaOf(0));
    return new Set(this.#bytes(this.#other));
  }

  async deviceReads(iova = IOVA): Promise<void> {
    this.#machine.edu.copyToDevice(iova, BYTES, { interrupt: false });
    await this.#machine.edu.dmaDone();
  }

  async deviceWrites(iova = IOVA): Promise<void> {
    this.#machine.edu.copyFromDevice(iova, BYTES, { interrupt: false });
    await this.#machine.edu.dmaDone();
  }

  [Symbol.dispose](): void {
    for (const each of [this.mapper, this.memory, this.#other, this.#machine]) each[Symbol.dispose]();
  }

  #bytes(memory: HugepageMemory): Uint8Array {
    return new Uint8Array(memory.buffer, 0, BYTES);
  }
}

async function deviceWith0x11AndMemoryWith0x22(): Promise<EduAndMemory> {
  const given = new EduAndMemory();
  await given.fillDevice(0x11);
  given.fillMemory(0x22);
  return given;
}

/**
 * What the kernel logs of a transfer. It logs a few faults in five seconds only, so the transfer is repeated; and late,
 * so one of the other direction may be an earlier test's.
 */
async function faultOf(of: "Read" | "Write", transfer: () => Promise<void>): Promise<string> {
  using log = new KernelLog();
  const others: string[] = [];
  for (let tries = 0; tries < 30; tries++) {
    await transfer();
    const faults = log.newLines().filter((line) => line.includes("fault addr"));
    const fault = faults.find((line) => aFault(of).test(line));
    if (fault !== undefined) return fault;
    others.push(...faults);
    await sleep(300);
  }
  return `no such fault, but ${others.length}: ${others.join("\n")}`;
}

/** The kernel names the device and the address. */
function aFault(of: "Read" | "Write"): RegExp {
  const where = "Request device \\[00:10\\.0\\] fault addr 0x75600000 ";
  return new RegExp(`^DMAR: \\[DMA ${of} .*\\] ${where}.*PTE ${of} access is not set`);
}

describe("given memory that was unmapped", () => {
  it("a device's write faults and does not touch it", async () => {
    using given = await deviceWith0x11AndMemoryWith0x22();
    given.mapper.map(given.memory, { iova: IOVA }).unmap();

    const fault = await faultOf("Write", () => given.deviceWrites());

    expect(fault).toMatch(aFault("Write"));
    expect(given.memoryHas()).toEqual(new Set([0x22]));
    // The same transfer goes through once the memory is mapped there again: it was the IOMMU that stopped it.
    given.mapper.map(given.memory, { iova: IOVA });
    await given.deviceWrites();
    expect(given.memoryHas()).toEqual(new Set([0x11]));
  });

  it("a device's read faults, and nothing of it comes to the device", async () => {
    using given = await deviceWith0x11AndMemoryWith0x22();
    given.mapper.map(given.memory, { iova: IOVA }).unmap();

    const fault = await faultOf("Read", () => given.deviceReads());

    expect(fault).toMatch(aFault("Read"));
    expect(await given.deviceHas()).not.toContain(0x22);
  });
});

describe("given memory that is mapped with an access", () => {
  it("read-only: a device's write faults and does not touch it, its read arrives", async () => {
    using given = await deviceWith0x11AndMemoryWith0x22();
    given.mapper.map(given.memory, { iova: IOVA, access: "read-only" });

    const fault = await faultOf("Write", () => given.deviceWrites());
    await given.deviceReads();

    expect(fault).toMatch(aFault("Write"));
    expect(given.memoryHas()).toEqual(new Set([0x22]));
    expect(await given.deviceHas()).toEqual(new Set([0x22]));
  });

  // The kernel is asked for write alone. But since Linux 5.13 (eea53c581688) its VT-d driver sets the read permission in every page
  // table entry, because first-level tables have no entry without it: what may be written may be read there as well.
  it.each(["write-only", "read-write"] as const)(
    "%s: a device's write arrives, and so does its read (VT-d has no mapping that can only be written)",
    async (access) => {
      using given = await deviceWith0x11AndMemoryWith0x22();
      given.mapper.map(given.memory, { iova: IOVA, access });

      await given.deviceWrites();
      expect(given.memoryHas()).toEqual(new Set([0x11]));

      given.fillMemory(0x33);
      await given.deviceReads();
      expect(await given.deviceHas()).toEqual(new Set([0x33]));
    },
  );
});
