import { execFileSync } from "node:child_process";

/** Cuts what is behind a root port off the bus, as if it was pulled out without warning, or brings it back. */
export function answering(port: string, on: boolean): void {
  execFileSync("setpci", ["-s", port, `SECONDARY_BUS=${on ? "02" : "00"}`]);
}

/** Takes the power of a slot, and so the device in it, as if it was pulled out; or gives it back. */
export function powered(port: string, on: boolean): void {
  // The slot's control register: its power indicator and its power, the latter as "off".
  execFileSync("setpci", ["-s", port, `CAP_EXP+18.w=${on ? "0100" : "0700"}:0700`]);
}
