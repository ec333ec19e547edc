import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";

const root = path.join(import.meta.dirname, "../..");
const dist = path.join(root, "dist");

/**
 * Workers and child processes load the built package: it must be there and not older than its sources. Other packages'
 * tests may load it at this moment, so it is built elsewhere and each file put in its place at once.
 */
export default function buildIfStale(): void {
  const built = statSync(path.join(dist, "index.js"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" });
  const newest = Math.max(...sources.map((file) => statSync(path.join(root, "src", file)).mtimeMs));
  if (built < newest) build();
}

function build(): void {
  const results = path.join(root, "../../.results");
  mkdirSync(results, { recursive: true });
  const scratch = mkdtempSync(path.join(results, "build-"));
  try {
    const command = ["run", "build", "--silent", "--", "--out-dir", scratch];
    execFileSync("npm", command, { cwd: root, stdio: "inherit" });
    // index.js is the last: its age tells whether a build is needed.
    for (const file of [...filesIn(scratch).filter((each) => each !== "index.js"), "index.js"]) {
      mkdirSync(path.dirname(path.join(dist, file)), { recursive: true });
      renameSync(path.join(scratch, file), path.join(dist, file));
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
}
