import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { runInLab } from "@vfio/lab";
import { nodeBinaries } from "@vfio/release/nodes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { patterns as rows } from "./register-accesses/patterns.mjs";
import { MARKER, ROUNDS } from "./register-accesses/rounds.mjs";

const folder = path.join(import.meta.dirname, "register-accesses");
const nodes = nodeBinaries();
const scratch = mkdtempSync(path.join(os.tmpdir(), "vfio-accesses-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** One access, as a device sees it. */
interface Access {
  readonly kind: "read" | "write";
  readonly width: number;
  readonly offset: number;
  readonly value?: number;
}

/** What one of the patterns asks for. */
interface Pattern {
  readonly what: string;
  readonly accesses: readonly Access[];
  readonly on?: string;
  readonly interpreted?: number;
}

const patterns = rows as readonly Pattern[];

/** What the devices saw, from QEMU's log. */
let seen: Access[] = [];
/** Where the marker of each pattern stands in it, in the run of each Node.js. */
const markers = new Map<number, number[]>();
/** What each program printed. */
let printed: { version: string; states: string[]; rounds: Record<number, number> }[] = [];

beforeAll(async () => {
  const accessLog = path.join(scratch, "accesses.log");
  const each = nodes.map(({ path: node }) => `"${node}" --allow-natives-syntax "${folder}/program.mjs"`);
  const shows = nodes.map(({ path: node }) => path.dirname(node));
  const result = await runInLab(["sh", "-c", each.join(" && ")], { machine: { accessLog }, shows });
  if (result.exitCode !== 0) throw new Error(result.stderr);
  printed = result.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as (typeof printed)[0]);
  seen = readFileSync(accessLog, "utf8").split("\n").flatMap(decode);
  seen.forEach(({ kind, value = 0 }, at) => {
    if (kind === "write" && value >= MARKER && value <= MARKER + patterns.length)
      markers.set(value, [...(markers.get(value) ?? []), at]);
  });
});

const SHAPE =
  /^memory_region_ops_(read|write) .* addr 0x([0-9a-f]+) value 0x([0-9a-f]+) size (\d) name '(edu-mmio|pci-testdev-mmio|virtio-pci-common-virtio-rng)'$/;

/** One line of QEMU's log, if it is about one of our three devices. */
function decode(line: string): Access[] {
  const [, kind, address = "", value = "", size] = SHAPE.exec(line) ?? [];
  if (kind !== "read" && kind !== "write") return [];
  // BARs are aligned to their size, and all our registers lie in the first page.
  const offset = Number.parseInt(address, 16) & 0xfff;
  const access = { width: Number(size), offset };
  return [kind === "read" ? { kind, ...access } : { kind, ...access, value: Number.parseInt(value, 16) }];
}

/** The accesses between the marker of one pattern and the next, in the run of one Node.js. */
function accessesOf(run: number, pattern: number): Access[] {
  const [from = NaN, to] = [pattern, pattern + 1].map((index) => markers.get(MARKER + index)?.[run]);
  return seen.slice(from + 1, to);
}

/** QEMU hands `pci-testdev` every byte for itself. */
function asDeviceSees(access: Access, device: string): Access[] {
  if (device !== "testdev") return [access];
  return Array.from({ length: access.width }, (_, byte) => ({
    ...access,
    width: 1,
    offset: access.offset + byte,
  }));
}

describe.each(nodes.map(({ version }, run) => ({ version, run })))(
  "given Node.js $version and every compiler in it, when a driver …, then the device sees each access: once, in order, at its width",
  ({ version, run }) => {
    it("every state of the code was really run", () => {
      expect(printed[run]?.version).toBe(version);
      expect(printed[run]?.states.at(-1)).toBe("turbofan");
    });

    const all = patterns.map(({ what, on }, pattern) => ({ what, on, pattern }));
    it.each(all.filter(({ on }) => on !== "plain"))("… has $what", ({ pattern }) => {
      expectEachOnce(run, pattern);
    });

    it.each(all.filter(({ on }) => on === "plain"))(
      "… but not of a plain typed array: $what",
      ({ pattern }) => {
        expect(() => expectEachOnce(run, pattern)).toThrow("to have a length of");
      },
    );
  },
);

function expectEachOnce(run: number, pattern: number): void {
  const { accesses: asked, on = "edu", interpreted } = patterns[pattern]!;
  const once = asked.flatMap((access) => asDeviceSees(access, on));
  const { states, rounds } = printed[run]!;
  const times = rounds[pattern] ?? NaN;
  expect(times).toBeGreaterThanOrEqual(interpreted ?? ROUNDS * states.length);
  const accesses = accessesOf(run, pattern);
  expect(accesses).toHaveLength(times * once.length);
  for (let round = 0; round < times; round++)
    expect(accesses.slice(round * once.length, (round + 1) * once.length)).toEqual(once);
}

describe.each(nodes.flatMap((node) => ["--liftoff-only", "--no-liftoff"].map((tier) => ({ ...node, tier }))))(
  "given the machine code that Node.js $version makes, $tier, of the accesses within a WebAssembly memory",
  ({ path: node, tier }) => {
    it("then each has one load or store there, of its width", () => {
      const flags = [tier, "--no-wasm-tier-up", "--print-wasm-code"];
      const code = execFileSync(node, [...flags, path.join(folder, "wasm-code.mjs")], { encoding: "utf8" });
      expect(accessesIn(code)).toEqual([
        ["load 1"],
        ["load 2"],
        ["load 4"],
        ["load 8"],
        ["load 8"],
        [],
        ["store 1"],
        ["store 2"],
        ["store 4"],
        ["store 8"],
        ["store 8"],
      ]);
    });
  },
);

/** What the code of each WebAssembly function does in its memory: there the address is a base and an index. */
function accessesIn(code: string): string[][] {
  const functions: string[][] = [];
  for (const text of code.split("--- WebAssembly code ---")) {
    const index = /^index: (\d+)$/m.exec(text)?.[1];
    if (index !== undefined) functions[Number(index)] = text.split("\n").flatMap(memoryAccess);
  }
  return functions;
}

const WIDTHS: Readonly<Record<string, number>> = {
  movb: 1,
  movzxbl: 1,
  movw: 2,
  movzxwl: 2,
  movl: 4,
  "REX.W movq": 8,
};

/** One line of code: an access to [base+index], whatever the instruction. One that is not known has no width. */
function memoryAccess(line: string): string[] {
  const [, instruction = "", operands = ""] =
    /^0x[0-9a-f]+ +[0-9a-f]+ +[0-9a-f]+ +(.*?) ?(\S+)$/.exec(line) ?? [];
  if (!/\[\w+\+\w+\*1/.test(operands)) return [];
  return [`${operands.startsWith("[") ? "store" : "load"} ${String(WIDTHS[instruction])}`];
}

describe.each(nodes)("given the machine code that Node.js $version makes of a driver", ({ path: node }) => {
  it("each read is a call of one builtin, none is left out and none is made something narrower", () => {
    const program = path.join(folder, "machine-code.mjs");
    const flags = ["--allow-natives-syntax", "--print-opt-code", "--code-comments"];
    const code = execFileSync(node, [...flags, program], { encoding: "utf8", maxBuffer: 1 << 26 });
    // V8 may have compiled the accessor by itself, too.
    const { read32 = 1, ...driver } = readsIn(code);
    expect(driver).toEqual({ bitTest: 1, discarded: 1, twice: 2 });
    expect(read32).toBe(1);
  });
});

/** How many times the code of each function calls AtomicsLoad. */
function readsIn(code: string): Record<string, number> {
  const named = code.split("--- Optimized code ---").flatMap((text) => {
    const name = /^name = (\w+)$/m.exec(text)?.[1];
    return name === undefined ? [] : [[name, text.match(/call .*\(AtomicsLoad\)/g)?.length ?? 0] as const];
  });
  return Object.fromEntries(named);
}
