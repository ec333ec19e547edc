/** Measurements of a page in a browser. Functions for `evaluate` run in the page, and see nothing of this file. */

/**
 * The pixels by which the page is wider than its window: 0 is right.
 * @param {import("playwright-core").Page} page
 */
export async function overhang(page) {
  return await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
}

/**
 * The texts of least contrast to their background, worst first, by WCAG's ratio (1 to 21).
 * @param {import("playwright-core").Page} page
 * @param {string} selector
 * @returns {Promise<{ text: string, contrast: number }[]>}
 */
export async function contrasts(page, selector) {
  return await page.$$eval(selector, measureContrasts);
}

/* global getComputedStyle */
function measureContrasts(elements) {
  const numbers = (/** @type {string} */ color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const linear = (/** @type {number} */ value) =>
    value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = (/** @type {number[]} */ [red = 0, green = 0, blue = 0]) =>
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const isOpaque = (/** @type {number[]} */ [, , , alpha = 1]) => alpha === 1;
  const behind = (/** @type {HTMLElement | null} */ element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if (isOpaque(color)) return color;
    }
    return [255, 255, 255];
  };
  const contrast = (/** @type {HTMLElement} */ element) => {
    const shades = [numbers(getComputedStyle(element).color), behind(element)].map(luminance);
    return (Math.max(...shades) + 0.05) / (Math.min(...shades) + 0.05);
  };
  return elements
    .filter((element) => element.innerText?.trim())
    .map((element) => ({ text: element.innerText.trim().slice(0, 60), contrast: contrast(element) }))
    .sort((a, b) => a.contrast - b.contrast);
}
