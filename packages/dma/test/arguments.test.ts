import { isVfioError } from "@vfio/ioctl-native";
import { expectError, expectRejection } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import {
  contiguousExtents,
  countHugepages,
  decodeMemoryDescription,
  DmaMapper,
  drawIovaSpace,
  encodeMemoryDescription,
  IovaAllocator,
  IovaTable,
  readPhysicalAddresses,
  Type1Space,
} from "../src/index.js";
import { FakeIommu, memoryAt } from "./fake-iommu.js";

/** What JavaScript programs pass by mistake. */
const ODD: readonly unknown[] = [undefined, null, 7, 7n, "0000:00:10.0", true, {}, [], () => 7, Symbol("7")];
const mapper = () => new DmaMapper(new FakeIommu(), { iova: "physical" });
/** What is cut out of ordinary pages, and given back. */
const cut = (use: (mapper: DmaMapper) => unknown): void => {
  using one = new DmaMapper(new FakeIommu(), { iova: "allocate", pageBytes: 4096 });
  use(one);
};
const mapping = () => mapper().map(memoryAt([0x1000n, 0x2000n]), { pieceBytes: 4096 });
const allocator = () => new IovaAllocator({ ranges: [{ start: 0n, end: 0xffffn }] });
const table = () => new IovaTable([{ offset: 0, iova: 0x1000n, bytes: 4096 }]);

/** Each call with what it is given, and what its error says was expected. */
const calls: [string, (odd: never) => unknown, RegExp][] = [
  ["new DmaMapper(odd)", (odd) => new DmaMapper(odd), /a VFIO container .* or an AddressSpace/],
  ["new Type1Space(odd).limits()", (odd) => new Type1Space(odd).limits(), /a VFIO container|fd/],
  ["mapper.map(odd)", (odd) => mapper().map(odd), /memory .* expected/],
  [
    "mapper.map(memory, { iova: odd })",
    (odd) => mapper().map(memoryAt([0n]), { iova: odd }),
    /bigint|multiples/,
  ],
  [
    "mapper.map(memory, { access: odd })",
    (odd) => mapper().map(memoryAt([0n]), { access: odd }),
    /one of read-write/,
  ],
  [
    "mapper.map(memory, { pieceBytes: odd })",
    (odd) => mapper().map(memoryAt([0n]), { pieceBytes: odd }),
    /pieces of/,
  ],
  ["mapper.alloc(odd)", (odd) => cut((one) => one.alloc(odd)), /buffer|whole number above 0/],
  ["mapper.alloc({ bytes: odd })", (odd) => cut((one) => one.alloc({ bytes: odd })), /whole number above 0/],
  [
    "mapper.alloc({ bytes, align: odd })",
    (odd) => cut((one) => one.alloc({ bytes: 64, align: odd })),
    /power of two/,
  ],
  ["mapper.pool(odd)", (odd) => cut((one) => one.pool(odd)), /pool|whole number above 0/],
  [
    "mapper.pool({ count: odd })",
    (odd) => cut((one) => one.pool({ count: odd, bytes: 64 })),
    /whole one above 0/,
  ],
  [
    "mapper.pool({ bytes: odd })",
    (odd) => cut((one) => one.pool({ count: 1, bytes: odd })),
    /whole number above 0|multiple of the alignment/,
  ],
  ["mapping.unmapPart(odd, 4096)", (odd) => mapping().unmapPart(odd, 4096), /number of bytes|pieces/],
  ["mapping.unmapPart(0, odd)", (odd) => mapping().unmapPart(0, odd), /number of bytes|pieces/],
  ["allocator.allocate(odd)", (odd) => allocator().allocate(odd), /whole number above 0/],
  ["allocator.allocate(4096, odd)", (odd) => allocator().allocate(4096, odd), /power of two/],
  [
    "allocator.claim(odd, 4096)",
    (odd) => (allocator().claim(odd, 4096), allocator().claim(1n, odd)),
    /bigint|number/,
  ],
  ["allocator.release(odd)", (odd) => allocator().release(odd), /bigint|not allocated/],
  [
    "allocator.useRanges(odd)",
    (odd) => (allocator().useRanges(odd), allocator().useRanges([odd])),
    /ranges of IOVAs/,
  ],
  ["new IovaTable(odd)", (odd) => new IovaTable([odd] as never), /extents/],
  ["table.offsetOf(odd)", (odd) => table().offsetOf(odd), /bigint|mapped at/],
  ["table.offsetOf(iova, odd)", (odd) => table().offsetOf(0x1000n, odd), /a number, not a bigint|mapped at/],
  ["table.offsetOfHalves(odd)", (odd) => table().offsetOfHalves(odd, 0), /a number, not a bigint|mapped at/],
  ["table.iovaOf(odd)", (odd) => table().iovaOf(odd), /a number, not a bigint|extent holds/],
  ["table.iovaLow(odd)", (odd) => table().iovaLow(odd), /a number, not a bigint|extent holds/],
  ["table.iovaHigh(0, odd)", (odd) => table().iovaHigh(0, odd), /a number, not a bigint|extent holds/],
  [
    "table.iovaInto(words, odd)",
    (odd) => (table().iovaInto(new Uint32Array(2), 0, odd), table().iovaInto(new Uint32Array(2), odd, 0)),
    /a number, not a bigint|extent holds|does not fit/,
  ],
  ["countHugepages(odd)", (odd) => countHugepages(odd), /bytes of a page, a number/],
  [
    "contiguousExtents(odd)",
    (odd) => (contiguousExtents(odd, 4096), contiguousExtents([odd, odd], 4096), contiguousExtents([], odd)),
    /list of addresses|page size/,
  ],
  ["encodeMemoryDescription(odd)", (odd) => encodeMemoryDescription(odd), /description of memory|IovaTable/],
  ["decodeMemoryDescription(odd)", (odd) => decodeMemoryDescription(odd), /no Uint8Array/],
  [
    "readPhysicalAddresses(odd)",
    (odd) => (readPhysicalAddresses(odd, 4096, 4096), readPhysicalAddresses(4096n, odd, 4096)),
    /bigint|number of bytes|memory|addresses/,
  ],
];

