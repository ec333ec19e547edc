import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import { run } from "../run.js";

const root = path.resolve(import.meta.dirname, "../../../..");

/**
 * A clone of this repository, since changelogs name commits, with uncommitted changes. The installed packages are links
 * to this one's.
 * @param {string} copy the folder, which must not exist.
 * @param {AbortSignal} [signal]
 */
export async function copyRepository(copy, signal) {
  const git = (/** @type {string[]} */ ...args) =>
    run("git", args, { cwd: root, ...(signal === undefined ? {} : { signal }) });
  await git("clone", "--quiet", "--shared", root, copy);
  const list = async (/** @type {string[]} */ ...args) => (await git(...args)).split("\0").filter(Boolean);
  // Against HEAD, which the clone has: staged changes count too.
  const changes = ["diff", "--name-only", "--no-renames", "-z", "HEAD"];
  for (const file of await list(...changes, "--diff-filter=D"))
    rmSync(path.join(copy, file), { force: true });
  const changed = await list(...changes, "--diff-filter=d");
  const added = await list("ls-files", "-z", "--others", "--exclude-standard");
  for (const file of [...changed, ...added])
    cpSync(path.join(root, file), path.join(copy, file), { recursive: true });
  linkNodeModules(copy);
}

/** Our installed packages, but not links to ourselves: those lead to the copy's own folders. @param {string} copy */
function linkNodeModules(copy) {
  const from = path.join(root, "node_modules");
  const to = path.join(copy, "node_modules");
  mkdirSync(to);
  for (const name of readdirSync(from).filter((each) => each !== "@vfio" && each !== ".cache"))
    symlinkSync(path.join(from, name), path.join(to, name));
  cpSync(path.join(from, "@vfio"), path.join(to, "@vfio"), { recursive: true, verbatimSymlinks: true });
}
