import { expect, it } from "vitest";
import { ConfigPicture, decodeConfig } from "../src/index.js";
import { recordedConfigSpaces, unknownCapabilities } from "./config-spaces.js";
import { bdfOf, recordedLspci } from "./lspci.js";

/** What lspci 3.9 does not know yet, and the number that it has instead. */
const YOUNGER = [
  ["Flattening Portal Bridge", "Capability ID 0x15"],
  ["Physical Layer 32.0 GT/s", "Capability ID 0x2a"],
] as const;

it("given config spaces with every capability and anything in their registers, they read as lspci reads them", () => {
  const ours = recordedConfigSpaces.flatMap((picture, index) => {
    const text = decodeConfig(new ConfigPicture(picture)).describe({ name: bdfOf(index) });
    return text
      .split("\n")
      .map((line) => line.trimEnd())
      .filter(Boolean);
  });

  expect(ours).toEqual(recordedLspci());
});

it("given a capability that is not decoded, its name is lspci's, which may know more of it", () => {
  const theirs = recordedLspci("lspci-3.9-names");

  unknownCapabilities.forEach((picture, index) => {
    const lines = decodeConfig(new ConfigPicture(picture)).describe().split("\n");
    const ours = lines.findLast((line) => line.startsWith("\tCapabilities:"))?.replace(" <?>", "") ?? "none";

    const number = YOUNGER.find(([name]) => ours.endsWith(name))?.[1];
    if (number === undefined) expect(theirs[index]?.slice(0, ours.length)).toBe(ours);
    else expect(theirs[index]).toContain(number);
  });
});
