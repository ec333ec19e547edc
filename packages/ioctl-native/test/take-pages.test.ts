import { describe, expect, it } from "vitest";
import { createMemoryFile, Fd, kernel, Mapping, openFile, realKernel, useKernel } from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { resultUnderFilter } from "./support/filtered.js";
import { fdsStayAsTheyWere, mapsWith } from "./support/leaks.js";

fdsStayAsTheyWere();

const PAGE = 4096;
/** `madvise` answers EINVAL to advice that it does not know. */
const BEFORE_LINUX_5_14 = [22, 23].map((value) => ({
  call: "madvise",
  errno: 22,
  argument: { index: 2, value },
}));

/** How many pages of a mapping are in its memory, and in its table of pages (bit 63 of pagemap's entries). */
const COUNT_PAGES = `
  const { closeSync, openSync, readSync } = await import("node:fs");
  function pagesOf(mapping) {
    const entries = new BigUint64Array(mapping.bytes / ${PAGE});
    const pagemap = openSync("/proc/self/pagemap", "r");
    readSync(pagemap, entries, 0, entries.byteLength, Number(mapping.address / ${PAGE}n) * 8);
    closeSync(pagemap);
    return { present: entries.filter((entry) => entry >> 63n === 1n).length, resident: vfio.kernel().residentBytes(mapping.handle) };
  }`;

describe("given a kernel before 5.14, which does not know the advice to populate", () => {
  it.each([true, false])(
    "all pages are there, and what they had in them stays (writable: %s)",
    (writable) => {
      const pages = 2500;
      const result = resultUnderFilter(
        BEFORE_LINUX_5_14,
        `${COUNT_PAGES}
      const bytes = ${pages * PAGE};
      const file = vfio.createMemoryFile({ bytes, pageBytes: ${PAGE} });
      vfio.writeAt(file, 7 * ${PAGE}, new Uint8Array([1, 2, 3]), "the memory");
      const fds = (await import("node:fs")).readdirSync("/proc/self/fd").length;
      const mapping = vfio.Mapping.map({ file, bytes, writable: ${writable}, populate: true, name: "ring" });
      console.log(JSON.stringify({
        ...pagesOf(mapping),
        bytes: [0, 1, 2].map((at) => mapping.registers.read8(7 * ${PAGE} + at)),
        fds: (await import("node:fs")).readdirSync("/proc/self/fd").length - fds,
      }));`,
      );

      expect(result).toEqual({ present: pages, resident: pages * PAGE, bytes: [1, 2, 3], fds: 0 });
    },
  );

  it("pages that are not to be had are an error there too, and no SIGBUS", () => {
    const result = resultUnderFilter(
      BEFORE_LINUX_5_14,
      `
      const fd = vfio.kernel().memfdCreate("ring", 0);
      vfio.kernel().truncate(fd, ${4 * PAGE});
      const handle = vfio.kernel().map(fd, 0, ${4 * PAGE}, true, undefined, "ring");
      vfio.kernel().truncate(fd, ${3 * PAGE});
      console.log(vfio.kernel().populate(handle));`,
    );

    expect(result).toBe(-12);
  });

  it("a device's pages, which a read would tell something, are left alone", () => {
    const result = resultUnderFilter(
      BEFORE_LINUX_5_14,
      `${COUNT_PAGES}
      const device = vfio.openFile("/dev/zero");
      const mapping = vfio.Mapping.map({ file: device, bytes: ${4 * PAGE}, populate: true, name: "a device" });
      console.log(JSON.stringify(pagesOf(mapping).present));`,
    );

    expect(result).toBe(0);
  });
});

describe("given a kernel that knows the advice", () => {
  it("pages that are not to be had are ENOMEM, and no SIGBUS", () => {
    using file = new Fd(kernel().memfdCreate("vfio-dma", 0), "a file");
    kernel().truncate(file.fd, 4 * PAGE);
    using mapping = Mapping.map({ file, bytes: 4 * PAGE, name: "ring" });
    kernel().truncate(file.fd, 3 * PAGE);

    expect(kernel().populate(mapping.handle)).toBe(-12);
  });

  it("what is there is counted, whoever touched it", () => {
    using file = createMemoryFile({ bytes: 40_000 * PAGE, pageBytes: PAGE });
    using mapping = Mapping.map({ file, bytes: 40_000 * PAGE, name: "ring" });
    expect(kernel().residentBytes(mapping.handle)).toBe(0);

    using other = Mapping.map({
      file,
      bytes: 3 * PAGE,
      offset: 20_000 * PAGE,
      populate: true,
      name: "a part",
    });

    expect(kernel().residentBytes(mapping.handle)).toBe(3 * PAGE);
    expect(kernel().residentBytes(other.handle)).toBe(3 * PAGE);
  });

  it("EBADF is the answer for a mapping that there is not", () => {
    const { populate, residentBytes, bindMapping } = kernel();

    expect([populate(0), residentBytes(0), bindMapping(0, 0)]).toEqual([-9, -9, -9]);
  });
});

describe("given a mapping whose pages cannot be taken", () => {
  it.each([
    ["mbind", { bindMapping: () => -1 }, "EPERM"],
    ["madvise", { populate: () => -12 }, "ENOMEM"],
  ])(
    "the error names %s, its hint is made when the mapping is gone, and nothing is left",
    (syscall, failing, code) => {
      using file = createMemoryFile({ bytes: PAGE, pageBytes: PAGE });
      using _kernel = useKernel({ ...realKernel(), ...failing });
      const left: string[][] = [];
      const hint = (failure: { syscall: string; errno: number }): string => {
        left.push(mapsWith("memfd:vfio-dma"));
        return `${failure.syscall} ${failure.errno}`;
      };

      const error = errorOf(() =>
        Mapping.map({ file, bytes: PAGE, populate: true, numaNode: 0, name: "ring", hint }),
      );

      expect(error).toMatchObject({ code, syscall });
      expect(error.message).toContain("cannot map 4096 bytes of ring");
      expect(error.hint).toMatch(new RegExp(`^${syscall} -`));
      expect(left).toEqual([[]]);
    },
  );

  it("ENOMEM of mmap is explained only where the number of mappings is the reason", () => {
    using file = openFile("/dev/zero");
    const useLimit = (limit: string): Disposable =>
      useKernel({
        ...realKernel(),
        map: () => -12,
        readText: (path) => (path === "/proc/sys/vm/max_map_count" ? limit : "line\n".repeat(100)),
      });
    const hint = (): string | undefined =>
      errorOf(() => Mapping.map({ file, bytes: PAGE, name: "ring" })).hint;
    {
      using _kernel = useLimit("65530\n");
      expect(hint()).toBe(undefined);
    }
    using _kernel = useLimit("100\n");
    expect(hint()).toContain("/proc/sys/vm/max_map_count allows 100");
  });
});
