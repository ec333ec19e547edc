import { describe, expect, it } from "vitest";
import { dialectOf } from "../src/dpdk/dialect.js";
import { decodeDpdkVersion } from "../src/dpdk/version.js";
import { joinDpdkPrimary } from "../src/index.js";
import { FakeDpdkPrimary, type DpdkPlan } from "./support/dpdk-primary.js";
import { expectError } from "./support/errors.js";
import { expectNoFdLeft, identityOf } from "./support/fds.js";
import { useFolder } from "./support/folder.js";
import { useFilesThatAnswerAsVfio } from "./support/kernel.js";

useFolder();
useFilesThatAnswerAsVfio();

const version = (year: number, month: number, minor = 0, release = 99): number =>
  year * 2 ** 24 + month * 2 ** 16 + minor * 2 ** 8 + release;
const OLD: DpdkPlan["codes"] = { newContainer: 0x100, container: 0x400, iommuType: 0x800 };
const NEW: DpdkPlan["codes"] = { container: 0x100, iommuType: 0x400 };

describe("the version in a runtime directory", () => {
  it.each([
    [0x160b0b63, "22.11.11"],
    [version(19, 8), "19.08.0"],
    [version(26, 7, 3), "26.07.3"],
    [version(25, 11, 0, 2), "25.11.0-rc2"],
    [4, "before 19.08"],
    [0, "before 19.08"],
  ])("0x%s is read as %s", (value, text) => {
    expect(decodeDpdkVersion(value).text).toBe(text);
  });
});

describe.each<[string, number, 332 | 340, DpdkPlan["codes"]]>([
  ["18.11 to 19.05, which wrote no version", 4, 332, OLD],
  ["19.08", version(19, 8), 332, OLD],
  ["20.11.10", version(20, 11, 10), 332, OLD],
  ["22.11.10", version(22, 11, 10), 332, OLD],
  ["22.11.11", version(22, 11, 11), 332, NEW],
  ["23.03", version(23, 3), 332, OLD],
  ["23.11.7", version(23, 11, 7), 332, OLD],
  ["24.11.6", version(24, 11, 6), 332, OLD],
  ["25.07", version(25, 7), 332, OLD],
  ["25.11", version(25, 11), 340, NEW],
  ["26.07", version(26, 7), 340, NEW],
])("given a primary of DPDK %s", (_name, number, size, codes) => {
  expectNoFdLeft();

  it("when it is joined, it gives its IOMMU type, its own container and its groups, and goes on", async () => {
    await using fake = await FakeDpdkPrimary.start({ version: number, size, codes });
    using primary = await joinDpdkPrimary({ directory: fake.directory });

    expect(await primary.iommuType()).toBe(1);
    expect(identityOf(await primary.container())).toBe(fake.identityOf("vfio"));
    expect(identityOf(await primary.group(7))).toBe(fake.identityOf("7"));
    expect(identityOf(await primary.group(0))).toBe(fake.identityOf("0"));

    await fake.told(5);
    expect(fake.asked.map(({ req, value }) => [req, value])).toEqual([
      [codes.iommuType, 0],
      [codes.container, 0],
      [0x200, 7],
      [0x200, 0],
    ]);
    for (const request of fake.asked) {
      expect(request).toMatchObject({
        type: 1,
        name: "eal_vfio_mp_sync",
        length: 12,
        fds: 0,
        rest: 0,
        mode: 0o600,
      });
      expect(request.peer).toMatch(/\/\.vfio_reply_[0-9a-f]{16}$/);
    }
    expect(new Set(fake.asked.map(({ peer }) => peer)).size).toBe(4);
    expect(fake.socketsLeft()).toEqual([]);
  });
});

describe("given a version that nobody knows yet", () => {
  expectNoFdLeft();

  it.each([
    ["18.02, which spoke otherwise", version(18, 2)],
    ["a release candidate", version(25, 11, 0, 1)],
    ["the next of Debian 12's line", version(22, 11, 12)],
    ["the next of 23.11", version(23, 11, 8)],
    ["the next of 24.11", version(24, 11, 7)],
    ["the first stable one of 25.11", version(25, 11, 1)],
    ["the first stable one of 26.07", version(26, 7, 1)],
    ["26.11", version(26, 11)],
    ["something far off", 0xffffffff],
  ])("%s: it is refused, and nothing was sent", async (_name, number) => {
    await using fake = await FakeDpdkPrimary.start({ version: number });
    await expectError(
      () => joinDpdkPrimary({ directory: fake.directory }),
      "ERR_VFIO_DPDK_VERSION",
      `the primary in ${fake.directory} is DPDK `,
      "Nothing was sent",
    );
    expect(dialectOf(decodeDpdkVersion(number))).toBeUndefined();
    expect(fake.events).toHaveLength(1);
  });

  it("a file that is no DPDK's is refused, with what it begins with", async () => {
    await using fake = await FakeDpdkPrimary.start({ magic: 0x12345678 });
    const text = "begins with 0x12345678";
    await expectError(() => joinDpdkPrimary({ directory: fake.directory }), "ERR_VFIO_DPDK_VERSION", text);
  });
});
