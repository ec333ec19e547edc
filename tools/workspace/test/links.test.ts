import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { brokenLinksOfPages, brokenLinksOfSite } from "../src/docs/links.js";

const root = path.resolve(import.meta.dirname, "../../..");
const site = path.join(root, "docs/site");

describe("given all Markdown of the repository", () => {
  it("then every link leads to a file, and every anchor to a heading", () => {
    const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], {
      cwd: root,
      encoding: "utf8",
    });
    const files = listed
      .trim()
      .split("\n")
      .map((file) => path.join(root, file))
      .filter(existsSync);
    expect(files.length).toBeGreaterThan(10);
    expect(brokenLinksOfPages(files)).toEqual([]);
  });
});

describe("given the generated site", () => {
  it("then every link leads to a page, and every anchor to a place in it", () => {
    expect(brokenLinksOfSite(site)).toEqual([]);
  });
});

describe("given pages with links that lead nowhere", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "links-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };

  it("then each is named with its page, and the good ones are not", () => {
    write("other.md", "# The `right` heading\n");
    const good = "[a](other.md) [b](other.md#the-right-heading) [c](#here) [d](https://example.org/none)";
    const page = write("page.md", `# Here\n\n${good} [e](none.md) [f](other.md#wrong) ![g](none.svg)\n`);
    expect(brokenLinksOfPages([page])).toEqual(
      ["none.md", "other.md#wrong", "none.svg"].map((link) => `${page}: ${link}`),
    );
  });

  it("then so they are in HTML", () => {
    write("to.html", '<h1 id="top">To</h1>');
    const links = ["to.html#top", "to.html#bottom", "gone.html", "#nowhere"].map(
      (link) => `<a href="${link}">x</a>`,
    );
    const page = write("from.html", links.join("\n"));
    expect(brokenLinksOfSite(folder)).toEqual(
      ["to.html#bottom", "gone.html", "#nowhere"].map((link) => `${page}: ${link}`),
    );
  });
});
