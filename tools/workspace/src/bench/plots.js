/** The plots of the benchmark page, as SVG. Each has colours for a light and a dark page, and its own background. */
const WIDTH = 780;
const MARGIN = 16;
const VALUES_WIDTH = 110;
const HEAD_HEIGHT = 72;
/** A label, and the bar below it. */
const ROW_HEIGHT = 42;
const BAR_HEIGHT = 14;

/** For the browser: `prefers-color-scheme` works in an image too. */
const STYLE = `<style>
svg { --paper: #ffffff; --text: #24292f; --good: #3b76c4; --missed: #b4541e; font: 12px sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #22272e; --text: #e6edf3; --good: #6ea8f0; --missed: #e8935a; }
}
text, .goal { fill: var(--text); } .paper { fill: var(--paper); } .title { font: bold 16px sans-serif; }
.good { fill: var(--good); } .missed { fill: var(--missed); }
</style>`;

/**
 * @typedef {object} Bar
 * @property {string} label
 * @property {number} value
 * @property {number} [goal] the highest good value, drawn as a stroke across the bar.
 */

/**
 * Horizontal bars from 0, one below the other, each with its value and its goal.
 * @param {{ title: string, axis: string, bars: readonly Bar[] }} plot
 * @returns {string} an SVG document.
 */
export function drawBars({ title, axis, bars }) {
  const height = HEAD_HEIGHT + bars.length * ROW_HEIGHT;
  const longest = Math.max(...bars.flatMap(({ value, goal = 0 }) => [value, goal]));
  const scale = (WIDTH - 2 * MARGIN - VALUES_WIDTH) / longest;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">`,
    `<title>${escaped(title)}</title>`,
    STYLE,
    `<rect class="paper" width="100%" height="100%"/>`,
    text(MARGIN, 30, title, "title"),
    text(MARGIN, 50, axis),
    ...bars.flatMap((bar, row) => drawn(bar, HEAD_HEIGHT + row * ROW_HEIGHT, scale)),
    "</svg>\n",
  ].join("\n");
}

function drawn({ label, value, goal }, top, scale) {
  const bar = top + 18;
  const figures = goal === undefined ? value.toFixed(2) : `${value.toFixed(2)} (≤ ${goal})`;
  const verdict = goal !== undefined && value > goal ? "missed" : "good";
  return [
    text(MARGIN, top + 12, label),
    rect(MARGIN, bar, value * scale, BAR_HEIGHT, verdict),
    ...(goal === undefined ? [] : [rect(MARGIN + goal * scale - 1, bar - 3, 3, BAR_HEIGHT + 6, "goal")]),
    text(WIDTH - MARGIN - VALUES_WIDTH + 8, bar + 11, figures),
  ];
}

function rect(x, y, width, height, name) {
  return `<rect class="${name}" x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${height}"/>`;
}

function text(x, y, content, name = "") {
  return `<text class="${name}" x="${x}" y="${y}">${escaped(content)}</text>`;
}

function escaped(content) {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
