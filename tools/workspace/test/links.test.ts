import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { LinkChecker, LinkState } from "linkinator";
import { expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");
/** The address at which the checker serves the pages to itself; nothing is asked of the network. */
const HERE = /^http:\/\/localhost:/;

/** The links of some pages below a folder that lead to no file, or to no place in it. */
async function brokenLinks(serverRoot: string, pages: string[]): Promise<string[]> {
  const { links } = await new LinkChecker().check({
    path: pages,
    serverRoot,
    markdown: true,
    directoryListing: true,
    checkFragments: true,
    linksToSkip: (link) => Promise.resolve(!HERE.test(link)),
  });
  expect(links.length).toBeGreaterThanOrEqual(pages.length);
  const broken = links.filter(({ state }) => state === LinkState.BROKEN);
  return [...new Set(broken.map(({ url, parent }) => `${parent ?? "the page itself"}: ${url}`))].sort();
}

function htmlBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".html"));
}

it("given all Markdown of the repository, every link leads to a file, and every anchor to a heading", async () => {
  const listing = ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"];
  const listed = execFileSync("git", listing, { cwd: root, encoding: "utf8" }).trim().split("\n");
  const pages = listed.filter((file) => existsSync(path.join(root, file)));

  expect(pages.length).toBeGreaterThan(10);
  expect(await brokenLinks(root, pages)).toEqual([]);
});

it("given the generated site, every link leads to a page, and every anchor to a place in it", async () => {
  const site = path.join(root, "docs/site");

  expect(await brokenLinks(site, htmlBelow(site))).toEqual([]);
});

it("given pages with links that lead nowhere, each is named with its page, and the good ones are not", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "links-"));
  const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);
  write("other.md", "# The `right` heading\n");
  const good = "[a](other.md) [b](other.md#the-right-heading) [c](#here) [d](https://example.org/none)";
  write("page.md", `# Here\n\n${good} [e](none.md) [f](other.md#wrong) ![g](none.svg)\n`);
  write("to.html", '<h1 id="top">To</h1>');
  const links = ["to.html#top", "to.html#bottom", "gone.html", "#nowhere"];
  write("from.html", links.map((link) => `<a href="${link}">x</a>`).join("\n"));

  expect(await brokenLinks(folder, ["page.md", "from.html"])).toEqual([
    "from.html: gone.html",
    "from.html: to.html#bottom",
    "page.md: none.md",
    "page.md: none.svg",
    "page.md: other.md#wrong",
    "the page itself: from.html#nowhere",
  ]);
  rmSync(folder, { recursive: true });
});
