/**
 * The plots of the benchmark page, as SVG. Each brings colours for a light and a dark page, and a background of its own,
 * so that it can be read wherever it is shown.
 */
import { createRequire } from "node:module";
import { installed } from "@vfio/release/installed";

const WIDTH = 780;
const ROW_HEIGHT = 38;
const LABELS_WIDTH = 290;
const VALUES_WIDTH = 110;

/** Drawn by the browser from these names; `prefers-color-scheme` works in an image too. */
const STYLE = `<style>
svg { --paper: #ffffff; --text: #24292f; --line: #c9cfd6; --good: #3b76c4; --missed: #b4541e; --goal: #24292f; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #22272e; --text: #e6edf3; --line: #545d68; --good: #6ea8f0; --missed: #e8935a; --goal: #e6edf3; }
}
</style>`;

/**
 * @typedef {object} Bar
 * @property {string} label
 * @property {number} value
 * @property {number} [goal] the highest value that is good enough; drawn as a stroke across the bar.
 */

/**
 * Horizontal bars from 0, one below the other, each with its value and its goal.
 * @param {{ title: string, axis: string, bars: readonly Bar[] }} plot
 * @returns {string} an SVG document.
 */
export function drawBars({ title, axis, bars }) {
  // Loaded only here: it is installed when the first plot is drawn.
  const echarts = createRequire(`${installed("plots")}/`)("echarts");
  const height = 100 + bars.length * ROW_HEIGHT;
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  try {
    chart.setOption({ ...frame(title, axis), ...axes(bars), series: [values(bars), goals(bars)] });
    return readable(chart.renderToSVGString(), title);
  } finally {
    chart.dispose();
  }
}

function frame(title, axis) {
  return {
    animation: false,
    backgroundColor: "var(--paper)",
    title: { text: title, subtext: axis, left: 16, top: 12, ...titleStyles() },
    grid: { left: LABELS_WIDTH, right: VALUES_WIDTH, top: 68, bottom: 32 },
  };
}

function titleStyles() {
  return {
    textStyle: { color: "var(--text)", fontSize: 16 },
    subtextStyle: { color: "var(--text)", fontSize: 12 },
  };
}

function axes(bars) {
  const line = { lineStyle: { color: "var(--line)" } };
  const axisLabel = { color: "var(--text)", fontSize: 12 };
  return {
    xAxis: { type: "value", min: 0, axisLabel, splitLine: line, axisLine: line },
    yAxis: [
      {
        ...sideAxis(bars.map(({ label }) => label)),
        axisLabel: { ...axisLabel, width: LABELS_WIDTH - 40, overflow: "break", lineHeight: 15 },
      },
      { ...sideAxis(bars.map(figures)), axisLabel, position: "right" },
    ],
  };
}

function sideAxis(data) {
  const none = { show: false };
  return { type: "category", inverse: true, data, axisLine: none, axisTick: none, splitLine: none };
}

function figures({ value, goal }) {
  return goal === undefined ? value.toFixed(2) : `${value.toFixed(2)} (≤ ${goal})`;
}

function values(bars) {
  const data = bars.map(({ value, goal }) => ({
    value,
    itemStyle: { color: goal !== undefined && value > goal ? "var(--missed)" : "var(--good)" },
  }));
  return { type: "bar", barWidth: 16, data };
}

function goals(bars) {
  const data = bars.flatMap(({ goal }, index) => (goal === undefined ? [] : [[goal, index]]));
  return { type: "scatter", symbol: "rect", symbolSize: [3, 26], itemStyle: { color: "var(--goal)" }, data };
}

function readable(svg, title) {
  return `${svg.replace(/^<svg [^>]*>/, (tag) => `${tag}\n<title>${title}</title>\n${STYLE}`)}\n`;
}
