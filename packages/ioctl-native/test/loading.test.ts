import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";
import * as sources from "../src/index.js";

const root = path.join(import.meta.dirname, "..");
const NAME = JSON.stringify("@vfio/ioctl-native");

/** What a program prints as JSON that uses the package by its name, as a user does. */
function printed(type: "module" | "commonjs", program: string): unknown {
  // Which addon is loaded is what these tests are about: no other one may be put in its place.
  const env = { ...process.env, VFIO_IOCTL_NATIVE_ADDON: undefined };
  const options = { cwd: root, encoding: "utf8", env } as const;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [`--input-type=${type}`, "-e", program],
    options,
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

const use = `
  const event = vfio.EventFd.create();
  event.signal(2);
  console.log(JSON.stringify({ names: Object.keys(vfio).sort(), count: event.read() }));`;
const expected = { names: Object.keys(sources).sort(), count: 2 };

describe("the built package", () => {
  it("loads by import, with every export of the sources", () => {
    expect(printed("module", `import * as vfio from ${NAME}; ${use}`)).toEqual(expected);
  });

  it("loads by require(), and is the same copy as by import", () => {
    const names = expected.names;
    expect(printed("commonjs", `const vfio = { ...require(${NAME}) }; ${use}`)).toMatchObject({
      names: expect.arrayContaining(names) as string[],
      count: 2,
    });
    const same = `import(${NAME}).then((m) => console.log(m.VfioError === require(${NAME}).VfioError));`;
    expect(printed("commonjs", same)).toBe(true);
  });
});

describe("on a platform without an addon", () => {
  const elsewhere = (platform: string, arch: string): string => `
    Object.defineProperty(process, "platform", { value: "${platform}" });
    Object.defineProperty(process, "arch", { value: "${arch}" });
    const vfio = await import(${NAME});
    const status = vfio.vfioStructs.vfio_group_status;
    const { flags } = status.decode(status.encode({ argsz: 8, flags: 3 }));
    let failure;
    try { vfio.openFile("/dev/null"); } catch (error) { failure = error; }
    const { code, message, hint } = failure;
    const isOurs = vfio.isVfioError(failure) && failure instanceof vfio.VfioError;
    console.log(JSON.stringify({ flags, code, message, hint, isOurs }));`;

  it.each([
    ["darwin", "arm64", /VFIO is a part of Linux, and this is darwin-arm64/],
    ["linux", "riscv64", /no compiled addon for linux-riscv64-(glibc|musl) at .*prebuilds/],
  ])(
    "%s-%s: it loads, its pure parts work, the first system call says what is missing",
    (platform, arch, text) => {
      expect(printed("module", elsewhere(platform, arch))).toEqual({
        flags: 3,
        code: "ERR_VFIO_ADDON_UNAVAILABLE",
        message: expect.stringMatching(text) as string,
        hint: expect.stringMatching(/work without it; `npx ioctl-native` compiles it/) as string,
        isOurs: true,
      });
    },
  );
});
