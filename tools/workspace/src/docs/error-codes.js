/**
 * The stable error codes (`ERR_VFIO_…`): which package's sources throw which, and which the page docs/errors.md
 * describes. A test holds one against the other.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** The packages that throw codes of their own, lowest first. */
const PACKAGES = ["ioctl-native", "vfio-core", "dma", "pci-bar", "mp-sync"];

/** Where a package's sources are; a folder that it does not have is passed over. */
const SOURCE_FOLDERS = ["src", "native/src"];

/**
 * The codes that each package's sources throw. A code counts where it is a string of its own: in a comment it is
 * written in backquotes, and there it only says what another function throws.
 * @param {string} root the workspace's root.
 * @returns {Map<string, string[]>} code → names of the packages that throw it, lowest first.
 */
export function thrownCodes(root) {
  const thrownBy = new Map();
  for (const name of PACKAGES) {
    const texts = sourcesOf(path.join(root, "packages", name));
    const codes = texts.flatMap((text) => text.match(/(?<=")ERR_VFIO_[A-Z_]+(?=")/g) ?? []);
    for (const code of new Set(codes)) thrownBy.set(code, [...(thrownBy.get(code) ?? []), name]);
  }
  return thrownBy;
}

/**
 * Every code that the sources mention at all, comments included: a comment must not promise one that nobody throws.
 * @param {string} root the workspace's root.
 * @returns {Set<string>}
 */
export function mentionedCodes(root) {
  const texts = PACKAGES.flatMap((name) => sourcesOf(path.join(root, "packages", name)));
  return new Set(texts.flatMap((text) => text.match(/ERR_VFIO_[A-Z_]*[A-Z]/g) ?? []));
}

/**
 * The codes that the page describes: a heading for each, then who throws it, what it means, and the remedy.
 * @param {string} page the text of docs/errors.md.
 * @returns {Map<string, { thrownBy: string[], meaning: string, remedy: string | undefined }>}
 */
export function describedCodes(page) {
  const described = new Map();
  for (const section of page.split(/^### /m).slice(1)) {
    const [heading = "", ...rest] = (section.split(/^## /m)[0] ?? "").split("\n");
    const text = rest.join(" ").replaceAll(/\s+/g, " ").trim();
    const [meaning = "", remedy] = text.split("**Remedy:**").map((part) => part.trim());
    const [thrownBy = ""] = meaning.split(":");
    described.set(heading.trim(), {
      thrownBy: [...thrownBy.matchAll(/`@vfio\/([a-z-]+)`/g)].map((match) => match[1] ?? ""),
      meaning,
      remedy,
    });
  }
  return described;
}

/**
 * @param {string} folder a package's folder.
 * @returns {string[]} the text of each of its source files.
 */
function sourcesOf(folder) {
  return SOURCE_FOLDERS.flatMap((name) => filesBelow(path.join(folder, name))).map((file) =>
    readFileSync(file, "utf8"),
  );
}

function filesBelow(folder) {
  const entries = tryList(folder);
  return entries.flatMap((entry) => {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(file) : [file];
  });
}

function tryList(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return [];
    throw error;
  }
}
