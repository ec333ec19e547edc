import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";

const root = path.join(import.meta.dirname, "../..");

/** Workers and child processes load the built package: it must be there and not older than its sources. */
export default function buildIfStale(): void {
  const built = statSync(path.join(root, "dist/index.js"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(path.join(root, "src"), { recursive: true, encoding: "utf8" });
  const newest = Math.max(...sources.map((file) => statSync(path.join(root, "src", file)).mtimeMs));
  if (built < newest) execFileSync("npm", ["run", "build", "--silent"], { cwd: root, stdio: "inherit" });
}
