/** Measures the descriptor loop in a thread of its own, each time that it is asked. */
import { parentPort, workerData } from "node:worker_threads";
import { compiledLoops } from "./ring-loop.mjs";

const { byFour } = compiledLoops(workerData);
parentPort.on("message", () => parentPort.postMessage(byFour()));
