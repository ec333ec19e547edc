import { createMemoryFile, EventFd, Mapping } from "@vfio/ioctl-native";
import { plainErrors, showsState, type Called } from "@vfio/test-support";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as dma from "../src/index.js";
import { FakeIommu, memoryAt } from "./fake-iommu.js";

const { DmaMapper, HugepageMemory, IovaAllocator, IovaTable, UserMemory } = dma;

const PAGE = { bytes: 4096, pageBytes: 4096 };
const words = new Uint32Array(4);
const memory = memoryAt([0x1000n]);
const mapper = () => new DmaMapper(new FakeIommu(), { iova: "allocate", pageBytes: 4096 });

let event: EventFd;
let mapping: Mapping;
beforeAll(() => {
  event = EventFd.create();
  using file = createMemoryFile(PAGE);
  mapping = Mapping.map({ file, bytes: 4096 });
});
afterAll(() => {
  mapping.close();
  event.close();
});

const members: [string, () => Called][] = [
  [
    "the package",
    () => ({
      make: () => ({ ...dma }),
      right: {
        readPhysicalAddresses: [4096n, 4096, 4096],
        contiguousRuns: [[4096n], 4096],
        UserMemory: [mapping, 4096],
      },
      // By intent: nothing may stand around the load.
      except: ["loadAcquire"],
    }),
  ],
  ["a DmaMapper", () => ({ make: mapper, right: { map: [memory, {}], mapAsync: [memory, {}] } })],
  [
    "a DmaMapping",
    () => ({
      make: () => mapper().map(memory),
      right: { iovaOf: [0, 4], unmapPart: [0, 4096] },
      except: ["withdraw", "place", "extentsTouching"],
    }),
  ],
  [
    "an IovaTable",
    () => ({
      make: () => new IovaTable([{ offset: 0, iova: 0x1000n, bytes: 4096 }]),
      right: {
        iovaOf: [0, 1],
        iovaLow: [0, 1],
        iovaHigh: [0, 1],
        iovaInto: [words, 0, 0, 1],
        offsetOf: [0x1000n, 1],
        offsetOfHalves: [0x1000, 0, 1],
      },
    }),
  ],
  [
    "an IovaAllocator",
    () => ({
      make: () => new IovaAllocator({ ranges: [{ start: 0n, end: 0xffffn }] }),
      right: { allocate: [4096, 4096], claim: [0n, 4096] },
      except: ["avoid"],
    }),
  ],
  ["a DmaBuffer", () => ({ make: () => mapper().alloc({ bytes: 64 }) })],
  ["a DmaPool", () => ({ make: () => mapper().pool({ count: 2, bytes: 64 }), right: { blockAt: [0, 0] } })],
  [
    "a HugepageMemory",
    () => ({ make: () => HugepageMemory.allocate(PAGE), right: { view: [0, 8], hold: ["a device", event] } }),
  ],
  ["HugepageMemory itself", () => ({ make: () => HugepageMemory })],
  [
    "a UserMemory",
    () => ({ make: () => new UserMemory(mapping), right: { view: [0, 8], hold: ["a device", event] } }),
  ],
];

describe("given wrong arguments, all members answer with a coded error or with what they make of them:", () => {
  it.each(members)("%s", async (name, called) => {
    expect(await plainErrors({ [name]: called() })).toEqual([]);
  });
});

describe("given somebody who prints it, its state is seen:", () => {
  it.each(members)("%s", (_, called) => expect(showsState(called())).toBe(true));
});
