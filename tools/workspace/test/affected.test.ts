import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { copyRepository } from "@vfio/release/copy-repository";
import { freshEnvironment, run } from "@vfio/release/run";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LAYERS, PACKAGE_FOLDERS } from "../src/layers.js";

const root = path.resolve(import.meta.dirname, "../../..");
type PackageName = keyof typeof LAYERS;
const names = Object.keys(LAYERS) as PackageName[];

/** A clone of this repository as it is now, to change files in. */
let scratch: string;
let clone: string;

beforeAll(async () => {
  scratch = mkdtempSync(path.join(tmpdir(), "affected-"));
  clone = path.join(scratch, "clone");
  await copyRepository(clone);
  // What is not committed here is no change there.
  await git("add", "--all");
  const author = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
  await git(...author, "commit", "--quiet", "--allow-empty", "-m", "as it is");
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function git(...args: string[]): Promise<string> {
  return run("git", args, { cwd: clone });
}

/** Nx in the clone, with a cache of its own. */
function nx(...args: string[]): Promise<string> {
  const env = freshEnvironment({ NX_CACHE_DIRECTORY: path.join(scratch, "cache") });
  return run(path.join(root, "node_modules/.bin/nx"), args, { cwd: clone, env });
}

/** The projects that CI would run after a change of one file. */
async function affectedBy(file: string): Promise<string[]> {
  appendFileSync(path.join(clone, file), "\n");
  try {
    const shown = await nx("show", "projects", "--affected", "--base=HEAD", "--json");
    return (JSON.parse(shown) as string[]).sort();
  } finally {
    await git("checkout", "--quiet", "--", file);
  }
}

/** What each project may use of ours: the layers, and for the tools their package.json. */
function usedByEach(): Record<string, readonly string[]> {
  const tools = readdirSync(path.join(root, "tools")).map((folder) => {
    const manifest = JSON.parse(readFileSync(path.join(root, "tools", folder, "package.json"), "utf8")) as {
      name: string;
      dependencies?: object;
      devDependencies?: object;
    };
    return [manifest.name, Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })] as const;
  });
  return { ...Object.fromEntries(tools), ...LAYERS };
}

/** A project, and all that stand on it. */
function standingOn(name: string): string[] {
  const used = usedByEach();
  const found = new Set([name]);
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const [user, below] of Object.entries(used))
      if (below.some((each) => found.has(each))) found.add(user);
  }
  return [...found].sort();
}

describe("given a change in one package of a fresh clone", () => {
  it.each(names)("of %s: it runs, and those that stand on it, and nobody else", async (name) => {
    expect(await affectedBy(`${PACKAGE_FOLDERS[name]}/src/index.ts`)).toEqual(standingOn(name));
  });

  it("of C++: everything that stands on the addon runs", async () => {
    const affected = await affectedBy("packages/ioctl-native/native/src/files.cc");

    expect(affected).toEqual(standingOn("@vfio/ioctl-native"));
    expect(affected).toEqual(expect.arrayContaining(names.filter((each) => each !== "@vfio/lab")));
  });

  it("of dma: vfio-core, pci-bar and mp-sync, which stand beside it, do not run", async () => {
    expect(await affectedBy("packages/dma/src/memory/hugepages.ts")).toEqual([
      "@vfio/dma",
      "@vfio/examples",
      "@vfio/workspace",
    ]);
  });

  it("of a page at the root: nothing runs", async () => {
    expect(await affectedBy("ARCHITECTURE.md")).toEqual([]);
  });
});

describe("given a build that was done once", () => {
  const build = (): Promise<string> =>
    nx("run-many", "-t", "build", "build-native", "--projects=@vfio/ioctl-native");
  const addon = (): string =>
    path.join(clone, "packages/ioctl-native/native/build", "linux-x64/ioctl-native.node");
  let first: Buffer;

  beforeAll(async () => {
    await build();
    first = readFileSync(addon());
  });

  it("a second one with nothing changed comes from the cache, the addon too", async () => {
    rmSync(path.dirname(addon()), { recursive: true });
    rmSync(path.join(clone, "packages/ioctl-native/dist"), { recursive: true });

    expect(await build()).toMatch(
      /output from the cache instead of running the command for (\d+) out of \1 tasks/,
    );

    expect(readFileSync(addon()).equals(first)).toBe(true);
    expect(existsSync(path.join(clone, "packages/ioctl-native/dist/index.js"))).toBe(true);
  });

  it("after a change of C++ the addon is compiled, and not taken from the cache", async () => {
    appendFileSync(path.join(clone, "packages/ioctl-native/native/src/files.cc"), "// changed\n");

    expect(await build()).not.toMatch(/for (\d+) out of \1 tasks/);
  });
});

describe("given the graph of the projects", () => {
  it("it shows exactly the layers, apart from what the tests share", async () => {
    const file = path.join(scratch, "graph.json");
    await nx("graph", `--file=${file}`);
    const { graph } = JSON.parse(readFileSync(file, "utf8")) as {
      graph: { dependencies: Record<string, { target: string }[]> };
    };

    const shown = names.map((name) => {
      const below = (graph.dependencies[name] ?? []).map(({ target }) => target);
      return [name, below.filter((target) => target !== "@vfio/test-support").sort()] as const;
    });
    const wanted = names.map((name) => [name, [...LAYERS[name]].sort()] as const);

    expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(wanted));
  });
});
