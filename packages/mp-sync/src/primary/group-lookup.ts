/**
 * What a primary can say about a group: it shares it; it exists but is not shared; there is no such group.
 */
export type GroupState = "shared" | "not-shared" | "unknown";

/** Tells whether the machine has an IOMMU group of that number, right now. */
export type GroupExists = (group: number) => boolean;

/**
 * Decides what to answer about a group. A missing `/dev/vfio/N` alone cannot tell "not bound to VFIO" from
 * "no such group", so the machine's list of groups decides.
 */
export function lookUpGroup(
  group: number,
  shared: { has(group: number): boolean },
  groupExists: GroupExists,
): GroupState {
  if (shared.has(group)) return "shared";
  return groupExists(group) ? "not-shared" : "unknown";
}
