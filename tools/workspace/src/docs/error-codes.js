/** The stable error codes (`ERR_VFIO_…`) in the packages' sources and in docs/errors.md, which a test compares. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

/** The packages that throw codes of their own, lowest first. */
const PACKAGES = ["ioctl-native", "vfio-core", "dma", "pci-bar", "mp-sync"];

/**
 * The codes that each package's sources throw. A code counts as a string of its own; comments have it in backquotes.
 * @param {string} root of the workspace.
 * @returns {Map<string, string[]>} code → names of the packages that throw it, lowest first.
 */
export function thrownCodes(root) {
  const thrownBy = new Map();
  for (const name of PACKAGES)
    for (const code of new Set(sourcesOf(root, name).match(/(?<=")ERR_VFIO_[A-Z_]+(?=")/g)))
      thrownBy.set(code, [...(thrownBy.get(code) ?? []), name]);
  return thrownBy;
}

/**
 * Every code in the sources, comments included: a comment must not promise a code that nobody throws.
 * @param {string} root of the workspace.
 * @returns {Set<string>}
 */
export function mentionedCodes(root) {
  return new Set(PACKAGES.flatMap((name) => sourcesOf(root, name).match(/ERR_VFIO_[A-Z_]*[A-Z]/g) ?? []));
}

/**
 * The codes on the page: a heading for each, then who throws it, its meaning, and the remedy.
 * @param {string} page the text of docs/errors.md.
 * @returns {Map<string, { thrownBy: string[], meaning: string, remedy: string | undefined }>}
 */
export function describedCodes(page) {
  const sections = page.split(/^### /m).slice(1);
  return new Map(sections.map((section) => described((section.split(/^## /m)[0] ?? "").split("\n"))));
}

function described([heading = "", ...rest]) {
  const text = rest.join(" ").replaceAll(/\s+/g, " ").trim();
  const [meaning = "", remedy] = text.split("**Remedy:**").map((part) => part.trim());
  const [who = ""] = meaning.split(":");
  const thrownBy = [...who.matchAll(/`@vfio\/([a-z-]+)`/g)].map(([, name]) => name);
  return [heading.trim(), { thrownBy, meaning, remedy }];
}

function sourcesOf(root, name) {
  const folders = ["src", "native/src"].map((folder) => path.join(root, "packages", name, folder));
  const files = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true }).map((file) => path.join(folder, file)));
  return files
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
}
