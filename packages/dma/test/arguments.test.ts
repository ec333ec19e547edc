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

const words = () => new Uint32Array(2);
const map = (options: object) => mapper().map(memoryAt([0n]), options);
const tableOf = (offset: number, iova: bigint, bytes: number) => new IovaTable([{ offset, iova, bytes }]);

type Call = (odd: never) => unknown;

/** What is called, and what its error says was expected. */
const calls: [Call, RegExp][] = [
  [(odd) => new DmaMapper(odd), /a VFIO container .* or an AddressSpace/],
  [(odd) => new Type1Space(odd).limits(), /a VFIO container|fd/],
  [(odd) => mapper().map(odd), /memory .* expected/],
  [(odd) => map({ iova: odd }), /bigint|multiples/],
  [(odd) => map({ access: odd }), /one of read-write/],
  [(odd) => map({ pieceBytes: odd }), /pieces of/],
  [(odd) => cut((one) => one.alloc(odd)), /buffer|whole number above 0/],
  [(odd) => cut((one) => one.alloc({ bytes: odd })), /whole number above 0/],
  [(odd) => cut((one) => one.alloc({ bytes: 64, align: odd })), /power of two/],
  [(odd) => cut((one) => one.pool(odd)), /pool|whole number above 0/],
  [(odd) => cut((one) => one.pool({ count: odd, bytes: 64 })), /count must be a whole number above 0/],
  [
    (odd) => cut((one) => one.pool({ count: 1, bytes: odd })),
    /whole number above 0|multiple of the alignment/,
  ],
  [(odd) => mapping().unmapPart(odd, 4096), /number of bytes|pieces/],
  [(odd) => mapping().unmapPart(0, odd), /number of bytes|pieces/],
  [(odd) => allocator().allocate(odd), /whole number above 0/],
  [(odd) => allocator().allocate(4096, odd), /power of two/],
  [(odd) => (allocator().claim(odd, 4096), allocator().claim(1n, odd)), /bigint|number/],
  [(odd) => allocator().release(odd), /bigint|not allocated/],
  [(odd) => (allocator().useRanges(odd), allocator().useRanges([odd])), /ranges of IOVAs/],
  [(odd) => new IovaTable([odd] as never), /extents/],
  [(odd) => table().offsetOf(odd), /bigint|mapped at/],
  [(odd) => table().offsetOf(0x1000n, odd), /a number, not a bigint|mapped at/],
  [(odd) => table().offsetOfHalves(odd, 0), /a number, not a bigint|mapped at/],
  [(odd) => table().iovaOf(odd), /a number, not a bigint|extent holds/],
  [(odd) => table().iovaLow(odd), /a number, not a bigint|extent holds/],
  [(odd) => table().iovaHigh(0, odd), /a number, not a bigint|extent holds/],
  [(odd) => table().iovaInto(words(), 0, odd), /a number, not a bigint|extent holds/],
  [(odd) => table().iovaInto(words(), odd, 0), /a number, not a bigint|does not fit/],
  [(odd) => countHugepages(odd), /bytes of a page, a number/],
  [(odd) => (contiguousExtents(odd, 4096), contiguousExtents([odd, odd], 4096)), /list of addresses/],
  [(odd) => contiguousExtents([], odd), /page size/],
  [(odd) => encodeMemoryDescription(odd), /description of memory|IovaTable/],
  [(odd) => decodeMemoryDescription(odd), /not a Uint8Array/],
  [(odd) => readPhysicalAddresses(odd, 4096, 4096), /bigint|number of bytes|memory|addresses/],
  [(odd) => readPhysicalAddresses(4096n, odd, 4096), /bigint|number of bytes|memory|addresses/],
];

/** Each with what it is called in titles: its own text. */
const named = <T extends readonly [(odd: never) => unknown, unknown]>(rows: readonly T[]) =>
  rows.map(([call, expected]) => [String(call), call, expected] as [string, T[0], T[1]]);

describe("given what is not what was expected", () => {
  it.each(named(calls))("%s: an error with a code says what was", (_what, call, expected) => {
    for (const odd of ODD) {
      // Some of them are right for some of the calls.
      const error = thrownBy(() => call(odd as never));
      if (error === undefined) continue;
      expect([isVfioError(error), odd]).toEqual([true, odd]);
      expect(error).toMatchObject({ message: expect.stringMatching(expected) as string });
    }
  });

  it.each(
    named<[() => unknown, string]>([
      [() => new DmaMapper(new FakeIommu(), 7 as never), "options of a DmaMapper"],
      [() => mapper().map(memoryAt([0n]), null as never), "options of a mapping"],
      [() => new IovaAllocator(null as never), "options of an IovaAllocator"],
      [() => encodeMemoryDescription({ bytes: 1.5, pageBytes: 4096, table: table() }), "both whole numbers"],
      [() => tableOf(-4096, 0n, 4096), "a list of { offset"],
      [() => tableOf(0, 0n, -4096), "a list of { offset"],
      [() => tableOf(0, 1n << 64n, 4096), "a list of { offset"],
      [() => drawIovaSpace(undefined as never), "an IOVA space"],
      [() => new DmaMapper({ limits() {}, map() {} } as never), "limits(), map() and unmap()"],
    ]),
  )("%s is refused", (_what, call, words) => {
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

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}
