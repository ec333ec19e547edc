import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DmaMapper, type DmaAccess, type DmaMapping } from "../src/index.js";
import { FakeIommu, memoryAt } from "./fake-iommu.js";

const PAGE = 4096;
const at = (page: number): bigint => BigInt(page * PAGE);
const pages = (count: number): bigint[] => Array.from({ length: count }, (_, page) => at(page));
const SPACE = pages(256);
const REFUSALS = /^(the IOMMU refuses|EIO|ERR_VFIO_DMA_OVERLAP|ERR_VFIO_PARTIAL_UNMAP)$/;
/** To which page of the process each page of a device leads. */
type Leads = (readonly [iova: bigint, address: bigint])[];
const leads = (iova: bigint, address: bigint, bytes: number): Leads =>
  pages(bytes / PAGE).map((page) => [iova + page, address + page]);
const told = ({ memory, pieces }: DmaMapping): Leads =>
  pieces.flatMap(({ offset, iova, bytes }) => leads(iova, memory.address + BigInt(offset), bytes));

/** An IOMMU that knows where its pages lead. */
class LeadingIommu extends FakeIommu {
  readonly #addresses = new Map<bigint, bigint>();
  override lastAddress = at(SPACE.length) - 1n;

  protected override mapPiece(address: bigint, iova: bigint, bytes: number, access: DmaAccess): void {
    super.mapPiece(address, iova, bytes, access);
    this.#addresses.set(iova, address);
  }

  get leads(): Leads {
    return [...this.mapped].flatMap(([iova, bytes]) => leads(iova, this.#addresses.get(iova) ?? 0n, bytes));
  }
}

const page = fc.nat(24).map(at);
const physical = fc.uniqueArray(page, { minLength: 1, maxLength: 4 });
const options = fc.record({ iova: page, pieceBytes: fc.constant(PAGE) }, { requiredKeys: [] });
const part = { which: fc.nat(5), from: fc.nat(3), count: fc.integer({ min: 1, max: 3 }) };
const kind = fc.constantFrom("map", "map", "unmap", "unmapPart", "unmapPart", "leave", "join", "joinInPart");
const step = fc.record({ kind, failing: page, physical, options, ...part });
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** A mapper, and beside it what it promises: a page has one address until it is unmapped, and has it alone. */
class Run {
  readonly iommu = new LeadingIommu();
  readonly mapper: DmaMapper;
  readonly #memories: ReturnType<typeof memoryAt>[] = [];
  /** As what each mapping comes back that was ever in place. */
  readonly #promised = new Map<DmaMapping, Leads>();
  /** Those of which the kernel has nothing, while the mapper could not find that out. */
  #gone: readonly DmaMapping[] = [];
  constructor(iova: "physical" | "allocate") {
    this.mapper = new DmaMapper(this.iommu, { iova });
  }

  take(step: Step): void {
    const one = this.mapper.mappings[step.which % this.mapper.mappings.length];
    if (step.kind === "leave") this.#leave();
    if (step.kind === "map") this.#map(step);
    if (step.kind.startsWith("unmap") && one !== undefined) this.#takeBack(one, step);
    if (step.kind === "join") this.#join(undefined);
    if (step.kind === "joinInPart") this.#join(step.failing);
    this.check();
    if (step.kind === "join") expect([...this.#promised.keys()].every(({ mapped }) => mapped)).toBe(true);
  }

  check(): void {
    const { mappings } = this.mapper;
    for (const each of this.#promised.keys()) if (!mappings.includes(each)) this.#promised.delete(each);
    const inPlace = mappings.filter(({ mapped }) => mapped);
    for (const each of inPlace) if (!this.#promised.has(each)) this.#promised.set(each, told(each));
    expect(inPlace.map(told)).toEqual(inPlace.map((each) => this.#promised.get(each)));
    const there = inPlace.filter((each) => !this.#gone.includes(each));
    if (this.iommu.ready) expect(this.iommu.leads.sort()).toEqual(there.flatMap(told).sort());
    const iovas = [...this.#promised.values()].flat().map(([iova]) => iova);
    expect(new Set(iovas).size).toBe(iovas.length);
    const held = this.#memories.filter(({ holds }) => holds.size > 0);
    expect(held).toEqual(mappings.map(({ memory }) => memory));
  }

  #leave(): void {
    this.iommu.lastGroupLeaves();
    this.#gone = this.mapper.mappings.filter(({ mapped }) => mapped);
  }

  /** Where the mapper cannot find out what has become of a mapping, it counts as in place, as it may well be. */
  #join(failAt: bigint | undefined): void {
    this.#tried({ failAt }, () => this.iommu.groupJoins());
    this.#gone = this.#gone.filter((each) => each.mapped && told(each)[0]?.[0] === failAt);
  }

  #map({ physical, options, failing }: Step): void {
    const memory = memoryAt(physical);
    this.#memories.push(memory);
    const isFree = options.iova === undefined && this.mapper.mode === "allocate";
    const refusals = isFree ? /^the IOMMU refuses$/ : REFUSALS;
    this.#tried({ failAt: failing }, () => this.mapper.map(memory, options), refusals);
  }

  #takeBack(one: DmaMapping, { kind, from, count, failing }: Step): void {
    const [start, end] = [one.memory.address + at(from), one.memory.address + at(from + count)];
    const unmap = () => (kind === "unmap" ? one.unmap() : one.unmapPart(from * PAGE, count * PAGE));
    const isDone = this.#tried({ unmapFailsAt: failing }, unmap);
    const left = this.#promised.get(one)?.filter(([, to]) => to < start || to >= end) ?? [];
    if (one.mapped) this.#promised.set(one, isDone ? left : told(one));
    this.#gone = this.#gone.filter(({ mapped }) => mapped);
  }

  /** @returns whether it was done; what was not, was refused for a known reason. */
  #tried(failure: Partial<FakeIommu>, action: () => unknown, refusals = REFUSALS): boolean {
    Object.assign(this.iommu, failure);
    try {
      return (action(), true);
    } catch (error) {
      const errors = (error instanceof AggregateError ? error.errors : [error]) as Error[];
      for (const each of errors) expect("code" in each ? each.code : each.message).toMatch(refusals);
      return false;
    } finally {
      Object.assign(this.iommu, { failAt: undefined, unmapFailsAt: undefined });
    }
  }
}

describe.each(["physical", "allocate"] as const)("given groups that come and go, and %s IOVAs", (iova) => {
  it("devices reach what the mapper says, no page changes or shares its address, and nothing is left", () => {
    const property = fc.property(fc.array(step, { maxLength: 24, size: "max" }), (steps) => {
      const run = new Run(iova);
      for (const each of steps) run.take(each);
      run.mapper.unmapAll();
      run.check();
      run.iommu.groupJoins();
      expect(run.mapper.map(memoryAt(SPACE), { iova: 0n }).mapped).toBe(true);
    });
    fc.assert(property, { numRuns: 1000 });
  });
});
