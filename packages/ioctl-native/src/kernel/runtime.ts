/** Bun and Deno call themselves Node.js too; each has its own engine or event loop. */
export type RuntimeName = "Node.js" | "Bun" | "Deno" | "Electron";

export function runtimeName(): RuntimeName {
  const { bun, deno, electron } = process.versions;
  if (bun !== undefined) return "Bun";
  if (deno !== undefined) return "Deno";
  return electron === undefined ? "Node.js" : "Electron";
}

/**
 * True where an addon may watch an fd in the event loop (`uv_poll`). Bun lacks the function and ends the process;
 * Deno's calls back once, and ends the process when several are made and closed.
 */
export function hasFdWatches(): boolean {
  const name = runtimeName();
  return name === "Node.js" || name === "Electron";
}
