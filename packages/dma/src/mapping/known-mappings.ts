import { type MappableMemory } from "@vfio/ioctl-native";
import type { DmaMapping } from "./dma-mapping.js";
import type { MappingPlan } from "./mapping-plan.js";

/** The mappings of a mapper in the order they were made, each with the hold on its memory. */
export class KnownMappings {
  readonly #holds = new Map<DmaMapping, Disposable>();
  /** By memory address or fixed IOVA: hardly ever more than one. */
  readonly #alike = new Map<bigint, DmaMapping[]>();

  /** How many callers share a mapping beside the first. */
  readonly #sharers = new Map<DmaMapping, number>();

  get all(): readonly DmaMapping[] {
    return [...this.#holds.keys()];
  }

  /**
   * The mapping of the same memory in the same way. Two objects may stand for one memory, such as two `UserMemory` on
   * one `Mapping`.
   */
  find(memory: MappableMemory, plan: MappingPlan): DmaMapping | undefined {
    const alike = this.#alike.get(plan.iova ?? memory.address);
    return alike?.find((each) => isSameMemory(each.memory, memory) && isSamePlan(each.plan, plan));
  }

  add(mapping: DmaMapping, hold: Disposable): void {
    this.#holds.set(mapping, hold);
    const key = keyOf(mapping);
    const alike = this.#alike.get(key);
    if (alike === undefined) this.#alike.set(key, [mapping]);
    else alike.push(mapping);
  }

  share(mapping: DmaMapping): DmaMapping {
    this.#sharers.set(mapping, (this.#sharers.get(mapping) ?? 0) + 1);
    return mapping;
  }

  /** Counts a caller less. @returns true for the last one. */
  isLast(mapping: DmaMapping): boolean {
    const sharers = this.#sharers.get(mapping) ?? 0;
    if (sharers === 0) return this.has(mapping);
    this.#sharers.set(mapping, sharers - 1);
    return false;
  }

  has(mapping: DmaMapping): boolean {
    return this.#holds.has(mapping);
  }

  delete(mapping: DmaMapping): Disposable | undefined {
    const hold = this.#holds.get(mapping);
    if (!this.#holds.delete(mapping)) return undefined;
    this.#sharers.delete(mapping);
    const key = keyOf(mapping);
    const others = this.#alike.get(key)?.filter((each) => each !== mapping) ?? [];
    if (others.length === 0) this.#alike.delete(key);
    else this.#alike.set(key, others);
    return hold;
  }
}

function keyOf({ plan, memory }: DmaMapping): bigint {
  return plan.iova ?? memory.address;
}

function isSameMemory(one: MappableMemory, other: MappableMemory): boolean {
  if (one === other) return true;
  return one.address === other.address && one.bytes === other.bytes && one.pageBytes === other.pageBytes;
}

function isSamePlan(one: MappingPlan, other: MappingPlan): boolean {
  return one.access === other.access && one.iova === other.iova && one.pieceBytes === other.pieceBytes;
}
