import { messageOf, VfioAggregateError, VfioError, type Extent } from "@vfio/ioctl-native";
import { formatRange, rangeOf, shownValue } from "@vfio/ioctl-native/internal";

/** The kernel unmapped less than was mapped: nothing is mapped now, but something was unmapped too early. */
export function incompleteError(extent: Extent, unmapped: number): VfioError {
  return new VfioError(
    "ERR_VFIO_UNMAP_INCOMPLETE",
    `the kernel unmapped ${shownValue(unmapped)} of ${extent.bytes} bytes at IOVA ${formatRange(rangeOf(extent))}`,
    {
      hint:
        "Another holder of the container's fd had unmapped the rest, or the last group had left meanwhile " +
        "(after a group has joined, call mapper.replay()): devices may have faulted",
    },
  );
}

/** A mapping failed, and undoing it unmapped less than had been mapped. */
export function shortfallError(failure: unknown, shortfall: VfioError): VfioAggregateError {
  return new VfioAggregateError([failure, shortfall], "mapping failed, and so did undoing it");
}

/** Devices may still reach memory through what could not be unmapped. */
export function rollbackError(what: string, failures: readonly unknown[]): VfioError {
  return new VfioError(
    "ERR_VFIO_ROLLBACK_FAILED",
    `${what}, and undoing it failed: ${failures.map(messageOf).join("; ")}`,
    {
      hint: "Devices may still reach a part of the memory, so it stays held: close the container",
      cause: failures.length === 1 ? failures[0] : new VfioAggregateError(failures, "the failures"),
    },
  );
}

/** An `AddressSpace` answered the impossible; going on would ask it for the rest for ever. */
export function answerError(extent: Extent, mapped: unknown): VfioError {
  return new VfioError(
    "ERR_VFIO_IOMMU_ANSWER",
    `the IOMMU says that it mapped ${shownValue(mapped)} of ${extent.bytes} bytes at IOVA ${formatRange(rangeOf(extent))}`,
    {
      hint: "map() must return the number of bytes mapped: at least one piece, and no more than requested",
    },
  );
}

/** A group came or went during a mapping, so part of it may be forgotten. A retry makes it whole. */
export function groupsChangedError(): VfioError {
  return new VfioError("ERR_VFIO_GROUPS_CHANGED", "groups joined or left the container while it was mapped");
}
