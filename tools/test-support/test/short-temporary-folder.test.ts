import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { shortTemporaryFolder } from "../src/index.js";

describe("given a place for temporary files", () => {
  let base: string;
  const made: string[] = [];
  beforeEach(() => {
    base = mkdtempSync("/tmp/base-");
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    for (const folder of [...made.splice(0), base]) rmSync(folder, { recursive: true });
  });

  /** A folder of it as TMPDIR, whose path has so many bytes; where the short one then lies. */
  function placeOf(bytes: number, letter: string): { place: string; parent: string } {
    const room = bytes - Buffer.byteLength(`${base}/`);
    const place = path.join(base, letter.repeat(room / Buffer.byteLength(letter)));
    expect(Buffer.byteLength(place)).toBe(bytes);
    mkdirSync(place);
    vi.stubEnv("TMPDIR", place);
    const folder = shortTemporaryFolder("sockets-");
    made.push(folder);
    expect(path.basename(folder)).toMatch(/^sockets-.{6}$/);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    return { place, parent: path.dirname(folder) };
  }

  it("whose path has 40 bytes, then a new folder is made there", () => {
    const { place, parent } = placeOf(40, "x");
    expect(parent).toBe(place);
  });

  it.each([
    ["41 bytes", 41, "x"],
    ["fewer characters, but 41 bytes", 41, "\u{1F5C2}"],
    ["120 bytes", 120, "x"],
  ])("whose path has %s, then it is made in /tmp, where a socket's path fits", (_name, bytes, letter) => {
    expect(placeOf(bytes, letter).parent).toBe("/tmp");
  });
});
