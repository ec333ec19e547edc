import { expect, it } from "vitest";
import * as dma from "../src/index.js";
import { FakeIommu, memoryAt } from "./fake-iommu.js";

const PAGE = 4096;
const PAGES = [
  { offset: 0, iova: 0x1000n, bytes: PAGE },
  { offset: PAGE, iova: 0x2000n, bytes: PAGE },
];
const JOINED = [{ offset: 0, iova: 0x1000n, bytes: 2 * PAGE }];

/** By name: the lint lets nobody write a deprecated one. */
const former = (object: object, name: string): unknown => Reflect.get(object, name);

it("given a program for the former version, tables and mappings answer to their former names", () => {
  const table = new dma.IovaTable(PAGES);
  const mapper = new dma.DmaMapper(new FakeIommu(), { iova: "physical" });
  const mapping = mapper.map(memoryAt([0x1000n, 0x2000n]), { pieceBytes: PAGE });

  for (const each of [table, mapping])
    expect([former(each, "segments"), former(each, "stretches")]).toEqual([PAGES, JOINED]);
});

it("given a program for the former version, runs of pages have an address", () => {
  const contiguousRuns = former(dma, "contiguousRuns") as typeof dma.contiguousExtents;

  expect(contiguousRuns([0x1000n, 0x2000n], PAGE)).toEqual([
    { offset: 0, address: 0x1000n, bytes: 2 * PAGE },
  ]);
});
