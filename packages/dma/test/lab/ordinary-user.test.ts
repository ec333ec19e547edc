import { chownSync, readlinkSync } from "node:fs";
import path from "node:path";
import { NOBODY, runAsNobody } from "@vfio/test-support";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const EDU = "0000:00:10.0";
const node = `/dev/vfio/${path.basename(readlinkSync(`/sys/bus/pci/devices/${EDU}/iommu_group`))}`;

/** Runs a few lines with this package as an ordinary user; they print what happened as JSON. */
function asNobody(limits: string, lines: string): { code?: string; message: string; segments?: number } {
  const dist = (name: string): string => path.resolve(import.meta.dirname, "../../..", name, "dist/index.js");
  const program = `
    import { openFile, ioctl, vfioIoctls } from "${dist("ioctl-native")}";
    import { DmaMapper, HugepageMemory } from "${dist("dma")}";
    const group = openFile("${node}");
    const container = openFile("/dev/vfio/vfio");
    ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
    ioctl(container, vfioIoctls.VFIO_SET_IOMMU, 3);
    try {
      ${lines}
    } catch ({ code, message }) {
      console.log(JSON.stringify({ code, message }));
    }`;
  const result = runAsNobody(
    `${limits} exec ${process.execPath} --input-type=module -e '${program.replaceAll("'", "")}'`,
  );
  expect(result.stderr).toBe("");
  return JSON.parse(result.stdout) as ReturnType<typeof asNobody>;
}

beforeAll(() => chownSync(node, NOBODY, NOBODY));
afterAll(() => chownSync(node, 0, 0));

describe("given an ordinary user to whom the group was given", () => {
  it("IOVA = PA is impossible, since the kernel hides physical addresses: the error offers another mode", () => {
    const outcome = asNobody(
      "",
      `
      const memory = HugepageMemory.allocate({ bytes: 1 });
      new DmaMapper(container, { iova: "physical" }).map(memory);`,
    );

    expect(outcome.code).toBe("ERR_VFIO_PHYSICAL_ADDRESSES_HIDDEN");
    expect(outcome.message).toContain("CAP_SYS_ADMIN");
    expect(outcome.message).toContain('iova: "virtual"');
  });

  it("a fixed IOVA needs no rights beyond the group", () => {
    const outcome = asNobody(
      "ulimit -l 8192;",
      `
      const memory = HugepageMemory.allocate({ bytes: 1 });
      const mapping = new DmaMapper(container).map(memory, { iova: 0x10000000n });
      console.log(JSON.stringify({ message: "mapped", segments: mapping.segments.length }));`,
    );

    expect(outcome).toEqual({ message: "mapped", segments: 1 });
  });

  it("more than RLIMIT_MEMLOCK is ENOMEM: the error tells the limit, what is used, what was asked for, and the ways to raise it", () => {
    const outcome = asNobody(
      "ulimit -l 64;",
      `
      const memory = HugepageMemory.allocate({ bytes: 1 });
      new DmaMapper(container).map(memory, { iova: 0x10000000n });`,
    );

    expect(outcome.code).toBe("ENOMEM");
    expect(outcome.message).toContain("RLIMIT_MEMLOCK is 64 kB, in use 0 kB, asked for 2048 kB more");
    expect(outcome.message).toContain("ulimit -l unlimited");
  });
});
