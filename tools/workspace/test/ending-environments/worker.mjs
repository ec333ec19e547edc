/** What a worker does until it is ended. */
import { parentPort, workerData } from "node:worker_threads";

const { what, progress, event } = workerData;
const WHATS = { loop, straightLine, loadInStraightLine, watch, load };
await WHATS[what]();

async function loop() {
  const { callAll } = await import("./native-functions.mjs");
  parentPort.postMessage("looping");
  for (;;) callAll();
}

async function straightLine() {
  const { callAllInStraightLine } = await import("./straight-line.mjs");
  callAllInStraightLine(progress, event, workerData.microseconds);
}

/** Node.js has loaded the file already; that its registration runs again is all the same to the addon. */
async function loadInStraightLine() {
  const { addon, addonFile } = await import("./native-functions.mjs");
  const { ALL, DONE, STARTED } = await import("./straight-line.mjs");
  const [spin, load, module] = [addon.eventfdSpin, process.dlopen, { exports: {} }];
  progress[ALL] = 1;
  progress[STARTED] = 1;
  spin(event, 20_000_000);
  load(module, addonFile);
  progress[DONE] = 1;
}

/** The second callback is due in the same turn of the event loop in which the first one finds the environment ending. */
async function watch() {
  const { addon } = await import("./native-functions.mjs");
  const { ALL, DONE, STARTED } = await import("./straight-line.mjs");
  const spin = addon.eventfdSpin;
  progress[ALL] = 1;
  for (let watched = 0; watched < 2; watched++) {
    const ready = addon.eventfd();
    addon.eventfdWrite(ready, 1);
    addon.watch(ready, false, () => {
      progress[STARTED] = 1;
      spin(event, 20_000_000);
      progress[DONE] = 1;
      throw new Error("nobody is left to see this");
    });
  }
}

async function load() {
  parentPort.postMessage("loading");
  const { openFile } = await import("@vfio/ioctl-native");
  openFile("/dev/null").close();
}
