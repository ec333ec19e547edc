import { formatAddress } from "./format.js";
import type { DmaMapping, MappableMemory, MappingPlan } from "./dma-mapping.js";

/** What is known of a mapping. */
interface Entry {
  /** Keeps its memory. */
  readonly hold: Disposable;
  readonly key: string;
}

/** The mappings of a mapper in the order in which they were made, each with what keeps its memory. */
export class KnownMappings {
  readonly #entries = new Map<DmaMapping, Entry>();
  readonly #byKey = new Map<string, DmaMapping>();

  /** All of them. */
  get all(): readonly DmaMapping[] {
    return [...this.#entries.keys()];
  }

  /** The mapping of the same memory in the same way. Two objects may stand for one memory, such as two `UserMemory` on one `Mapping`. */
  find(memory: MappableMemory, plan: MappingPlan): DmaMapping | undefined {
    return this.#byKey.get(keyOf(memory, plan));
  }

  /** @param hold keeps its memory. */
  add(mapping: DmaMapping, hold: Disposable): void {
    const key = keyOf(mapping.memory, mapping.plan);
    this.#entries.set(mapping, { hold, key });
    this.#byKey.set(key, mapping);
  }

  has(mapping: DmaMapping): boolean {
    return this.#entries.has(mapping);
  }

  /** Forgets a mapping, and returns what keeps its memory. */
  delete(mapping: DmaMapping): Disposable | undefined {
    const entry = this.#entries.get(mapping);
    if (entry === undefined) return undefined;
    this.#entries.delete(mapping);
    this.#byKey.delete(entry.key);
    return entry.hold;
  }
}

function keyOf(
  { address, bytes, pageBytes }: MappableMemory,
  { access, iova, pieceBytes }: MappingPlan,
): string {
  const where = iova === undefined ? "" : formatAddress(iova);
  return `${formatAddress(address)} ${bytes} ${pageBytes} ${access} ${where} ${pieceBytes ?? ""}`;
}
