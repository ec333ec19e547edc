/**
 * What one mapping costs among many, against what it costs among few: maps, unmaps, translations and replays beside
 * 60,000 mappings and beside 600, with an IOMMU that does nothing, so that all of it is JavaScript.
 */
import { DmaMapper } from "@vfio/dma";
import { measure } from "@vfio/test-support/benchmark";

const PAGE = 4096;
const FEW = 600;
const MANY = 60_000;
/** So many are mapped and unmapped beside the others, in no order. */
const BATCH = 600;
const GOAL = 1.3;

const inPlace = Object.assign(new Error("it is mapped"), { code: "EEXIST" });

/** Does nothing; while it is asked by a replay it refuses, as the kernel does for what is mapped. */
function emptyIommu() {
  const iovaRanges = [{ start: 0n, end: (1n << 48n) - 1n }];
  return {
    isReplay: false,
    limits: () => ({ pageSizes: 0x1000n, smallestPage: PAGE, iovaRanges, mappingsLeft: 0xffff }),
    map(_memory, _offset, bytes) {
      if (this.isReplay) throw inPlace;
      return bytes;
    },
    unmap: (_iova, bytes) => bytes,
  };
}

const release = { [Symbol.dispose]() {} };
const memories = (count, from = 0) =>
  Array.from({ length: count }, (_, index) => ({
    address: BigInt((from + index + 1) * 2 * PAGE),
    bytes: PAGE,
    pageBytes: PAGE,
    physicalAddresses: () => [],
    hold: () => release,
  }));
const batch = memories(BATCH, MANY);
const inNoOrder = (list) => list.map((_, index) => list[(index * 7919) % list.length]);

/** A mapper with so many mappings, of which every other one of twice as many is left: so there are holes between. */
function mapperWith(count) {
  const iommu = emptyIommu();
  const mapper = new DmaMapper(iommu, { iova: "allocate" });
  const all = memories(count * 2).map((memory) => mapper.map(memory));
  all.forEach((mapping, index) => index % 2 === 0 && mapping.unmap());
  const mappings = mapper.mappings;
  return {
    iommu,
    mapper,
    mappings,
    tables: inNoOrder(mappings)
      .slice(0, BATCH)
      .map(({ table }) => table),
  };
}

const few = mapperWith(FEW);
const many = mapperWith(MANY);

const nanoseconds = (call) => {
  const started = process.hrtime.bigint();
  call();
  return Number(process.hrtime.bigint() - started);
};
function mapAndUnmap({ mapper }) {
  const mapped = [];
  const map = nanoseconds(() => batch.forEach((memory) => mapped.push(mapper.map(memory))));
  const unmap = nanoseconds(() => inNoOrder(mapped).forEach((mapping) => mapping.unmap()));
  return { map, unmap };
}
function translate({ tables }) {
  let sum = 0;
  const turns = () => tables.forEach((table) => (sum = (sum + table.iovaLow(64, 64)) | 0));
  return nanoseconds(() => {
    for (let turn = 0; turn < 100; turn++) turns();
  });
}
/** As many mappings on either side: what the collector of garbage takes belongs to both, and comes in large pieces. */
function replay({ iommu, mapper, mappings }) {
  iommu.isReplay = true;
  const all = nanoseconds(() => {
    for (let done = 0; done < MANY; done += mappings.length) mapper.replay();
  });
  iommu.isReplay = false;
  return all / MANY;
}

/** @param {string} what @param {(side: ReturnType<typeof mapperWith>) => number} cost @param {number} turns */
function compare(what, cost, turns) {
  const least = (side) => Math.min(...Array.from({ length: turns }, () => cost(side)));
  measure({
    what: `${what} beside 60,000 mappings, against beside 600`,
    unit: "×",
    goal: GOAL,
    rounds: 11,
    ours: () => least(many) / least(few),
  });
}

compare("map", (side) => mapAndUnmap(side).map, 20);
compare("unmap", (side) => mapAndUnmap(side).unmap, 20);
compare("offset → IOVA", translate, 20);
compare("replay, for each", replay, 3);
