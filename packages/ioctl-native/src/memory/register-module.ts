import { webAssembly, type SharedWebAssemblyMemory } from "./web-assembly.js";

/** The compiled accesses: each is one load or store of exactly its width at an address in the memory. */
export interface RegisterModule {
  /** Loads 8 bits. */
  readonly load8: (address: number) => number;
  /** Loads 16 bits. */
  readonly load16: (address: number) => number;
  /** Loads 32 bits, as a signed number. */
  readonly load32: (address: number) => number;
  /** Loads 64 bits, as a signed bigint. */
  readonly load64: (address: number) => bigint;
  /** Loads 64 bits: the lower half, signed. The upper one is {@link upper}'s next answer. */
  readonly loadHalves: (address: number) => number;
  /** The upper half of what `loadHalves` loaded, signed. */
  readonly upper: () => number;
  /** Stores 8 bits. */
  readonly store8: (address: number, value: number) => void;
  /** Stores 16 bits. */
  readonly store16: (address: number, value: number) => void;
  /** Stores 32 bits. */
  readonly store32: (address: number, value: number) => void;
  /** Stores 64 bits. */
  readonly store64: (address: number, value: bigint) => void;
  /** Stores 64 bits: a lower and an upper half. */
  readonly storeHalves: (address: number, low: number, high: number) => void;
}

const I32 = 0x7f;
const I64 = 0x7e;

/** Instructions, as the WebAssembly specification encodes them. */
const LOCAL_0 = [0x20, 0];
const LOCAL_1 = [0x20, 1];
const LOCAL_2 = [0x20, 2];
const TEE_1 = [0x22, 1];
const SET_UPPER = [0x24, 0];
const GET_UPPER = [0x23, 0];
const EXTEND = 0xad;
const WRAP = 0xa7;
const SHIFT_LEFT = 0x86;
const SHIFT_RIGHT = 0x88;
const OR = 0x84;
const THIRTY_TWO = [0x42, 32];
const END = 0x0b;

/** A function of the module: its parameters, results, further locals and instructions. */
interface Function {
  readonly name: keyof RegisterModule;
  readonly takes: readonly number[];
  readonly gives: readonly number[];
  readonly local?: number;
  readonly body: readonly number[];
}

/** One load; behind its instruction, the alignment (as a power of two) and no further offset. */
function load(name: keyof RegisterModule, instruction: number, power: number, gives = I32): Function {
  return { name, takes: [I32], gives: [gives], body: [...LOCAL_0, instruction, power, 0] };
}

function store(name: keyof RegisterModule, instruction: number, power: number, takes = I32): Function {
  const body = [...LOCAL_0, ...LOCAL_1, instruction, power, 0];
  return { name, takes: [I32, takes], gives: [], body };
}

const FUNCTIONS: readonly Function[] = [
  load("load8", 0x2d, 0),
  load("load16", 0x2f, 1),
  load("load32", 0x28, 2),
  load("load64", 0x29, 3, I64),
  {
    name: "loadHalves",
    takes: [I32],
    gives: [I32],
    local: I64,
    body: [
      ...[...LOCAL_0, 0x29, 3, 0, ...TEE_1],
      ...[...THIRTY_TWO, SHIFT_RIGHT, WRAP, ...SET_UPPER],
      ...[...LOCAL_1, WRAP],
    ],
  },
  { name: "upper", takes: [], gives: [I32], body: GET_UPPER },
  store("store8", 0x3a, 0),
  store("store16", 0x3b, 1),
  store("store32", 0x36, 2),
  store("store64", 0x37, 3, I64),
  {
    name: "storeHalves",
    takes: [I32, I32, I32],
    gives: [],
    body: [
      ...[...LOCAL_0, ...LOCAL_1, EXTEND],
      ...[...LOCAL_2, EXTEND, ...THIRTY_TWO, SHIFT_LEFT, OR],
      ...[0x37, 3, 0],
    ],
  },
];

let compiled: object | undefined;

/** The accesses on one memory. The module is a few hundred bytes, made here: nothing is compiled ahead or downloaded. */
export function registerModule(memory: SharedWebAssemblyMemory): RegisterModule | undefined {
  const engine = webAssembly();
  if (engine === undefined) return undefined;
  compiled ??= new engine.Module(encoded());
  return new engine.Instance(compiled, { vfio: { memory } }).exports as RegisterModule;
}

/** The module in WebAssembly's binary format. */
function encoded(): Uint8Array {
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(
      1,
      FUNCTIONS.map(({ takes, gives }) => [0x60, ...vector(takes), ...vector(gives)]),
    ),
    // Any shared memory of up to 65,536 pages: flags 3 are "shared, with a maximum".
    ...section(2, [[...text("vfio"), ...text("memory"), 2, 3, 0, ...unsigned(65536)]]),
    ...section(
      3,
      FUNCTIONS.map((_, index) => [index]),
    ),
    ...section(6, [[I32, 1, 0x41, 0, END]]),
    ...section(
      7,
      FUNCTIONS.map(({ name }, index) => [...text(name), 0, index]),
    ),
    ...section(10, FUNCTIONS.map(code)),
  ]);
}

function code({ local, body }: Function): number[] {
  const locals = local === undefined ? [0] : [1, 1, local];
  return vector([...locals, ...body, END]);
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  return [id, ...vector([...unsigned(entries.length), ...entries.flat()])];
}

function vector(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

function text(name: string): number[] {
  return vector([...new TextEncoder().encode(name)]);
}

/** LEB128: seven bits a byte, the lowest first. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}
