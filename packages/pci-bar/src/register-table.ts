import { registerOffsetError, VfioRangeError } from "@vfio/ioctl-native";
import { bindRegister } from "./bind-register.js";
import type { RegisterRegion } from "./raw-register.js";
import type { RegisterDeclarations, RegisterList, RegisterSet } from "./register-declaration.js";
import { registerMarkdown } from "./register-docs.js";
import { dumpRegisters, elementsOf, type DumpedRegister, type DumpOptions } from "./register-dump.js";
import { layOut, type RegisterLayout } from "./register-layout.js";

/** A declared register block: from here come its accessors, its dump and its documentation. */
export class RegisterTable<const D extends RegisterDeclarations> {
  /** What was declared, checked, with nothing left to default. */
  readonly layout: readonly RegisterLayout[];

  /** Programs call {@link defineRegisters}. */
  constructor(declarations: D) {
    this.layout = layOut(declarations);
  }

  /**
   * The registers of a region, by name. They are made once, here; an access makes nothing.
   * @throws VfioRangeError `ERR_VFIO_REGISTER_OFFSET` if the region is too small for one of them.
   */
  on(region: RegisterRegion): RegisterSet<D> {
    for (const layout of this.layout) checkFits(layout, region);
    const bound = this.layout.map((layout) => {
      const registers = elementsOf(layout).map(({ name, offset }) =>
        bindRegister(layout, region, name, offset),
      );
      return [layout.name, layout.count === undefined ? registers[0] : listOf(layout.name, registers)];
    });
    // The layouts are made of D, and so are the accessors.
    return Object.fromEntries(bound) as RegisterSet<D>;
  }

  /**
   * Reads and decodes every register, but for those that can only be written, or that reading would clear.
   * Text of it: `formatDump`.
   */
  dump(region: RegisterRegion, options: DumpOptions = {}): DumpedRegister[] {
    for (const layout of this.layout) checkFits(layout, region);
    return dumpRegisters(this.layout, region, options);
  }

  /** The block's documentation, as Markdown. */
  markdown(): string {
    return registerMarkdown(this.layout);
  }
}

/**
 * Declares a block of registers.
 * @throws VfioRangeError `ERR_VFIO_REGISTER_TABLE` for a mistake in it, with the register and the field.
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
 * const regs = registers.on(pci.bar(0).map());
 * regs.control.modify({ enable: true });
 * if (regs.status.read().mode === "run") regs.doorbell.at(2).writeRaw(1);
 * ```
 */
export function defineRegisters<const D extends RegisterDeclarations>(declarations: D): RegisterTable<D> {
  return new RegisterTable(declarations);
}

function checkFits(
  { width, offset, count = 1, stride }: RegisterLayout,
  { name, bytes }: RegisterRegion,
): void {
  const last = offset + (count - 1) * stride;
  if (last + width / 8 <= bytes) return;
  throw registerOffsetError({ offset: last, width: width / 8, name, bytes });
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
