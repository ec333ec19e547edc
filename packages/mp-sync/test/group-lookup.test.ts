import { kernel, useKernel } from "@vfio/ioctl-native";
import { groupExistsInSysfs } from "@vfio/ioctl-native/internal";
import { describe, expect, it } from "vitest";
import { lookUpGroup } from "../src/primary/group-lookup.js";

const shared = new Map([
  [0, "group 0"],
  [7, "group 7"],
]);

describe("what to say about a group", () => {
  it.each([0, 7])("group %d is shared, and that is all that counts", (group) => {
    expect(lookUpGroup(group, shared, () => false)).toBe("shared");
  });

  it("a group of this machine that is not shared is told apart from one that does not exist", () => {
    const exists = (group: number): boolean => group === 8;
    expect(lookUpGroup(8, shared, exists)).toBe("not-shared");
    expect(lookUpGroup(9999, shared, exists)).toBe("unknown");
  });

  it("sysfs is asked at that moment, so a group may come and go", () => {
    const folders = new Set<string>();
    const fake = useKernel({
      ...kernel(),
      stat: (path) => (folders.has(path) ? { mode: 0, uid: 0, gid: 0, inode: 1 } : -2),
    });
    try {
      expect(groupExistsInSysfs(12)).toBe(false);
      folders.add("/sys/kernel/iommu_groups/12");
      expect(groupExistsInSysfs(12)).toBe(true);
    } finally {
      fake[Symbol.dispose]();
    }
  });
});
