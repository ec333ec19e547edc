import { describe, expect, it } from "vitest";
import { Fd, kernel, Mapping, openFile, realKernel, useKernel } from "../src/index.js";
import { errorOf, rejectionOf } from "./support/errors.js";
import { resultUnderFilter } from "./support/filtered.js";
import { fdsStayAsTheyWere, mapsWith } from "./support/leaks.js";
import { memoryFile } from "./support/memory.js";

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
      const { readdirSync } = await import("node:fs");
      const bytes = ${pages * PAGE};
      const file = vfio.createMemoryFile({ bytes, pageBytes: ${PAGE} });
      vfio.writeAt(file, 7 * ${PAGE}, new Uint8Array([1, 2, 3]), "the memory");
      const fds = readdirSync("/proc/self/fd").length;
      const mapping = vfio.Mapping.map({ file, bytes, writable: ${writable}, populate: true, name: "ring" });
      console.log(JSON.stringify({
        ...pagesOf(mapping),
        bytes: [0, 1, 2].map((at) => mapping.registers.read8(7 * ${PAGE} + at)),
        fds: readdirSync("/proc/self/fd").length - fds,
        gone: mapping.gone,
      }));`,
      );
      const all = { present: pages, resident: pages * PAGE, bytes: [1, 2, 3], fds: 0, gone: false };
      expect(result).toEqual(all);
    },
  );

  it("pages that are not to be had are an error there too, and no SIGBUS; the others are taken", () => {
    const result = resultUnderFilter(
      BEFORE_LINUX_5_14,
      `const kernel = vfio.kernel();
      const fd = kernel.memfdCreate("ring", 0);
      kernel.truncate(fd, ${4 * PAGE});
      const handle = kernel.map(fd, 0, ${4 * PAGE}, true, undefined, "ring");
      kernel.truncate(fd, ${3 * PAGE});
      const error = kernel.populate(handle);
      const { blocks } = (await import("node:fs")).fstatSync(fd);
      console.log(JSON.stringify([error, (blocks * 512) / ${PAGE}, kernel.mappingGone(handle)]));`,
    );
    expect(result).toEqual([-12, 3, 2]);
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
    using file = memoryFile(40_000 * PAGE);
    using mapping = Mapping.map({ file, bytes: 40_000 * PAGE, name: "ring" });
    expect(kernel().residentBytes(mapping.handle)).toBe(0);

    const part = { bytes: 3 * PAGE, offset: 20_000 * PAGE, populate: true, name: "a part" };
    using other = Mapping.map({ file, ...part });

    expect(kernel().residentBytes(mapping.handle)).toBe(3 * PAGE);
    expect(kernel().residentBytes(other.handle)).toBe(3 * PAGE);
  });

  it("EBADF is the answer for a mapping that there is not", async () => {
    const { populate, residentBytes, bindMapping, populateAsync } = kernel();

    expect([populate(0), residentBytes(0), bindMapping(0, 0)]).toEqual([-9, -9, -9]);
    expect(await populateAsync(0)).toBe(-9);
  });
});

describe("taking pages off the event loop", () => {
  const BYTES = 1 << 20;

  it("gives the mapping when they are there", async () => {
    using file = memoryFile(BYTES);
    using mapping = await Mapping.mapAsync({ file, bytes: BYTES, name: "much memory", populate: true });
    expect(kernel().residentBytes(mapping.handle)).toBe(BYTES);
  });

  it("rejects with what map() throws", async () => {
    using file = memoryFile(BYTES);
    const wrong = await rejectionOf(Mapping.mapAsync({ file, bytes: 0, name: "nothing" }));
    expect(wrong.code).toBe("ERR_VFIO_MAP_RANGE");
    const beyond = await rejectionOf(Mapping.mapAsync({ file, bytes: 2 * BYTES, name: "too much" }));
    expect(beyond.code).toBe("ENXIO");
  });

  it("leaves no mapping behind when it fails", async () => {
    using file = memoryFile(BYTES);
    using _kernel = useKernel({ ...realKernel(), populateAsync: () => Promise.resolve(-12) });
    const options = { file, bytes: BYTES, populate: true, hint: () => "Reserve more" };
    const error = await rejectionOf(Mapping.mapAsync(options));
    expect(error).toMatchObject({ code: "ENOMEM", hint: "Reserve more" });
    expect(mapsWith("memfd:vfio-dma")).toEqual([]);
  });
});

describe("given a mapping whose pages cannot be taken", () => {
  it.each([
    ["mbind", { bindMapping: () => -1 }, "EPERM"],
    ["madvise", { populate: () => -12 }, "ENOMEM"],
  ])(
    "the error names %s, its hint is made when the mapping is gone, and nothing is left",
    (syscall, failing, code) => {
      using file = memoryFile();
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
