import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errorOf, rejectionOf } from "./errors.js";

const PAGE = 4096;
const BASE = 0x10_0000n;

type MapArguments = [
  memory: { readonly address: bigint; readonly bytes: number },
  offset: number,
  bytes: number,
  iova: bigint,
  access: "read-write" | "read-only" | "write-only",
  pieceBytes?: number,
];

interface Limits {
  readonly smallestPage: number;
  readonly pageSizes: bigint;
  readonly iovaRanges: readonly { readonly end: bigint }[] | undefined;
}

/** The tested part of `AddressSpace` of `@vfio/ioctl-native`, which stands above this package. */
interface Space {
  limits(): Limits | undefined;
  map(...args: MapArguments): number;
  unmap(iova: bigint, bytes: number): number;
  mapAsync?(...args: MapArguments): Promise<number>;
  unmapAsync?(iova: bigint, bytes: number): Promise<number>;
}

/** A space with a device and without a mapping. */
export interface GivenSpace {
  readonly space: Space;
  readonly memory: MapArguments[0];
  /** The last device leaves; with it go the mappings. */
  deviceLeaves(): void;
  deviceComes(): void;
  close(): void;
}

/** The tests of every `AddressSpace`. */
export function describeAddressSpace(name: string, make: () => GivenSpace): void {
  describe(`given the address space of ${name}`, () => {
    let given: GivenSpace;
    let space: Space;
    let mapped: number;
    beforeEach(() => {
      mapped = 0;
      given = make();
      ({ space } = given);
    });
    afterEach(() => given.close());

    /** Pages by their number, from the start of memory and from an address on. */
    const args = (first: number, count: number, pieces = count): MapArguments => {
      const iova = BASE + BigInt(first * PAGE);
      return [given.memory, first * PAGE, count * PAGE, iova, "read-write", pieces * PAGE];
    };
    const map = (...pages: Parameters<typeof args>): number => space.map(...args(...pages)) / PAGE;
    const unmap = (first: number, count: number): number =>
      space.unmap(BASE + BigInt(first * PAGE), count * PAGE) / PAGE;
    // Off the event loop, if the space can.
    const mapLater = async (...pages: Parameters<typeof args>): Promise<number> =>
      (await (space.mapAsync?.(...args(...pages)) ?? space.map(...args(...pages)))) / PAGE;
    const unmapLater = async (first: number, count: number): Promise<number> => {
      const range = [BASE + BigInt(first * PAGE), count * PAGE] as const;
      return (await (space.unmapAsync?.(...range) ?? space.unmap(...range))) / PAGE;
    };

    it("its smallest page is one of its page sizes, and the mappings of these tests are made of it", () => {
      const { smallestPage = 0, pageSizes = 0n } = space.limits() ?? {};

      expect(pageSizes & -pageSizes).toBe(BigInt(smallestPage));
      expect(PAGE % smallestPage).toBe(0);
    });

    it("mapping tells how much is mapped, unmapping how much was: 0 where nothing is", async () => {
      expect(unmap(0, 8)).toBe(0);
      expect(map(1, 3)).toBe(3);
      expect([unmap(1, 3), unmap(1, 3)]).toEqual([3, 0]);

      expect(await mapLater(1, 3)).toBe(3);
      expect([await unmapLater(1, 3), await unmapLater(1, 3)]).toEqual([3, 0]);
    });

    it("unmapping takes all that lies in its range, and counts no gap", () => {
      map(0, 2);
      map(5, 1);

      expect([unmap(0, 8), unmap(0, 8)]).toEqual([3, 0]);
    });

    /** Maps the rest until there is none, or an error. */
    const mapAll = (count: number, pieces: number): number => {
      for (let done = 0; done < count;) {
        const more = map(done, count - done, pieces);
        expect(more === count - done || (more > 0 && more % pieces === 0), `${more} more`).toBe(true);
        mapped = done += more;
      }
      return mapped;
    };

    it("memory is mapped in pieces, one at least with each call, and each can be unmapped alone", () => {
      expect(mapAll(5, 2)).toBe(5);
      expect([unmap(2, 2), unmap(4, 1), unmap(0, 2), unmap(0, 8)]).toEqual([2, 1, 2, 0]);
    });

    it.each([
      ["is mapped already", 2, 2],
      ["lies in a mapped one", 3, 1],
      ["lies around a mapped one", 1, 5],
      ["reaches into a mapped one's beginning", 0, 3],
      ["begins in a mapped one", 3, 3],
    ])(
      "a range that %s is EEXIST: nothing of it is mapped, and what was still is",
      async (_, first, count) => {
        map(2, 2);

        expect(errorOf(() => map(first, count))).toMatchObject({ code: "EEXIST" });
        expect(await rejectionOf(mapLater(first, count))).toMatchObject({ code: "EEXIST" });

        expect(unmap(0, 8)).toBe(2);
      },
    );

    it("a piece that overlaps ends what is mapped; asking for the rest tells why, and maps nothing", () => {
      map(3, 1);

      expect(errorOf(() => mapAll(5, 1))).toMatchObject({ code: "EEXIST" });

      expect(mapped).toBe(3);
      expect(unmap(0, 8)).toBe(4);
    });

    it("a range that no device reaches is refused, and nothing of it is mapped", () => {
      const end = space.limits()?.iovaRanges?.at(-1)?.end ?? 0n;

      expect(errorOf(() => space.map(given.memory, 0, PAGE, end + 1n, "read-write"))).toHaveProperty("code");

      expect(space.unmap(end + 1n, PAGE)).toBe(0);
    });

    it("without a device its limits are undefined, and all else is EINVAL; the next device finds it empty", () => {
      map(0, 2);
      given.deviceLeaves();

      expect(space.limits()).toBeUndefined();
      for (const use of [() => map(4, 1), () => unmap(0, 2)])
        expect(errorOf(use)).toMatchObject({ code: "EINVAL" });

      given.deviceComes();
      expect([unmap(0, 8), map(0, 2)]).toEqual([0, 2]);
    });

    it("once it is closed, every use says so", () => {
      map(0, 2);
      given.close();

      for (const use of [() => map(4, 1), () => unmap(0, 2), () => space.limits()])
        expect(errorOf(use).code).toMatch(/^(EBADF|ERR_VFIO_CLOSED)$/);
    });
  });
}
