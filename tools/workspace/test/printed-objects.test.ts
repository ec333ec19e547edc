import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";

const packages = path.resolve(import.meta.dirname, "../../../packages");
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** The published packages, as they were built. */
const built = readdirSync(packages, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .filter((name) => {
    const manifest = readFileSync(path.join(packages, name, "package.json"), "utf8");
    return (JSON.parse(manifest) as { private?: boolean }).private !== true;
  });

function isResource(
  value: unknown,
): value is { readonly name: string; readonly prototype: { toString(): string } } {
  if (typeof value !== "function" || typeof value.prototype !== "object") return false;
  const { prototype } = value as { prototype: object | null };
  return prototype !== null && (Symbol.dispose in prototype || Symbol.asyncDispose in prototype);
}

describe("given every class of a resource that is exported, what it is can be seen when it is printed", () => {
  it.each(built)("%s", async (name) => {
    const url = pathToFileURL(path.join(packages, name, "dist/index.js")).href;
    const exported = Object.values((await import(url)) as Record<string, unknown>);
    const resources = exported.filter(isResource);

    expect(resources.length).toBeGreaterThan(0);
    const mute = resources.filter(
      ({ prototype }) => !(INSPECT in prototype) || !Object.hasOwn(prototype, "toString"),
    );
    expect(mute.map((each) => each.name)).toEqual([]);
    for (const { prototype, name: type } of resources) expect(prototype.toString()).toBe(`${type} {}`);
  });
});
