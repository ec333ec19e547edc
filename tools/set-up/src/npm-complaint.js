/**
 * npm's report of a failure, for people. Nothing here may import an npm package: set-up runs before any is installed.
 */

/** npm's lines about itself: its functions, its error's fields, its log. */
const OF_ITSELF = /^npm (?:error|ERR!)(?: +at | {3}\w+: | \}| A complete log|\s*$)|^npm (?:notice|warn) /;
const NOT_REACHED = /request to (\S+) failed, reason: (.*)/;

/**
 * @param {string} output of npm.
 * @returns {string} the failure, and the remedy if it follows.
 */
export function npmComplaint(output) {
  const [, url, reason] = NOT_REACHED.exec(output) ?? [];
  if (url !== undefined)
    return `npm cannot get ${url}: ${reason}
Check the network and the proxy, or choose another registry (npm config set registry <URL>). Then type the command again.`;
  const lines = output.split("\n").filter((line) => line.trim() !== "" && !OF_ITSELF.test(line));
  if (output.includes("ENOSPC"))
    lines.push("The disk is full. Free some space, then type the command again.");
  return lines.join("\n");
}
