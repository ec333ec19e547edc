import { rmSync } from "node:fs";
import path from "node:path";
import { shortTemporaryFolder } from "@vfio/test-support";
import { afterAll, beforeAll } from "vitest";

let folder = "";
let count = 0;

/** One temporary folder for the test file, removed after it. */
export function useFolder(): void {
  beforeAll(() => {
    folder = shortTemporaryFolder("mps-");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
}

/** A path in the folder where nothing is yet. */
export function freshPath(): string {
  return path.join(folder, `s${count++}`);
}
