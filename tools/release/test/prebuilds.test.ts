import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ARM64_EMULATOR, MUSL } from "@vfio/set-up/debian-packages.js";
import { ensureDebianPackages } from "@vfio/set-up/debian.js";
import { muslBun } from "../src/programs/musl-bun.js";
import { nodeForArm64 } from "../src/programs/nodes.js";
import { prebuilds } from "../src/programs/prebuilds.js";
import { ITS_ANSWER, USES_THE_ADDON } from "../src/consumers/programs.js";

const root = path.resolve(import.meta.dirname, "../../..");
const nodeApi = /^(napi_|node_api_|uv_)/;

let folder: string;
let scratch: string;

beforeAll(() => {
  folder = prebuilds();
  scratch = mkdtempSync(path.join(tmpdir(), "prebuilds-"));
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

const binary = (platform: string): string => path.join(folder, platform, "ioctl-native.node");
const readelf = (option: string, platform: string): string => run("readelf", "-W", option, binary(platform));

/** A binary's dynamic symbols, as `name` or `name@VERSION`. */
function symbols(kind: "defined" | "undefined", file: string): string[] {
  const lines = run("nm", "-D", `--${kind}-only`, file).trim().split("\n");
  return lines.map((line) => line.trim().split(" ").at(-1) ?? "");
}

/** The newest version of a library's symbols that a binary asks for, e.g. of GLIBC. */
function newest(library: string, platform: string): string | undefined {
  const versions = symbols("undefined", binary(platform)).flatMap(
    (symbol) => new RegExp(`@${library}_([\\d.]+)`).exec(symbol)?.[1] ?? [],
  );
  return versions.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
}

describe.each([
  ["linux-x64-glibc", "Advanced Micro Devices X86-64", ["ld-linux-x86-64.so.2", "libc.so.6"]],
  ["linux-arm64-glibc", "AArch64", ["ld-linux-aarch64.so.1", "libc.so.6"]],
  ["linux-x64-musl", "Advanced Micro Devices X86-64", ["libc.musl-x86_64.so.1"]],
])("given the binary for %s", (platform, machine, libraries) => {
  it("it is for that machine, and needs the C library and nothing else", () => {
    expect(readelf("-h", platform)).toContain(machine);
    const needed = [...readelf("-d", platform).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1]);
    expect(needed.sort()).toEqual(libraries);
  });

  it("it shows Node.js its two entry points and nobody anything else", () => {
    expect(symbols("defined", binary(platform)).sort()).toEqual([
      "napi_register_module_v1",
      "node_api_module_get_api_version_v1",
    ]);
  });

  it("an attacker finds no writable table of functions, no executable stack, and canaries", () => {
    expect(readelf("-d", platform)).toMatch(/FLAGS_1.*NOW/);
    expect(readelf("-d", platform)).not.toContain("TEXTREL");
    expect(readelf("-l", platform)).toContain("GNU_RELRO");
    expect(readelf("-l", platform)).toMatch(/GNU_STACK.* RW /);
    expect(symbols("undefined", binary(platform)).join("\n")).toContain("__stack_chk_fail");
  });
});

describe("given the binaries for glibc", () => {
  it.each(["linux-x64-glibc", "linux-arm64-glibc"])(
    "%s asks for nothing newer than Node.js 20 itself does: glibc 2.28",
    (platform) => {
      expect(newest("GLIBC", platform)).toBe("2.28");
      expect(newest("GLIBCXX", platform)).toBeUndefined();
    },
  );
});

describe("given the binary for musl", () => {
  it("asks for nothing that musl and Node.js do not have", async () => {
    await ensureDebianPackages(MUSL, "This test");
    const musl = new Set(symbols("defined", "/usr/lib/x86_64-linux-musl/libc.so"));
    const required =
      run("nm", "-D", "--undefined-only", binary("linux-x64-musl")).match(/(?<= U )\S+/g) ?? [];

    expect(required.length).toBeGreaterThan(40);
    expect(required.filter((symbol) => !musl.has(symbol) && !nodeApi.test(symbol))).toEqual([]);
  });
});

describe("given the package as it is published", () => {
  let program: string;
  beforeAll(() => {
    const home = path.join(scratch, "node_modules/@vfio/ioctl-native");
    mkdirSync(home, { recursive: true });
    const packed = run(
      "npm",
      "pack",
      "--json=false",
      "--silent",
      "--pack-destination",
      scratch,
      packageFolder,
    );
    run("tar", "-xzf", path.join(scratch, packed.trim()), "--strip-components=1", "-C", home);
    program = path.join(scratch, "program.mjs");
    writeFileSync(program, USES_THE_ADDON);
  });
  const packageFolder = path.join(root, "packages/ioctl-native");

  it("Node.js for arm64, in an emulator, loads its binary and works with it", async () => {
    await ensureDebianPackages(ARM64_EMULATOR, "Running a program for arm64");

    const printed = run(
      "qemu-aarch64-static",
      "-L",
      "/usr/aarch64-linux-gnu",
      nodeForArm64(),
      program,
      "wait",
    );

    expect(JSON.parse(printed)).toEqual({ arch: "arm64", ...ITS_ANSWER });
  });

  it("a runtime on musl loads its binary and works with it", async () => {
    const [loader = "", ...args] = await muslBun(path.join(scratch, "musl"));

    expect(JSON.parse(run(loader, ...args, program))).toEqual({ arch: "x64", ...ITS_ANSWER });
  });
});
