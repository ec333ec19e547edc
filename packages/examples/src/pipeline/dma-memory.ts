import { DmaMapper, HugepageMemory, type DmaMapping } from "@vfio/dma";
import type { HasFd } from "@vfio/ioctl-native";

export interface DmaMemory extends Disposable {
  readonly memory: HugepageMemory;
  readonly mapping: DmaMapping;
}

/** Allocates hugepages and maps them at their physical addresses: both, or neither. */
export function mapHugepages(container: HasFd, bytes: number): DmaMemory {
  const memory = HugepageMemory.allocate({ bytes });
  return orClose(memory, () => {
    const dma = new DmaMapper(container, { iova: "physical" });
    const mapping = orClose(dma, () => dma.map(memory));
    const dispose = (): void => {
      using _memory = memory;
      dma.close();
    };
    return { memory, mapping, [Symbol.dispose]: dispose };
  });
}

function orClose<T>(resource: { close(): void }, work: () => T): T {
  try {
    return work();
  } catch (error) {
    resource.close();
    throw error;
  }
}
