import { release } from "node:os";
import { describePciDevice } from "@vfio/vfio-core";
import type { PipelineOptions } from "../pipeline/options.js";
import { runPipeline } from "../pipeline/run-pipeline.js";
import type { Outcome, Watch } from "./watch.js";

export async function runOnHost(options: PipelineOptions, watch: Watch): Promise<Outcome> {
  const { bdf: device, driver } = describePciDevice(options.bdf);
  watch.onHeading(`Device ${device} of this host (${driver ?? "no driver"}), Linux ${release()}`);
  const wentWell = await runPipeline({
    ...options,
    bdf: device,
    onEvent: watch.onEvent,
    signal: watch.signal,
  });
  return { wentWell, device, kernel: release() };
}
