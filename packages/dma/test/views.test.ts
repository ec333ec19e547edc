import { createMemoryFile, Mapping } from "@vfio/ioctl-native";
import { errorOf, leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { HugepageMemory, UserMemory } from "../src/index.js";

leavesNothingBehind();

describe("a part of a memory as an ArrayBuffer", () => {
  it("shows what the whole shows, and is detached with it", () => {
    const memory = HugepageMemory.allocate({ bytes: 8192, pageBytes: 4096 });
    new Uint32Array(memory.buffer)[1024] = 7;
    const part = memory.view(4096);
    expect([part.byteLength, new Uint32Array(part)[0], memory.view(4096, 8).byteLength]).toEqual([
      4096, 7, 8,
    ]);
    expect(errorOf(() => memory.view(8192, 8)).code).toBe("ERR_VFIO_MAP_RANGE");
    memory.close();
    expect(part.byteLength).toBe(0);
  });

  it("is had of any mapping, too", () => {
    using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
    using mapping = Mapping.map({ file, bytes: 4096, name: "my memory" });
    expect(new UserMemory(mapping).view(8, 16).byteLength).toBe(16);
  });
});
