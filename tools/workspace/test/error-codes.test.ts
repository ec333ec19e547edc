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

  it.each([...described])(
    "then %s names exactly the packages that throw it, a meaning and a remedy",
    (code, page) => {
      expect(page.thrownBy).toEqual(thrown.get(code));
      expect(page.meaning.length).toBeGreaterThan(40);
      expect(page.remedy?.length).toBeGreaterThan(15);
    },
  );
});

describe("given a page with one code", () => {
  const meaning = "Thrown by `@vfio/dma`, `@vfio/mp-sync`: it went wrong.";
  const text = `${meaning.replace("it went", "it\nwent")}\n\n**Remedy:** mend it.`;
  const page = `# Errors\n\n## A package\n\n### ERR_VFIO_A\n\n${text}\n\n## Another part\n\nText.\n`;

  it("then its packages, its meaning and its remedy are read, up to the next part", () => {
    const entry = { thrownBy: ["dma", "mp-sync"], meaning, remedy: "mend it." };
    expect([...describedCodes(page)]).toEqual([["ERR_VFIO_A", entry]]);
  });

  it("then a code without a remedy shows as one", () => {
    expect(describedCodes("### ERR_VFIO_B\n\nText.").get("ERR_VFIO_B")?.remedy).toBeUndefined();
  });
});
