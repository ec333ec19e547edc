import { LinearMemory } from "@vfio/ioctl-native";
import { leavesNothingBehind } from "@vfio/test-support";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { DmaMapper, encodeMemoryDescription, HugepageMemory, type DmaMapping } from "../../src/index.js";
import { foreignContainer } from "./machine.js";

const TWO_MIB = 2 << 20;

leavesNothingBehind();

interface Seen {
  readonly seen: number;
  readonly physical: readonly string[];
  readonly iovas: readonly string[];
}

/** Another process, which inherits the memory's fd, looks at the memory, writes its pattern and ends. */
function seenByAnother(memory: HugepageMemory, { table }: DmaMapping): Seen {
  const { bytes, pageBytes, place } = memory;
  const description = Buffer.from(encodeMemoryDescription({ bytes, pageBytes, table })).toString("base64");
  const program = path.join(import.meta.dirname, "attached-memory.mjs");
  const args = [program, description, ...(place === undefined ? [] : ["within"])];
  const { status, stdout } = spawnSync(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit", memory.fd],
    encoding: "utf8",
  });
  expect(status).toBe(0);
  return JSON.parse(stdout) as Seen;
}

describe("given another process, which has the memory's fd and its description", () => {
  it.each([
    [4096, "for itself"],
    [TWO_MIB, "for itself"],
    [4096, "in a WebAssembly memory"],
    [TWO_MIB, "in a WebAssembly memory"],
  ])(
    "pages of %i bytes, in both %s: it attaches the same pages, computes the same IOVAs, and each sees what the other wrote",
    (pageBytes, where) => {
      using foreign = foreignContainer();
      const within = where === "for itself" ? undefined : new LinearMemory({ bytes: 16 << 20 });
      using memory = HugepageMemory.allocate({ bytes: 4 * pageBytes, pageBytes, within });
      using mapper = new DmaMapper(foreign.container, { iova: "physical" });
      const mapping = mapper.map(memory);
      const words = new Uint32Array(within?.buffer ?? memory.buffer, memory.place?.address, memory.bytes / 4);
      words[5] = 0xcafe;

      const { seen, physical, iovas } = seenByAnother(memory, mapping);

      expect(seen).toBe(0xcafe);
      expect(physical).toEqual(memory.physicalAddresses().map(String));
      expect(iovas).toEqual(physical);
      const pattern = words.subarray(words.length - 1024);
      expect(pattern.every((word) => word === 0xfeedbeef)).toBe(true);
      expect(words[words.length - 1025]).toBe(0);
    },
  );

  it("the memory stays when the process that attached it has gone, and goes with the one that made it", () => {
    using foreign = foreignContainer();
    using memory = HugepageMemory.allocate({ bytes: TWO_MIB });
    using mapper = new DmaMapper(foreign.container, { iova: "allocate" });
    const mapping = mapper.map(memory);

    seenByAnother(memory, mapping);
    const again = seenByAnother(memory, mapping);

    expect(again.physical).toEqual(memory.physicalAddresses().map(String));
    expect(new Uint32Array(memory.buffer).at(-1)).toBe(0xfeedbeef);
  });
});
