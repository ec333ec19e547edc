import { execFileSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { compileFlags } from "../native/flags.mjs";

const NATIVE = path.join(import.meta.dirname, "../native/src");
const HEADER = path.join(NATIVE, "barriers.h");
const ARM64 = "aarch64-linux-gnu-g++";
/** Functions that end alike keep ends of their own. */
const EACH_ITS_OWN = ["-fno-crossjumping", "-fno-tree-tail-merge"];
const PROGRAM = `
  #include "${HEADER}"
  void Doorbell(int* descriptor, volatile int* doorbell) { *descriptor = 1; BeforeStore(); *doorbell = 2; }
  int Phase(const int* data, const volatile int* status) { int ready = *status; AfterLoad(); return ready + *data; }`;

/** The machine code of a function, only what touches memory or orders it. */
function memoryInstructions(compiler: string, name: string): string[] {
  const options = ["-O2", "-x", "c++", "-S", "-o", "-", "-"];
  const text = execFileSync(compiler, options, { input: PROGRAM, encoding: "utf8" });
  const body = new RegExp(`^_Z\\d+${name}[^:]*:\\n([\\s\\S]*?)\\bret\\b`, "m").exec(text)?.[1] ?? "";
  return body
    .split("\n")
    .flatMap((line) => /^\s(str|ldr|dmb \w+|[ms]fence|lock\b)/.exec(line.replaceAll("\t", " "))?.[1] ?? []);
}

/** How often each barrier is in the machine code of one of the addon's sources. */
function barriersIn(source: string): { stores: number; loads: number } {
  const options = [...compileFlags(source), ...EACH_ITS_OWN, "-S", "-o", "-", path.join(NATIVE, source)];
  const text = execFileSync(ARM64, options, { encoding: "utf8" });
  return { stores: text.match(/dmb\soshst/g)?.length ?? 0, loads: text.match(/dmb\soshld/g)?.length ?? 0 };
}

describe("accesses to registers among those to memory", () => {
  it("on arm64, memory that was written is there before a register is written", () => {
    expect(memoryInstructions(ARM64, "Doorbell")).toEqual(["str", "dmb oshst", "str"]);
  });

  it("and a register is read before memory that is read after it", () => {
    expect(memoryInstructions(ARM64, "Phase")).toEqual(["ldr", "dmb oshld", "ldr"]);
  });

  it("there is one for each width of a single access, and for each width of a block and of polling", () => {
    expect(barriersIn("registers.cc")).toEqual({ stores: 4, loads: 4 });
    expect(barriersIn("bulk-registers.cc")).toEqual({ stores: 4 + 1, loads: 4 + 1 + 4 });
  });

  it("on x64 nothing is added", () => {
    expect([memoryInstructions("g++", "Doorbell"), memoryInstructions("g++", "Phase")]).toEqual([[], []]);
  });
});
