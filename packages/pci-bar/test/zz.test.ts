import fc from "fast-check";
import { expect, it } from "vitest";
import { ConfigPicture, decodeConfig } from "../src/index.js";
import { soundConfigSpaces } from "./config-spaces.js";
import { bdfOf, lspciOfPictures } from "./lspci.js";
it("diff", () => {
  const pictures = fc.sample(soundConfigSpaces, { numRuns: 4000, seed: 1 });
  const read = lspciOfPictures(pictures);
  const seen = new Map<string, number>();
  let compared = 0;
  pictures.forEach((bytes, index) => {
    const name = bdfOf(index);
    const ours = decodeConfig(new ConfigPicture(bytes)).describe({ name }).trimEnd().split("\n").map(l => l.trimEnd());
    const theirs = read[index]!.lines;
    expect(read[index]!.bdf).toBe(name);
    const n = Math.max(ours.length, theirs.length);
    for (let i = 0; i < n; i++) {
      compared++;
      if (ours[i] !== theirs[i]) {
        const key = (theirs[i] ?? "").replace(/[0-9a-f]+/g, "#").slice(0, 40);
        const c = seen.get(key) ?? 0; seen.set(key, c + 1);
        if (c < 2) console.log(`${name} line ${i}\n  ours  :${ours[i]}\n  theirs:${theirs[i]}`);
        break;
      }
    }
  });
  console.log(compared, seen);
});
