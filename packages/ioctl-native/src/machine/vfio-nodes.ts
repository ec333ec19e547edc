// Only the end of a path counts: a file of another mount namespace shows without its `/dev`.
const GROUP = /\/vfio\/(?:noiommu-)?(\d+)(?: \(deleted\))?$/;
/** Where iommufd stands in for VFIO's container, `/dev/vfio/vfio` may be a link to `/dev/iommu`. */
const CONTAINER = /\/(?:vfio\/vfio|iommu)(?: \(deleted\))?$/;

/** The possible nodes of an IOMMU group. The second is for machines without an IOMMU (`enable_unsafe_noiommu_mode`). */
export function groupNodes(group: number): readonly string[] {
  return [`/dev/vfio/${group}`, `/dev/vfio/noiommu-${group}`];
}

/** The IOMMU group whose node a link in `/proc/<pid>/fd` names; `undefined` if it names something else. */
export function groupOfLink(link: string): number | undefined {
  const number = GROUP.exec(link)?.[1];
  return number === undefined ? undefined : Number(number);
}

export function isContainerLink(link: string): boolean {
  return CONTAINER.test(link);
}
