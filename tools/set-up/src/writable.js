/** What set-up has to write. Nothing here may import an npm package: set-up runs before any is installed. */
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

/** Beside Nx's own files, which git ignores. */
const NOTE = ".nx/built-sources";

/**
 * The first of the clone's folders that is not writable, by its permissions or on a read-only file system.
 * @param {string} root
 * @returns {{ folder: string, reason: string } | undefined}
 */
export function notWritable(root) {
  const packages = projectFolders(root).flatMap((folder) => [folder, path.join(folder, "dist")]);
  for (const folder of [root, path.join(root, ".nx"), path.join(root, "node_modules"), ...packages]) {
    const reason = existsSync(folder) ? whyNot(folder) : undefined;
    if (reason !== undefined) return { folder, reason };
  }
  return undefined;
}

/**
 * Whether all packages are built from the present sources. Nx knows that too, but writes to find out.
 * @param {string} root
 */
export function isBuilt(root) {
  const built = projectFolders(root).filter((folder) => isCompiled(root, folder));
  if (!built.every((folder) => existsSync(path.join(folder, "dist")))) return false;
  // Times tell of a build by hand; but a copy of the clone has new times.
  return (
    noted(root) === fingerprint(root) ||
    built.every((folder) => newest(path.join(folder, "src")) <= oldest(path.join(folder, "dist")))
  );
}

/** Notes the sources of the build. @param {string} root */
export function noteBuilt(root) {
  writeFileSync(path.join(root, NOTE), fingerprint(root));
}

/** @param {string} root */
function noted(root) {
  const file = path.join(root, NOTE);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** @param {string} root */
function fingerprint(root) {
  const hash = createHash("sha256");
  for (const folder of projectFolders(root).filter((each) => isCompiled(root, each)))
    for (const file of filesIn(path.join(folder, "src")))
      hash.update(path.relative(root, file)).update(readFileSync(file));
  return hash.digest("hex");
}

/** @param {string} root @param {string} folder */
function isCompiled(root, folder) {
  return (
    path.dirname(folder) === path.join(root, "packages") || existsSync(path.join(folder, "tsup.config.ts"))
  );
}

/** @param {string} root */
function projectFolders(root) {
  return ["packages", "tools"].flatMap((parent) =>
    readdirSync(path.join(root, parent))
      .map((name) => path.join(root, parent, name))
      .filter((folder) => existsSync(path.join(folder, "package.json"))),
  );
}

/** The time of a folder's newest file. @param {string} folder */
function newest(folder) {
  return Math.max(...filesIn(folder).map(timeOf));
}

/** The time of a folder's oldest file. @param {string} folder */
function oldest(folder) {
  return Math.min(...filesIn(folder).map(timeOf));
}

/** @param {string} file */
function timeOf(file) {
  return statSync(file).mtimeMs;
}

/** @param {string} folder */
function filesIn(folder) {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => path.join(folder, name))
    .filter((file) => statSync(file).isFile());
}

/** @param {string} folder */
function whyNot(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return undefined;
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    return code === "EROFS" ? "it is on a read-only file system" : `this user may not write there (${code})`;
  }
}
