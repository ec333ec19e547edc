import { describe, expect, it } from "vitest";
import { groupNodes, groupOfLink, isContainerLink } from "../src/internal.js";

describe("given a link in /proc/<pid>/fd", () => {
  it.each([
    ["/dev/vfio/0", 0],
    ["/dev/vfio/17", 17],
    ["/dev/vfio/noiommu-3", 3],
    ["/vfio/17 (deleted)", 17],
    ["/dev/vfio/vfio", undefined],
    ["/dev/vfio/devices/vfio0", undefined],
    ["/xvfio/17", undefined],
    ["/dev/vfio/17/x", undefined],
    ["anon_inode:[vfio-device]", undefined],
  ])("%s is the node of group %s", (link, group) => expect(groupOfLink(link)).toBe(group));

  it("the nodes that a group may have are that group's", () =>
    expect(groupNodes(7).map(groupOfLink)).toEqual([7, 7]));

  it.each([
    ["/dev/vfio/vfio", true],
    ["/vfio/vfio (deleted)", true],
    ["/dev/iommu", true],
    ["/memfd:vfio/vfio", false],
    ["/dev/iommu/x", false],
    ["/dev/vfio/7", false],
  ])("%s is a container: %s", (link, expected) => expect(isContainerLink(link)).toBe(expected));
});
