import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { describedCodes, mentionedCodes, thrownCodes } from "../src/docs/error-codes.js";

const root = path.resolve(import.meta.dirname, "../../..");
const thrown = thrownCodes(root);
const described = describedCodes(readFileSync(path.join(root, "docs/errors.md"), "utf8"));

describe("given the sources of all packages and the error page", () => {
  it("then there is something to compare, from TypeScript and from C++", () => {
    expect(thrown.get("ERR_VFIO_GROUP_NOT_VIABLE")).toEqual(["vfio-core"]);
    expect(thrown.get("ERR_VFIO_REGISTER_OFFSET")).toEqual(["ioctl-native", "pci-bar"]);
  });

  it("then every code that is thrown is on the page, and every code on the page is thrown", () => {
    expect([...described.keys()].sort()).toEqual([...thrown.keys()].sort());
  });

  it("then no comment promises a code that nobody throws", () => {
    expect([...mentionedCodes(root)].filter((code) => !thrown.has(code))).toEqual([]);
  });

  it.each([...described.keys()])("then %s names exactly the packages that throw it", (code) => {
    expect(described.get(code)?.thrownBy).toEqual(thrown.get(code));
  });

  it.each([...described.keys()])("then %s has a meaning and a remedy", (code) => {
    const { meaning = "", remedy = "" } = described.get(code) ?? {};
    expect(meaning.length).toBeGreaterThan(40);
    expect(remedy.length).toBeGreaterThan(15);
  });
});

describe("given a page with one code", () => {
  const page = [
    "# Errors",
    "",
    "## A package",
    "",
    "### ERR_VFIO_A",
    "",
    "Thrown by `@vfio/dma`, `@vfio/mp-sync`: it",
    "went wrong.",
    "",
    "**Remedy:** mend it.",
    "",
    "## Another part",
    "",
    "Text.",
    "",
  ].join("\n");

  it("then its packages, its meaning and its remedy are read, up to the next part", () => {
    expect(describedCodes(page)).toEqual(
      new Map([
        [
          "ERR_VFIO_A",
          {
            thrownBy: ["dma", "mp-sync"],
            meaning: "Thrown by `@vfio/dma`, `@vfio/mp-sync`: it went wrong.",
            remedy: "mend it.",
          },
        ],
      ]),
    );
  });

  it("then a code without a remedy shows as one", () => {
    expect(describedCodes("### ERR_VFIO_B\n\nText.").get("ERR_VFIO_B")?.remedy).toBeUndefined();
  });
});
