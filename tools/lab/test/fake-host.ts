import type { Host, ProgramResult } from "../src/host/host.js";
import { REQUIRED_PROGRAMS } from "../src/host/packages.js";

/** A Debian machine with everything installed but busybox, on which no program is really run. */
export class FakeHost implements Host {
  platform = "linux";
  arch = "x64";
  isRoot = true;
  env: Record<string, string> = {};
  free = 1e12;
  readonly installed = new Set([...REQUIRED_PROGRAMS.map(({ program }) => program), "apt-get"]);
  readonly calls: string[] = [];
  answer: (program: string, args: readonly string[]) => Partial<ProgramResult> | undefined = () => undefined;

  constructor(readonly busybox: string) {}

  findProgram(name: string): string | undefined {
    if (!this.installed.has(name)) return undefined;
    return name === "busybox" ? this.busybox : `/usr/bin/${name}`;
  }

  run(program: string, args: readonly string[]): Promise<ProgramResult> {
    this.calls.push([program, ...args].join(" "));
    return Promise.resolve({ code: 0, stdout: "", stderr: "", ...this.answer(program, args) });
  }

  freeBytes(): Promise<number> {
    return Promise.resolve(this.free);
  }
}

/** The start of an ELF program; with an interpreter entry it needs the dynamic loader. */
export function elfStart(needsLoader: boolean): Buffer {
  const bytes = Buffer.alloc(64 + 56);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(needsLoader ? 3 : 1, 64);
  return bytes;
}
