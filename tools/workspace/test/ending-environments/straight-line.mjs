/**
 * All native calls one after the other, in an environment that began to end while the first of them ran. V8 looks for an
 * end where a function of JavaScript begins and where a loop goes round, and so there is neither: the code is made of
 * text, and each call stands in it for itself.
 */
import { addon, calls } from "./native-functions.mjs";

const LONGEST = 20_000_000;

/** Where the other thread sees how far this one has come. */
export const STARTED = 0;
export const DONE = 1;
export const ALL = 2;

/**
 * Waits in a native function until the eventfd is signalled, and then makes the calls.
 * @param {Int32Array} progress STARTED becomes 1 just before, ALL the number of calls, DONE how many were made.
 * @param {number} event
 * @param {number} microseconds how long to wait at most.
 */
export function callAllInStraightLine(progress, event, microseconds = LONGEST) {
  progress[ALL] = calls.length;
  straightLine(progress, addon.eventfdSpin, event, microseconds, calls);
}

const straightLine = new Function(
  ...["progress", "spin", "event", "microseconds", "calls"],
  `${calls.map((_, at) => `const { use: use${at}, args: args${at} } = calls[${at}];`).join("\n")}
  progress[${STARTED}] = 1;
  spin(event, microseconds);
  ${calls.map(straightCall).join("\n")}`,
);

function straightCall({ args }, at) {
  const list = args.map((_, index) => `args${at}[${index}]`).join(", ");
  return `try { use${at}(${list}); } catch {} progress[${DONE}] = ${at + 1};`;
}
