import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/**
 * What lspci takes from the kernel and not from the config space. The last is the copy of a video card's ROM that the
 * firmware has in memory, where PCs have it.
 */
const FROM_THE_KERNEL =
  /^\t((IOMMU group|Kernel driver in use|Kernel modules|Physical Slot|NUMA node|DeviceName):|Expansion ROM at 000c0000 \[virtual\])/;

/** One device as lspci reads it: what is in its config space, and what is the kernel's. */
export interface LspciDevice {
  /** Its address. */
  readonly bdf: string;
  /** Its lines that come from the config space, without the names of makers and devices. */
  readonly lines: readonly string[];
  /** Its lines that come from the kernel. */
  readonly kernelLines: readonly string[];
}

/** `lspci -vv -nn -D` on this machine, or on a dump of config spaces. */
export function runLspci(...options: string[]): LspciDevice[] {
  const { status, stdout, stderr } = spawnSync("lspci", ["-vv", "-nn", "-D", ...options], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`lspci failed: ${stderr}`);
  return stdout.split("\n\n").filter(Boolean).map(parseDevice);
}

/** What lspci reads in config spaces that no machine has. */
export function lspciOfPictures(pictures: readonly Uint8Array[]): LspciDevice[] {
  const folder = mkdtempSync(path.join(tmpdir(), "lspci-"));
  try {
    const dump = path.join(folder, "dump");
    writeFileSync(
      dump,
      pictures.map((bytes, index) => `${bdfOf(index)} device\n${hexDump(bytes)}\n`).join("\n"),
    );
    return runLspci("-F", dump);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * What lspci 3.9 reads in recorded config spaces, line by line, or what it calls capabilities that we do not decode; a
 * test in the lab looks whether it does.
 */
export function recordedLspci(name: "lspci-3.9" | "lspci-3.9-names" = "lspci-3.9"): string[] {
  const file = path.join(import.meta.dirname, `fixtures/${name}.txt`);
  return readFileSync(file, "utf8").split("\n").filter(Boolean);
}

/** The title of the last capability of each device. */
export function lastTitles(devices: readonly LspciDevice[]): string[] {
  return devices.map(({ lines }) => lines.findLast((line) => line.startsWith("\tCapabilities:")) ?? "none");
}

/** The address of the n-th picture. */
export function bdfOf(index: number): string {
  const hex = (value: number): string => value.toString(16).padStart(2, "0");
  return `0000:${hex(index >> 8)}:${hex((index >> 3) & 31)}.${index & 7}`;
}

function hexDump(bytes: Uint8Array): string {
  const lines = Array.from({ length: bytes.length / 16 }, (_, line) => {
    const part = [...bytes.subarray(line * 16, line * 16 + 16)];
    return `${(line * 16).toString(16).padStart(2, "0")}: ${part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}`;
  });
  return lines.join("\n");
}

function parseDevice(text: string): LspciDevice {
  const lines = text.split("\n").filter(Boolean).map(withoutNames);
  return {
    bdf: lines[0]?.split(" ")[0] ?? "",
    lines: lines.filter((line) => !FROM_THE_KERNEL.test(line)),
    kernelLines: lines.filter((line) => FROM_THE_KERNEL.test(line)),
  };
}

/** lspci knows names from its list of ids; the ids stand behind them in brackets. */
function withoutNames(line: string): string {
  return line
    .replace(/^(\S+) .*?\[([0-9a-f]{4})\]: .*\[([0-9a-f]{4}:[0-9a-f]{4})\]/, "$1 Class [$2]: Device [$3]")
    .replace(/ \(prog-if ([0-9a-f]{2}).*\)$/, (_, code: string) =>
      code === "00" ? "" : ` (prog-if ${code})`,
    )
    .replace(/(Subsystem: ).*\[([0-9a-f]{4}:[0-9a-f]{4})\]$/, "$1Device [$2]")
    .trimEnd();
}
