import { describe, expect, it } from "vitest";
import { createMemoryFile, errnoOf, kernel, Mapping } from "../src/index.js";
import { rejectionOf } from "./support/errors.js";
import { withKernel } from "./support/fake-kernel.js";
import { fdsStayAsTheyWere, mapsWith } from "./support/leaks.js";
import { nativeProgram } from "./support/native-program.js";

fdsStayAsTheyWere();
const BYTES = 1 << 20;

describe("taking pages on a kernel that can't be asked for them", () => {
  const run = nativeProgram("populate", ["mapping.cc", "laid-pages.cc", "fault-guard.cc"]);

  it("touches each, and changes none", () => {
    expect(run("writing")).toEqual({ printed: "0 16 kept 0", end: 0 });
  });

  it("only reads what is mapped read-only", () => {
    expect(run("reading")).toMatchObject({
      printed: expect.stringMatching(/^0 \d+ kept 0$/) as string,
      end: 0,
    });
  });

  it("finds a page that can't be had, and ends nobody", () => {
    expect(run("shrunk")).toEqual({ printed: "12 8 kept 1", end: 0 });
  });
});

describe("taking pages off the event loop", () => {
  it("gives the mapping when they are there", async () => {
    using file = createMemoryFile({ bytes: BYTES, pageBytes: 4096 });
    const mapped = Mapping.mapAsync({ file, bytes: BYTES, name: "much memory", populate: true });
    using mapping = await mapped;
    const [, resident] = /Rss: +(\d+) kB/.exec(smapsOf(mapping.address)) ?? [];
    expect(Number(resident) * 1024).toBe(BYTES);
  });

  it("rejects with what map() throws", async () => {
    using file = createMemoryFile({ bytes: BYTES, pageBytes: 4096 });
    const wrong = await rejectionOf(Mapping.mapAsync({ file, bytes: 0, name: "nothing" }));
    expect(wrong.code).toBe("ERR_VFIO_MAP_RANGE");
    const beyond = await rejectionOf(Mapping.mapAsync({ file, bytes: 2 * BYTES, name: "too much" }));
    expect(beyond.code).toBe("ENXIO");
    expect(await kernel().populateAsync(0)).toBe(errnoOf("EBADF"));
  });

  describe("that fails", () => {
    withKernel({ populateAsync: () => Promise.resolve(errnoOf("ENOMEM")) });
    it("leaves no mapping behind", async () => {
      using file = createMemoryFile({ bytes: BYTES, pageBytes: 4096 });
      const hint = (): string => "Reserve more";
      const error = await rejectionOf(
        Mapping.mapAsync({ file, bytes: BYTES, name: "much memory", populate: true, hint }),
      );
      expect(error).toMatchObject({ code: "ENOMEM", hint: "Reserve more" });
      expect(mapsWith("memfd:vfio-dma")).toEqual([]);
    });
  });
});

function smapsOf(address: bigint): string {
  const smaps = kernel().readText("/proc/self/smaps") as string;
  // At a line's beginning: where another range ends, this one may begin.
  return smaps.slice(smaps.indexOf(`\n${address.toString(16)}-`));
}
