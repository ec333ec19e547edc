import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import * as sources from "../src/index.js";
import * as vfioSources from "../src/vfio/index.js";

const root = path.join(import.meta.dirname, "..");
const NAME = JSON.stringify("@vfio/ioctl-native");
const VFIO = JSON.stringify("@vfio/ioctl-native/vfio");

/** What a program prints as JSON that uses the package by its name, as a user does. */
function printed(type: "module" | "commonjs", program: string, options: Attempt = {}): unknown {
  const args = [...(options.options ?? []), "--no-warnings", `--input-type=${type}`, "-e", program];
  // Which addon is loaded is what these tests are about: no other one may be put in its place.
  const env = { ...process.env, VFIO_IOCTL_NATIVE_ADDON: options.named };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", env });
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
    const names = expect.arrayContaining(expected.names) as string[];
    expect(printed("commonjs", `const vfio = { ...require(${NAME}) }; ${use}`)).toMatchObject({
      names,
      count: 2,
    });
    const same = `import(${NAME}).then((m) => console.log(m.VfioError === require(${NAME}).VfioError));`;
    expect(printed("commonjs", same)).toBe(true);
  });

  it("/vfio has every export of its sources, and asks the kernel that the root was given", () => {
    const program = `
      import { kernel, useKernel } from ${NAME};
      import * as vfio from ${VFIO};
      useKernel({ ...kernel, ioctl: () => 7 });
      console.log(JSON.stringify({ names: Object.keys(vfio).sort(), answer: vfio.getApiVersion({ fd: 0 }) }));`;
    const names = Object.keys(vfioSources).sort();
    expect(printed("module", program)).toEqual({ names, answer: 7 });
  });
});

describe("on a platform without an addon", () => {
  const elsewhere = (platform: string, arch: string): string => `
    Object.defineProperty(process, "platform", { value: "${platform}" });
    Object.defineProperty(process, "arch", { value: "${arch}" });
    const vfio = await import(${NAME});
    const { vfioStructs: { vfio_group_status: status } } = await import(${VFIO});
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

/** What a system call gives in a program: a count, or the error. */
const TRIES = `
  let said;
  try {
    const event = vfio.EventFd.create();
    event.signal(3);
    said = { count: event.read() };
  } catch ({ code, message, hint, cause }) { said = { code, message, hint, reason: cause?.code }; }
  console.log(JSON.stringify(said));`;

interface Attempt {
  readonly options?: readonly string[];
  readonly named?: string;
  readonly copy?: string;
}

/** The same with options of Node.js, a named binary, or another copy of the built file. */
function tried(attempt: Attempt): unknown {
  const copy = attempt.copy ?? path.join(root, "dist/index.js");
  const program = `import * as vfio from ${JSON.stringify(pathToFileURL(copy).href)}; ${TRIES}`;
  return printed("module", program, attempt);
}

function unavailable(message: RegExp, hint: RegExp, reason?: string): unknown {
  const text = (pattern: RegExp): unknown => expect.stringMatching(pattern);
  const told = { code: "ERR_VFIO_ADDON_UNAVAILABLE", message: text(message), hint: text(hint) };
  return reason === undefined ? told : { ...told, reason };
}

describe("given VFIO_IOCTL_NATIVE_ADDON", () => {
  it("an empty one is none", () => {
    expect(tried({ named: "" })).toEqual({ count: 3 });
  });

  it.each([
    ["/no/such/addon.node", /\/no\/such\/addon\.node does not load: .*No such file/],
    ["/etc/hostname", /\/etc\/hostname does not load/],
    [path.join(root, "dist/index.js"), /index\.js does not load: .*(invalid ELF header|file too short)/],
  ])("%s is named in the error, and the variable too", (named, message) => {
    const error = unavailable(message, /^VFIO_IOCTL_NATIVE_ADDON names it/, "ERR_DLOPEN_FAILED");
    expect(tried({ named })).toEqual(error);
  });
});

describe("given a Node.js that may not load addons, compiling is not the remedy", () => {
  it("--no-addons is to be left out", () => {
    const error = unavailable(/does not load/, /^Start Node\.js without --no-addons/, "ERR_DLOPEN_DISABLED");
    expect(tried({ options: ["--no-addons"] })).toEqual(error);
  });

  const permission = process.allowedNodeEnvironmentFlags.has("--permission")
    ? "--permission"
    : "--experimental-permission";

  it("--permission needs --allow-addons", () => {
    const hint = /--permission: it needs --allow-addons/;
    const error = unavailable(/does not load/, hint, "ERR_DLOPEN_DISABLED");
    expect(tried({ options: [permission, "--allow-fs-read=*"] })).toEqual(error);
  });

  it("--permission without the right to read: the binary seems not to be there, and the hint says why", () => {
    const options = [permission, `--allow-fs-read=${path.join(root, "dist")}/*`];
    expect(tried({ options })).toMatchObject(
      unavailable(/compiled addon does not load/, /--permission: it needs .*--allow-fs-read/) as object,
    );
  });
});

describe("given a file that was carried away from its package, as bundles are", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "vfio-bundle-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("without the addon it says what to copy where", () => {
    const copied = `copy its prebuilds/linux-.*/ioctl-native\\.node into ${folder}, or name it in VFIO_`;
    const error = unavailable(/is not installed where this program is/, new RegExp(copied));
    expect(tried({ copy: carriedAway(folder) })).toEqual(error);
  });

  it("with the addon beside it, it works", () => {
    const copy = carriedAway(folder);
    cpSync(ownBuild(), path.join(folder, "ioctl-native.node"));
    expect(tried({ copy })).toEqual({ count: 3 });
  });

  it("with another binary that is named, from wherever the program runs, it works too", () => {
    const named = path.join(folder, "renamed");
    cpSync(ownBuild(), named);
    expect(tried({ named, copy: carriedAway(folder) })).toEqual({ count: 3 });
  });

  it("with something else beside it, the reason is told", () => {
    const copy = carriedAway(folder);
    writeFileSync(path.join(folder, "ioctl-native.node"), "no addon");
    const error = { code: "ERR_VFIO_ADDON_UNAVAILABLE", reason: "ERR_DLOPEN_FAILED" };
    expect(tried({ copy })).toMatchObject(error);
  });
});

function ownBuild(): string {
  return path.join(root, "native/build", `${process.platform}-${process.arch}`, "ioctl-native.node");
}

function carriedAway(folder: string): string {
  const copy = path.join(folder, "bundle.mjs");
  const dist = path.join(root, "dist");
  for (const file of readdirSync(dist))
    if (file.endsWith(".js")) cpSync(path.join(dist, file), path.join(folder, file));
  renameSync(path.join(folder, "index.js"), copy);
  return copy;
}
