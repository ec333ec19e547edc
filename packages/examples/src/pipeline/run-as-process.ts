import { VfioError } from "@vfio/ioctl-native";
import type { Role } from "./events.js";
import { failureFacts, Reporter, StepFailed } from "./reporter.js";

/**
 * Runs one role as this process's whole work: its events on standard output. SIGINT, SIGTERM and the death of the
 * parent process end it in order, so that everything is closed.
 */
export async function runAsProcess(
  role: Role,
  work: (report: Reporter, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const report = new Reporter(role);
  const ending = new AbortController();
  const end = (by: string): void => ending.abort(new VfioError("ERR_VFIO_ABORTED", `ended by ${by}`));
  const orphaned = (): void => end("the death of the process that started it");
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  process.once("disconnect", orphaned);
  try {
    await work(report, ending.signal);
  } catch (error) {
    if (!(error instanceof StepFailed))
      report.emit({ event: "failed", role, title: role, error: failureFacts(error) });
    process.exitCode = 1;
  } finally {
    process.removeListener("disconnect", orphaned);
    if (process.connected) process.disconnect();
  }
}
