import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import sirv from "sirv";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openBrowser } from "../src/docs/browser.js";
import { contrasts, overhang } from "../src/docs/page-checks.js";

const root = path.resolve(import.meta.dirname, "../../..");
const site = path.join(root, "docs/site");
const pictures = path.join(root, ".results/site");
const PHONE = { width: 390, height: 844 };
const PAGES = [
  "index.html",
  "modules.html",
  "documents/The_ten_steps.html",
  "documents/Errors.html",
  "documents/The_protocol_between_primary_and_secondary.html",
  "documents/Benchmarks.html",
  "documents/Architecture.html",
  "documents/Changes_in__vfio_dma.html",
  "modules/_vfio_dma.html",
  "modules/_vfio_mp-sync.html",
  "classes/_vfio_dma.DmaMapper.html",
  "interfaces/_vfio_ioctl-native.index.Kernel.html",
];

let browser: Browser;
const server = createServer(sirv(site));
let address: string;

beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  browser = await openBrowser();
});

afterAll(async () => {
  await browser.close();
  server.close();
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
});

/** A page of the site, and what the browser complained of. */
async function open(
  file: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
  });
  await page.goto(address + file);
  if (complaints.length === 0)
    await page.locator("#tsd-nav-container a").first().waitFor({ state: "attached" });
  return { page, complaints };
}

async function picture(page: Page, name: string): Promise<void> {
  await page.evaluate("Promise.all(document.getAnimations().map(({ finished }) => finished))");
  await page.screenshot({ path: path.join(pictures, `${name}.png`) });
}

describe("given the site on a wide screen", () => {
  it("when its front page is opened, then it says what this is, and leads to guides and packages", async () => {
    const { page, complaints } = await open("index.html", { viewport: { width: 1280, height: 900 } });
    expect(await page.locator("h1").innerText()).toContain("userspace PCI drivers in TypeScript");
    const entries = await page.locator("#tsd-nav-container a").allInnerTexts();
    expect(entries).toEqual(
      expect.arrayContaining(["The ten steps", "Errors", "Benchmarks", "Architecture"]),
    );
    for (const name of ["vfio-core", "dma", "pci-bar", "mp-sync", "ioctl-native"])
      expect(entries.join("\n")).toContain(`@vfio/${name}`);
    expect(complaints).toEqual([]);
    await picture(page, "front");
  });

  it("when DmaMapper is searched for, then its page is one click away, with an example", async () => {
    const { page, complaints } = await open("index.html");
    await page.locator("#tsd-search-trigger").click();
    await page.locator("#tsd-search-input").fill("DmaMapper");
    await page.locator("#tsd-search-results a").first().click();
    await page.waitForURL(/classes\/_vfio_dma\.DmaMapper\.html$/);
    expect(await page.locator("h1").innerText()).toBe("Class DmaMapper");
    expect(await page.locator(".tsd-tag-example").first().innerText()).toContain("new DmaMapper(container");
    expect(complaints).toEqual([]);
    await picture(page, "symbol");
  });

  it("when the benchmarks are opened, then their plots show", async () => {
    const { page, complaints } = await open("documents/Benchmarks.html");
    const widths = await page.evaluate<number[]>("[...document.images].map((image) => image.naturalWidth)");
    expect(widths).toEqual([780, 780]);
    expect(complaints).toEqual([]);
    await page.locator("img").first().scrollIntoViewIfNeeded();
    await picture(page, "benchmarks");
  });

  it("when a changelog is chosen in the navigation, then it shows", async () => {
    const { page } = await open("modules/_vfio_dma.html");
    await page.locator("#tsd-nav-container a", { hasText: "Changes in @vfio/dma" }).click();
    await page.waitForURL(/documents\/Changes_in__vfio_dma\.html$/);
    expect(await page.locator(".tsd-typography").first().innerText()).toContain("0.1.0");
  });
});

describe("given the site on a phone", () => {
  it.each(PAGES)("when %s is opened, then nothing is wider than the screen", async (file) => {
    const { page, complaints } = await open(file, { viewport: PHONE, isMobile: true, hasTouch: true });
    expect(await overhang(page)).toBe(0);
    expect(complaints).toEqual([]);
    await picture(page, `phone-${path.basename(file, ".html")}`);
  });

  it("when the menu is opened, then it leads to another page", async () => {
    const { page } = await open("index.html", { viewport: PHONE, isMobile: true, hasTouch: true });
    const link = page.locator("#tsd-nav-container a", { hasText: "The ten steps" });
    expect(await link.isVisible()).toBe(false);
    await page.locator("#tsd-toolbar-menu-trigger").click();
    await link.waitFor({ state: "visible" });
    await picture(page, "phone-menu");
    await link.click();
    await page.waitForURL(/The_ten_steps\.html$/);
  });
});

describe.each(["light", "dark"] as const)("given a reader who prefers %s", (colorScheme) => {
  it.each(PAGES)("when %s is opened, then all text stands out from what is behind it", async (file) => {
    const { page } = await open(file, { colorScheme });
    const texts = await contrasts(page, ".col-content :is(h1, h2, h3, p, li, td, th, a, code, pre span)");
    expect(texts.length).toBeGreaterThan(5);
    expect(texts.filter(({ contrast }) => contrast < 4.5)).toEqual([]);
    await picture(page, `${colorScheme}-${path.basename(file, ".html")}`);
  });

  it("then the page's own colours are those", async () => {
    const { page } = await open("index.html", { colorScheme });
    const color = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    const [red = 0] = (color.match(/\d+/g) ?? []).map(Number);
    expect(red > 128 ? "light" : "dark").toBe(colorScheme);
  });
});

describe("given a page that is hard to read", () => {
  it("then the checks see it: grey on grey, and a line that is too wide", async () => {
    const page = await browser.newPage({ viewport: PHONE });
    await page.setContent(
      '<p style="color:#999;background:#888;white-space:nowrap">' + "wide ".repeat(99) + "</p>",
    );
    expect((await contrasts(page, "p"))[0]?.contrast).toBeLessThan(1.5);
    expect(await overhang(page)).toBeGreaterThan(0);
  });
});
