import { describe, expect, it } from "vitest";
import { ArenaSpace, type ArenaMemory } from "../src/buffers/arena-space.js";
import { IovaTable } from "../src/index.js";

const PAGE = 4096;
/** So many that whatever looks at all of them for each would take minutes, and the test would be ended. */
const MANY = 60_000;

/** A mapped memory of one page at this device address. */
function onePage(number: number): ArenaMemory {
  const table = new IovaTable([{ offset: 0, iova: BigInt(number * PAGE), bytes: PAGE }]);
  return {
    memory: { bytes: PAGE },
    mapping: { mapped: true, table },
    extents: table.extents,
  } as unknown as ArenaMemory;
}

describe("given tens of thousands of memories", () => {
  it("buffers that fill one each are cut, given back and cut again, each out of a memory of its own", () => {
    const space = new ArenaSpace(PAGE);
    const fill = () =>
      Array.from({ length: MANY }, () => space.cut(PAGE, 64, PAGE)).map((place) => place ?? expect.fail());
    for (let number = 0; number < MANY; number++) space.add(onePage(number));

    const places = fill();
    expect(new Set(places.map(({ memory }) => memory)).size).toBe(MANY);
    expect(space.cut(1, 1, 1)).toBeUndefined();
    for (const { release } of places) release();
    expect(fill().at(-1)?.table.iovaOf(0)).toBe(BigInt((MANY - 1) * PAGE));
  });

  it("what is left of each does not join with its neighbour's", () => {
    const space = new ArenaSpace(PAGE);
    for (const number of [0, 1]) space.add(onePage(number));

    expect(space.cut(PAGE + 1, 64, PAGE + 1)).toBeUndefined();
    expect([1, 2, 3].map(() => space.cut(PAGE, PAGE, PAGE)?.offset)).toEqual([0, 0, undefined]);
  });

  it("one that has no addresses for now is passed over, and used again later", () => {
    const space = new ArenaSpace(PAGE);
    const [waiting, other] = [onePage(0), onePage(1)];
    for (const chunk of [waiting, other]) space.add(chunk);

    Object.assign(waiting.mapping, { mapped: false });
    expect(space.cut(64, 64, 64)?.memory).toBe(other.memory);
    Object.assign(waiting.mapping, { mapped: true });
    expect(space.cut(64, 64, 64)?.memory).toBe(waiting.memory);
  });

  it("one that is taken out again is not used", () => {
    const space = new ArenaSpace(PAGE);
    space.add(onePage(0))();
    expect(space.cut(64, 64, 64)).toBeUndefined();
  });
});
