/** Options of both processes of the pipeline. */
export interface PipelineOptions {
  readonly bdf: string;
  /** For DMA, in MiB. */
  readonly memoryMiB: number;
  /** The socket's prefix: keeps one pipeline apart from another. */
  readonly prefix: string;
}

export const DEFAULT_MEMORY_MIB = 64;
export const DEFAULT_PREFIX = "vfio";

export function pipelineArguments(options: PipelineOptions): string[] {
  return [options.bdf, String(options.memoryMiB), options.prefix];
}

export function parsePipelineArguments(argv: readonly string[]): PipelineOptions {
  const [bdf, memoryMiB = String(DEFAULT_MEMORY_MIB), prefix = DEFAULT_PREFIX] = argv;
  if (bdf === undefined) throw new Error("usage: <BDF> [MEMORY_MIB] [PREFIX], e.g. 0000:00:10.0 64 vfio");
  return { bdf, memoryMiB: Number(memoryMiB), prefix };
}
