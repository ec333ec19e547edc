/**
 * Ends environments in the way that its argument names, while native functions are called there. If it lives to see the
 * end of it, its exit code is 0.
 */
import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import vm from "node:vm";
import { Worker } from "node:worker_threads";
import { addon, callAll, calls } from "./native-functions.mjs";
import { ALL, callAllInStraightLine, DONE, STARTED } from "./straight-line.mjs";

const WAYS = {
  "terminate-in-straight-line": () => terminateWithin("straightLine"),
  "terminate-while-loading": () => terminateWithin("loadInStraightLine"),
  "terminate-in-a-callback": () => terminateWithin("watch"),
  "terminate-any-time": terminateAnyTime,
  "terminate-any-time-while-loading": terminateAnyTimeWhileLoading,
  "exit-in-straight-line": exitInStraightLine,
  "exit-any-time": exitAnyTime,
  "vm-timeout": vmTimeout,
  "stack-overflow": stackOverflow,
};
await WAYS[process.argv[2]]();
// Watches are left, which would keep it.
process.exit();

/** The environment ends while it is in a native call; it makes the others only then. */
async function terminateWithin(what) {
  for (let round = 0; round < 3; round++) {
    const { progress, event, worker } = start(what);
    await begun(progress);
    const ended = worker.terminate();
    addon.eventfdWrite(event, 1);
    await ended;
    if (progress[DONE] !== progress[ALL])
      throw new Error(`${progress[DONE]} of ${progress[ALL]} calls were made`);
  }
}

async function terminateAnyTime() {
  for (let round = 0; round < 12; round++) {
    const { worker } = start("loop");
    await once(worker, "message");
    await sleep(Math.random() * 5);
    await worker.terminate();
  }
}

async function terminateAnyTimeWhileLoading() {
  for (let round = 0; round < 12; round++) {
    const { worker } = start("load");
    await once(worker, "message");
    await sleep(Math.random() * 30);
    await worker.terminate();
  }
}

async function exitInStraightLine() {
  const { progress } = start("straightLine", 500_000);
  await begun(progress);
  process.exit(0);
}

async function exitAnyTime() {
  const { worker } = start("loop");
  await once(worker, "message");
  await sleep(Math.random() * 20);
  process.exit(0);
}

function vmTimeout() {
  const progress = new Int32Array(3);
  const straightLine = () => callAllInStraightLine(progress, addon.eventfd(), 50_000);
  const context = vm.createContext({ straightLine, callAll });
  // On a busy machine the time may be up before it begins.
  while (progress[STARTED] === 0) timesOut("straightLine(); for (;;);");
  if (progress[DONE] !== calls.length)
    throw new Error(`${progress[DONE]} of ${calls.length} calls were made`);
  for (let round = 0; round < 30; round++) timesOut("for (;;) callAll()");

  function timesOut(code) {
    try {
      vm.runInContext(code, context, { timeout: 10 });
    } catch (error) {
      if (error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return;
      throw error;
    }
    throw new Error("it should have timed out");
  }
}

/** Each call in each of the last frames: the stack is used up somewhere within it. */
function stackOverflow() {
  const FRAMES = 150;
  for (const { use, args } of calls) {
    let frames = Infinity;
    const descend = () => {
      try {
        descend();
      } catch {
        frames = Math.min(frames, FRAMES);
      }
      if (frames-- <= 0) return;
      try {
        use(...args);
      } catch (error) {
        if (!(error instanceof RangeError || error.code !== undefined)) throw error;
      }
    };
    descend();
  }
}

function start(what, microseconds) {
  const progress = new Int32Array(new SharedArrayBuffer(12));
  const event = addon.eventfd();
  const workerData = { what, progress, event, microseconds };
  const worker = new Worker(path.join(import.meta.dirname, "worker.mjs"), { workerData });
  worker.on("error", (error) => {
    throw error;
  });
  return { progress, event, worker };
}

async function begun(progress) {
  while (Atomics.load(progress, STARTED) === 0) await sleep(1);
}
