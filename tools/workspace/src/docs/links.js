/** Links that lead nowhere: in the repository's Markdown, and in the generated site. Nothing is asked of the network. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import GithubSlugger from "github-slugger";
import MarkdownIt from "markdown-it";

const ELSEWHERE = /^([a-z][a-z+.-]*:|\/\/)/i;
const HTML_LINK = /\s(?:href|src)="([^"]*)"/g;
const HTML_ID = /\sid="([^"]*)"/g;
const markdown = new MarkdownIt({ html: true });

/**
 * What each page of some Markdown files refers to in vain: a file that is not there, or a heading that is none.
 * @param {readonly string[]} files
 * @returns {string[]} a line for each, with the page and the link.
 */
export function brokenLinksOfPages(files) {
  return files.flatMap((file) => brokenLinks(file, linksOfPage(readFileSync(file, "utf8")), headingsOf));
}

/** The same of every HTML page below a folder. @param {string} folder @returns {string[]} */
export function brokenLinksOfSite(folder) {
  const pages = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".html"),
  );
  return pages.flatMap((name) => {
    const file = path.join(folder, name);
    return brokenLinks(file, matches(readFileSync(file, "utf8"), HTML_LINK), idsOf);
  });
}

/**
 * @param {string} file where the links stand.
 * @param {(file: string) => Set<string> | undefined} anchorsOf what can be behind a `#` for a file; undefined: not known.
 */
function brokenLinks(file, links, anchorsOf) {
  const broken = new Set(
    links.filter((link) => !ELSEWHERE.test(link) && !leadsSomewhere(file, link, anchorsOf)),
  );
  return [...broken].map((link) => `${file}: ${link}`);
}

function leadsSomewhere(file, link, anchorsOf) {
  const [place = "", anchor] = decodeURIComponent(link.replaceAll("&amp;", "&")).split("#");
  const target = place === "" ? file : path.resolve(path.dirname(file), place);
  if (!existsSync(target)) return false;
  if (anchor === undefined || anchor === "" || !statSync(target).isFile()) return true;
  return anchorsOf(target)?.has(anchor) ?? true;
}

function linksOfPage(page) {
  const tokens = markdown.parse(page, {}).flatMap((token) => [token, ...(token.children ?? [])]);
  const own = tokens.flatMap((token) => token.attrGet("href") ?? token.attrGet("src") ?? []);
  const inHtml = tokens.filter(({ type }) => type.startsWith("html_"));
  return [...own, ...inHtml.flatMap(({ content }) => matches(content, HTML_LINK))];
}

/** @type {Map<string, Set<string> | undefined>} */
const known = new Map();

function headingsOf(file) {
  return file.endsWith(".md") ? remembered(file, readHeadings) : undefined;
}

function idsOf(file) {
  return file.endsWith(".html") ? remembered(file, (text) => new Set(matches(text, HTML_ID))) : undefined;
}

function remembered(file, read) {
  if (!known.has(file)) known.set(file, read(readFileSync(file, "utf8")));
  return known.get(file);
}

function readHeadings(page) {
  const slugger = new GithubSlugger();
  const tokens = markdown.parse(page, {});
  const titles = tokens.filter((_, index) => tokens[index - 1]?.type === "heading_open");
  const text = (/** @type {import("markdown-it").Token} */ { children }) =>
    (children ?? []).map(({ content }) => content).join("");
  return new Set(titles.map((title) => slugger.slug(text(title))));
}

function matches(text, pattern) {
  return [...text.matchAll(pattern)].map(([, found = ""]) => found);
}
