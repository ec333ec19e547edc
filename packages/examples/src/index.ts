/**
 * The parts put together: the pipeline of a primary and a secondary process on one device.
 *
 * @packageDocumentation
 */
export { runPrimary } from "./pipeline/primary.js";
export { runSecondary } from "./pipeline/secondary.js";
export { runPipeline, type RunPipelineOptions } from "./pipeline/run-pipeline.js";
export type { RoleProcessOptions } from "./pipeline/role-process.js";
export { Reporter, StepFailed } from "./pipeline/reporter.js";
export type { Facts, FailureFacts, PipelineEvent, Role } from "./pipeline/events.js";
export type { PipelineOptions } from "./pipeline/options.js";
export { Edu, type DmaWait } from "./edu.js";
