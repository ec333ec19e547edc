import { filterFrames } from "../hot-loops/filter-frames.js";

/** `node packages/examples/dist/hot-loops.js`: judges frames in DMA memory, compiled and plain. */
for (const { name, verdicts, nanoseconds } of filterFrames())
  process.stdout.write(`${name}: ${nanoseconds.toFixed(1)} ns a frame; ${JSON.stringify(verdicts)}\n`);
