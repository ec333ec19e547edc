import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Outcome } from "../src/rehearsal/rehearsal.js";
import { table } from "../src/rehearsal/table.js";

const root = path.resolve(import.meta.dirname, "../../..");
const program = path.join(root, "tools/release/rehearse.mjs");

function filesBelow(folder: string): string[] {
  const entries = readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) =>
    path.relative(path.join(root, folder), path.join(entry.parentPath, entry.name)),
  );
}

/** What is in every package, and nothing else is. */
const COMMON = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"];

/** What several of a package's entries share. */
const SHARED = /^dist\/[\w-]+-[\w-]{8}(\.d\.ts|\.js)$/;

/** What a package's exports name: its root and its subpaths. */
function builtOf(name: string): string[] {
  const text = readFileSync(path.join(root, `packages/${name}/package.json`), "utf8");
  const { exports } = JSON.parse(text) as { exports: Record<string, { types?: string; default?: string }> };
  const files = Object.values(exports).flatMap(({ types, default: code }) =>
    [types ?? [], code ?? []].flat(),
  );
  return files.map((file) => path.posix.normalize(file));
}

/** What the package with native code has beside that. */
const NATIVE = [
  ...["linux-arm64-glibc", "linux-x64-glibc", "linux-x64-musl"].map(
    (each) => `prebuilds/${each}/ioctl-native.node`,
  ),
  ...["build.mjs", "compile.mjs", "flags.mjs", "exports.map"].map((each) => `native/${each}`),
  // Not the stand-in for libstdc++, which only the prebuilt binaries have.
  ...filesBelow("packages/ioctl-native/native/src")
    .filter((file) => file !== "runtime.cc")
    .map((file) => `native/src/${file}`),
];

describe("given a release of this repository as it is, in a registry of its own", () => {
  let outcome: Outcome;

  beforeAll(() => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, "--json"], { encoding: "utf8" });
    if (stdout === "") throw new Error(`the rehearsal ended with ${status}:\n${stderr}`);
    outcome = JSON.parse(stdout) as Outcome;
    console.log(table(outcome));
  });

  it("everybody can use it", () => {
    expect(outcome.rows.filter(({ passed }) => !passed)).toEqual([]);
  });

  it("everybody has been tried: each Node.js, each TypeScript, without and with a compiler, elsewhere", () => {
    const tried = outcome.rows.map(({ consumer, how }) => `${consumer}: ${how}`);
    const nodes = [20, 22, 24, 26].flatMap((major) =>
      ["only @vfio/dma", "everything"].map((who) => `${who}: Node.js ${major}`),
    );
    const others = [
      "TypeScript: 5",
      "TypeScript: 6",
      "no compiler: PATH",
      "--build-from-source",
      "npx ioctl-native",
    ];
    const elsewhere = ["unsupported platform: simulated", "unsupported platform: types only"];

    const runtimes = ["Bun: system calls", "Deno: system calls"];
    const bundles = [
      ...["esbuild, ESM", "esbuild, CommonJS", "webpack", "Rollup, ESM", "Rollup, CommonJS"],
      "single executable",
    ].map((how) => `bundle: ${how}`);

    for (const wanted of [
      ...nodes,
      ...others,
      ...elsewhere,
      ...runtimes,
      ...bundles,
      "install size",
      "import time",
    ])
      expect(tried.join("\n")).toContain(wanted);
    expect(outcome.rows.filter(({ consumer }) => consumer === "publint, attw")).toHaveLength(5);
    expect(outcome.rows.filter(({ consumer }) => consumer === "TypeScript")).toHaveLength(4);
  });

  it.each(["dma", "ioctl-native", "mp-sync", "pci-bar", "vfio-core"])(
    "the tarball of %s holds what belongs in it, and nothing else",
    (name) => {
      const published = outcome.packages.find((each) => each.name === `@vfio/${name}`);

      const wanted = [...COMMON, ...builtOf(name), ...(name === "ioctl-native" ? NATIVE : [])];
      expect(published?.files.filter((file) => !SHARED.test(file))).toEqual(wanted.sort());
    },
  );

  it("the versions are those that the changesets ask for", () => {
    const changesets = readdirSync(path.join(root, ".changeset")).filter((file) => file.endsWith(".md"));
    const texts = changesets.map((file) => readFileSync(path.join(root, ".changeset", file), "utf8"));
    for (const { name, before, version } of outcome.packages) {
      const named = texts.some((text) => text.includes(`"${name}": `));
      if (named) expect(version, name).not.toBe(before);
    }
    expect(outcome.packages).toHaveLength(5);
  });
});

describe("given every package's licence", () => {
  it.each(["dma", "ioctl-native", "mp-sync", "pci-bar", "vfio-core"])(
    "that of %s is the repository's",
    (name) => {
      const text = (file: string): string => readFileSync(path.join(root, file), "utf8");
      expect(text(`packages/${name}/LICENSE`)).toBe(text("LICENSE"));
    },
  );
});

describe("given somebody who stops the rehearsal", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends its registry, removes its files, and is exit code 130",
    async (signal) => {
      const child = spawn(process.execPath, [program], { stdio: ["ignore", "ignore", "pipe"] });
      let said = "";
      child.stderr.on("data", (chunk) => (said += String(chunk)));
      await expect.poll(() => said, { timeout: 60_000 }).toMatch(/a registry at \S+, in \S+\n/);
      const { url = "", folder = "" } = /at (?<url>\S+), in (?<folder>\S+)\n/.exec(said)?.groups ?? {};
      expect([(await fetch(`${url}-/ping`)).ok, existsSync(folder)]).toEqual([true, true]);

      child.kill(signal);
      const [exitCode] = (await once(child, "exit")) as [number];

      expect(exitCode).toBe(130);
      expect(existsSync(folder)).toBe(false);
      await expect(fetch(url)).rejects.toThrow();
    },
  );
});

describe("given the rehearsal's options", () => {
  it("--help says what it does, and does nothing", () => {
    const { status, stdout } = spawnSync(process.execPath, [program, "--help"], { encoding: "utf8" });

    expect(status).toBe(0);
    expect(stdout).toMatch(/^Usage: npm run release:rehearse/);
  });

  it("an unknown one is refused with the help", () => {
    const { status, stderr } = spawnSync(process.execPath, [program, "--jason"], { encoding: "utf8" });

    expect(status).toBe(2);
    expect(stderr).toMatch(/Unknown option '--jason'[^]*Usage:/);
  });
});
