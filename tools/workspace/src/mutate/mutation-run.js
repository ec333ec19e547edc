/** A sample of small changes to the sources, and whether the tests on this host notice each. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { copyRepository } from "@vfio/release/copy-repository";
import { applied, changesOf, described } from "./changes.js";
import { tested, testedUnchanged } from "./try-change.js";

/** The unchanged package's limit. */
const FIRST_MS = 20 * 60_000;

/** Built, and so not in a clone. */
const BUILT = ["dist", "native/build"];

/** All changes to the sources in a package's folder, each with its file and the file's text. */
export function placesIn(folder) {
  const files = readdirSync(path.join(folder, "src"), { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts"))
    .sort()
    .flatMap((name) => {
      const file = path.join("src", name);
      const text = readFileSync(path.join(folder, file), "utf8");
      return changesOf(text).map((change) => ({ file, text, change }));
    });
}

/** Whether a package's change is at a given place, e.g. "packages/dma/src/memory/hugepages.ts:20". */
export function isAt({ file, text, change }, name, wanted) {
  const [, wantedFile, line] = /^(.*?)(?::(\d+))?$/.exec(wanted) ?? [];
  const isLine = line === undefined || described(text, change).line === Number(line);
  return wantedFile === path.join("packages", name, file) && isLine;
}

/** A copy of the repository in which files may be changed, removed in the end. */
export class ChangedCopy {
  constructor(root, folder) {
    this.root = root;
    this.folder = folder;
    this.copy = path.join(folder, "copy");
  }

  static async make(root, packages, signal) {
    const made = new ChangedCopy(root, mkdtempSync(path.join(tmpdir(), "vfio-mutate-")));
    try {
      await copyRepository(made.copy, signal);
      for (const name of packages) made.#takeBuilt(path.join("packages", name));
      return made;
    } catch (error) {
      made.remove();
      throw error;
    }
  }

  /**
   * Runs the unchanged package's tests. @returns the parts in which to run them, each with its files' time.
   * @throws {Error} if they fail: nothing could be said of a change then.
   */
  async unchanged(name, signal) {
    const parts = await testedUnchanged(this.#packageFolder(name), { limitMs: FIRST_MS, signal });
    if (parts !== undefined) return parts;
    throw new Error(`The tests of ${name} fail without any change. Type: npx nx run @vfio/${name}:test`);
  }

  async try(name, { file, text, change }, { parts, signal }) {
    const started = performance.now();
    const folder = this.#packageFolder(name);
    writeFileSync(path.join(folder, file), applied(text, change));
    try {
      const outcome = await tested(folder, file, parts, signal);
      const seconds = (performance.now() - started) / 1000;
      return {
        file: path.join("packages", name, file),
        kind: change.kind,
        ...described(text, change),
        outcome,
        seconds,
      };
    } finally {
      writeFileSync(path.join(folder, file), text);
    }
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 });
  }

  #packageFolder(name) {
    return path.join(this.copy, "packages", name);
  }

  #takeBuilt(folder) {
    for (const built of BUILT) {
      const from = path.join(this.root, folder, built);
      if (existsSync(from)) cpSync(from, path.join(this.copy, folder, built), { recursive: true });
    }
  }
}
