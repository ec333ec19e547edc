import Table from "cli-table3";

/**
 * A row for each consumer, then the errors of those that failed.
 * @param {import("./rehearsal.js").Outcome} outcome
 * @returns {string}
 */
export function table({ rows }) {
  const drawn = new Table({ head: ["", "consumer", "how", "result", "s"], style: { head: [], border: [] } });
  for (const { passed, consumer, how, result, seconds } of rows)
    drawn.push([
      passed ? "✔" : "✘",
      consumer,
      how,
      passed ? result : "failed, see below",
      seconds.toFixed(1),
    ]);
  const failed = rows.filter(({ passed }) => !passed);
  const words = failed.map(({ consumer, how, result }) => `✘ ${consumer}, ${how}:\n${result}\n`);
  const sum = `${rows.length - failed.length} of ${rows.length} can use the release.`;
  return [drawn.toString(), ...words, sum].join("\n");
}
