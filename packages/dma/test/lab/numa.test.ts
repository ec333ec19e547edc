import { readFileSync } from "node:fs";
import { errorOf, leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { countHugepagesByNode, DmaMapper, HugepageMemory } from "../../src/index.js";
import { foreignContainer } from "./machine.js";

const TWO_MIB = 2 << 20;

leavesNothingBehind();

/** What the kernel says of a mapping: its policy, and how many of its pages lie on which node. */
function placeOf(memory: HugepageMemory): string {
  const maps = readFileSync("/proc/self/numa_maps", "utf8").split("\n");
  return maps.find((line) => line.startsWith(memory.address.toString(16))) ?? "";
}

function freeOn(node: number): number {
  return countHugepagesByNode(TWO_MIB).find((each) => each.node === node)!.free;
}

describe("given a machine with two NUMA nodes", () => {
  it.each([0, 1])("memory from node %i has all its pages there, and the other node keeps its own", (node) => {
    const other = freeOn(1 - node);
    const free = freeOn(node);
    using memory = HugepageMemory.allocate({ bytes: 4 * TWO_MIB, numaNode: node });

    expect(placeOf(memory)).toContain(`bind:${node}`);
    expect(placeOf(memory)).toContain(`N${node}=4`);
    expect(placeOf(memory)).not.toContain(`N${1 - node}=`);
    expect(freeOn(node)).toBe(free - 4);
    expect(freeOn(1 - node)).toBe(other);
  });

  it("when one node has too few hugepages, the other's do not serve, and the error counts both", () => {
    const here = freeOn(1);
    const there = freeOn(0);
    expect(there).toBeGreaterThan(0);

    const error = errorOf(() =>
      HugepageMemory.allocate({ bytes: (here + 1) * TWO_MIB, numaNode: 1 }),
    ) as Error & { hint: string };

    expect(error).toMatchObject({ code: "ENOMEM" });
    expect(error.hint).toContain(`${here + 1} needed`);
    expect(error.hint).toMatch(
      new RegExp(`node 0: \\d+ reserved, ${there} free; node 1: \\d+ reserved, ${here} free`),
    );
    expect(error.hint).toContain("/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages");
  });

  it.each([0, 1])("a mapper's own memory comes from the node it was told: node %i", (node) => {
    const other = freeOn(1 - node);
    const free = freeOn(node);
    using foreign = foreignContainer();
    using mapper = new DmaMapper(foreign.container, { iova: "allocate", numaNode: node });

    mapper.alloc({ bytes: 3 * TWO_MIB });
    mapper.pool({ count: 1024, bytes: 2048 });

    expect(freeOn(node)).toBe(free - 4);
    expect(freeOn(1 - node)).toBe(other);
  });

  it("memory from no node in particular may take the pages of both", () => {
    const more = Math.max(freeOn(0), freeOn(1)) + 1;
    using memory = HugepageMemory.allocate({ bytes: more * TWO_MIB });

    expect(placeOf(memory)).toMatch(/N0=\d+/);
    expect(placeOf(memory)).toMatch(/N1=\d+/);
  });
});