describe("given what is not what was expected", () => {
  it.each(calls)("%s: an error with a code says what was", (_what, call, expected) => {
    for (const odd of ODD) {
      let error: unknown;
      try {
        call(odd as never);
        // Some of them are right for some of the calls.
        continue;
      } catch (thrown) {
        error = thrown;
      }
      expect([isVfioError(error), String(odd), String(error)]).toEqual([
        true,
        String(odd),
        expect.stringMatching(expected),
      ]);
    }
  });

  it.each([
    ["new DmaMapper(iommu, 7)", () => new DmaMapper(new FakeIommu(), 7 as never), "options of a DmaMapper"],
    ["map(memory, null)", () => mapper().map(memoryAt([0n]), null as never), "options of a mapping"],
    ["new IovaAllocator(null)", () => new IovaAllocator(null as never), "options of an IovaAllocator"],
    [
      "encodeMemoryDescription of half a byte",
      () => encodeMemoryDescription({ bytes: 1.5, pageBytes: 4096, table: table() }),
      "both whole numbers",
    ],
    [
      "a table of a segment before its memory",
      () => new IovaTable([{ offset: -4096, iova: 0n, bytes: 4096 }]),
      "a list of { offset",
    ],
    [
      "a table of a segment of less than nothing",
      () => new IovaTable([{ offset: 0, iova: 0n, bytes: -4096 }]),
      "a list of { offset",
    ],
    [
      "a table of a segment beyond 64 bits",
      () => new IovaTable([{ offset: 0, iova: 1n << 64n, bytes: 4096 }]),
      "a list of { offset",
    ],
    ["drawIovaSpace()", () => drawIovaSpace(undefined as never), "an IOVA space"],
    [
      "an AddressSpace without unmap()",
      () => new DmaMapper({ limits() {}, map() {} } as never),
      "limits(), map() and unmap()",
    ],
  ])("%s is refused", (_what, call, words) => {
    expectError(call, `ERR_VFIO_DMA_ARGUMENT … ${words}`);
  });

  it.each(["address", "bytes", "pageBytes", "physicalAddresses", "hold"])(
    "memory without %s is none",
    async (member) => {
      const memory = { ...memoryAt([0x1000n]), [member]: undefined };

      expectError(() => mapper().map(memory), "ERR_VFIO_DMA_ARGUMENT");
      await expectRejection(mapper().mapAsync(memory), "ERR_VFIO_DMA_ARGUMENT");
    },
  );
});
