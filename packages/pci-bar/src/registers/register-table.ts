import { VfioRangeError } from "@vfio/ioctl-native";
import { argumentError, checkOptions, printAs, registerOffsetError } from "@vfio/ioctl-native/internal";
import { bindRegister } from "./bind-register.js";
import { registerWidthError } from "./register-value.js";
import type { RegisterRegion } from "./raw-register.js";
import type { RegisterDeclarations, RegisterList, RegisterSet } from "./register-declaration.js";
import { registerMarkdown } from "./register-docs.js";
import { dumpRegisters, elementsOf, type DumpedRegister, type DumpOptions } from "./register-dump.js";
import { layOut, type RegisterLayout } from "./register-layout.js";
import { planOf, type RegisterPlan } from "./register-plan.js";

/** Options of {@link RegisterTable.on}. */
export interface PlacingOptions {
  /** The block's offset in the region, in bytes. Default 0. */
  readonly base?: number;
}

/** A declared register block, with its accessors, its dump and its documentation. */
export class RegisterTable<const D extends RegisterDeclarations> {
  static {
    printAs(RegisterTable, (it) => ({ registers: it.layout.map(({ name }) => name) }));
  }

  /** The checked declaration, with all defaults filled in. */
  readonly layout: readonly RegisterLayout[];
  #plans: readonly RegisterPlan[] | undefined;

  /** Programs call {@link defineRegisters}. */
  constructor(declarations: D) {
    this.layout = layOut(declarations);
  }

  /**
   * The registers of a region, by name. Made here once, not at each access.
   * @param options `base` is the block's offset, for a block that the region has several times.
   * @throws VfioRangeError `ERR_VFIO_REGISTER_OFFSET` if the region is too small for a register, or the base no
   * multiple of its width; `ERR_VFIO_REGISTER_WIDTH` for a 64-bit register that is not mapped; `ERR_VFIO_ARGUMENT`.
   */
  on(region: RegisterRegion, options: PlacingOptions = {}): RegisterSet<D> {
    checkPlace(region, options);
    const { base = 0 } = options;
    for (const layout of this.layout) {
      checkFits(layout, region, base);
      checkWidth(layout, region, base);
    }
    const bound = this.#planned().map((plan) => {
      const { layout } = plan;
      const registers = elementsOf(layout, base).map(({ name, offset }) =>
        bindRegister(plan, region, name, offset),
      );
      return [layout.name, layout.count === undefined ? registers[0] : listOf(layout.name, registers)];
    });
    // The layouts are made of D, and so are the accessors.
    return Object.fromEntries(bound) as RegisterSet<D>;
  }

  /**
   * Reads and decodes every register but those that are write-only, that reading would clear, or that are out of reach:
   * each says why. `formatDump` makes it text.
   * @throws VfioRangeError `ERR_VFIO_REGISTER_OFFSET` as {@link on}; the errors of a read.
   */
  dump(region: RegisterRegion, options: DumpOptions = {}): DumpedRegister[] {
    checkPlace(region, options);
    for (const layout of this.layout) checkFits(layout, region, options.base ?? 0);
    return dumpRegisters(this.#planned(), region, options);
  }

  /** As Markdown. */
  markdown(): string {
    return registerMarkdown(this.layout);
  }

  /** Compiles code: once, and not before it is needed. */
  #planned(): readonly RegisterPlan[] {
    return (this.#plans ??= this.layout.map(planOf));
  }
}

/**
 * Declares a block of registers.
 * @throws VfioRangeError `ERR_VFIO_REGISTER_TABLE` for a mistake, with the register and the field.
 * @example
 * ```ts
 * // needs a device
 * import { defineRegisters } from "@vfio/pci-bar";
 *
 * const registers = defineRegisters({
 *   status: { offset: 0x08, access: "ro", fields: { ready: { bit: 0 }, mode: { bits: [3, 2], values: { idle: 0, run: 1 } } } },
 *   control: { offset: 0x0c, fields: { enable: { bit: 0 }, depth: { bits: [15, 8] } } },
 *   doorbell: { offset: 0x1000, access: "wo", count: 4 },
 * });
 * const regs = registers.on(pci.bar(0).open());
 * regs.control.modify({ enable: true });
 * if (regs.status.read().mode === "run") regs.doorbell.at(2).writeRaw(1);
 * ```
 */
export function defineRegisters<const D extends RegisterDeclarations>(declarations: D): RegisterTable<D> {
  return new RegisterTable(declarations);
}

function checkPlace(region: unknown, options: PlacingOptions): void {
  const isRegion = typeof region === "object" && region !== null && "read32" in region && "bytes" in region;
  if (!isRegion) throw argumentError("the region", "an open region", region);
  checkOptions("the options of a register table", options);
}

function checkFits(
  { width, offset, count = 1, stride }: RegisterLayout,
  { name, bytes }: RegisterRegion,
  base: number,
): void {
  // Anything but a number is shown as it is.
  const last = typeof base === "number" ? base + offset + (count - 1) * stride : base;
  const isPlace = Number.isSafeInteger(base) && base >= 0 && base % (width / 8) === 0;
  if (isPlace && last + width / 8 <= bytes) return;
  throw registerOffsetError({ offset: last, width: width / 8, name, bytes });
}

/** Without a mapping there is no 64-bit access. */
function checkWidth(layout: RegisterLayout, { name, windows }: RegisterRegion, base: number): void {
  if (layout.width !== 64 || windows === undefined) return;
  for (const { offset } of elementsOf(layout, base)) {
    const isMapped = windows.some(
      (window) => offset >= window.offset && offset + 8 <= window.offset + window.bytes,
    );
    if (!isMapped) throw registerWidthError(name);
  }
}

function listOf<Register>(name: string, registers: readonly Register[]): RegisterList<Register> {
  return {
    count: registers.length,
    at(index) {
      const register = registers[index];
      if (register !== undefined) return register;
      throw new VfioRangeError(
        "ERR_VFIO_REGISTER_OFFSET",
        `there is no ${name}[${String(index)}]: it has ${registers.length}, from 0`,
      );
    },
    [Symbol.iterator]: () => registers[Symbol.iterator](),
  };
}
