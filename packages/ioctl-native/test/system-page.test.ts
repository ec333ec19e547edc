import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import {
  createMemoryFile,
  Mapping,
  pageBytesOf,
  realKernel,
  systemPageBytes,
  useKernel,
} from "../src/index.js";
import { expectRangeError } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";

fdsStayAsTheyWere();

describe("the size of ordinary pages", () => {
  it("is the kernel's", () => {
    expect(systemPageBytes()).toBe(Number(execFileSync("getconf", ["PAGESIZE"], { encoding: "utf8" })));
  });
});

describe.each([16384, 65536])("given a kernel with pages of %i bytes", (page) => {
  const usePages = (more = {}): Disposable => useKernel({ ...realKernel(), pageBytes: () => page, ...more });

  it("memory in ordinary pages is made of those, and asks for no hugepages", () => {
    const flags: number[] = [];
    const memfdCreate = (name: string, flag: number): number => {
      flags.push(flag);
      return realKernel().memfdCreate(name, flag);
    };
    using _kernel = usePages({ memfdCreate });
    using file = createMemoryFile({ bytes: 3 * page, pageBytes: page });

    expect(pageBytesOf(file)).toBe(page);
    expect(flags).toEqual([0]);
  });

  it("smaller pages are refused, and the kernel's own are named", () => {
    using _kernel = usePages();
    const make = (): unknown => createMemoryFile({ bytes: page, pageBytes: 4096 });
    expectRangeError(make, "ERR_VFIO_MEMORY_SIZE", `a power of two from ${page}`);
  });

  it.each([{ offset: 4096 }, { address: 0x7000_0000_1000n }])("%o lies in no page", (place) => {
    using _kernel = usePages();
    using file = createMemoryFile({ bytes: 2 * page, pageBytes: page });
    const map = (): unknown => Mapping.map({ file, bytes: page, name: "ring", ...place });
    expectRangeError(map, "ERR_VFIO_MAP_RANGE", `multiple of the page size, ${page}`);
  });

  it("what begins with a page is mapped", () => {
    using _kernel = usePages();
    using file = createMemoryFile({ bytes: 2 * page, pageBytes: page });
    using mapping = Mapping.map({ file, bytes: page, offset: page, name: "ring" });

    expect(mapping.bytes).toBe(page);
  });
});
