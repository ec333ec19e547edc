import { execFileSync } from "node:child_process";

/** Cuts what is behind a root port off the bus, as if it was pulled out without warning, or brings it back. */
export function answering(port: string, on: boolean): void {
  execFileSync("setpci", ["-s", port, `SECONDARY_BUS=${on ? "02" : "00"}`]);
}
