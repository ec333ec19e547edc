import { inspect } from "node:util";
import { VfioRangeError } from "../errors/errors.js";

const BDF = /^(?:(?<domain>[0-9a-f]{4,8}):)?(?<rest>[0-9a-f]{2}:[01][0-9a-f]\.[0-7])$/i;

/**
 * The full form of a PCI address ("BDF": domain, bus, device, function), as sysfs spells it: lower case, the domain
 * with at least four digits (the kernel prints it with `%04x`).
 * @param text `0000:00:10.0`, or without its domain `00:10.0` (then domain 0000). Also with a long domain, as
 * nvidia-smi prints all (`00000000:65:00.0`) and Intel VMD needs them (`10000:e1:00.0`).
 * @throws VfioRangeError `ERR_VFIO_BAD_BDF` for anything else.
 * @example
 * ```ts
 * import { normalizeBdf } from "@vfio/vfio-core";
 *
 * console.log(normalizeBdf("03:00.0")); // 0000:03:00.0
 * console.log(normalizeBdf("00000000:3B:00.0")); // 0000:3b:00.0
 * ```
 */
export function normalizeBdf(text: string): string {
  const { domain = "0000", rest } = (typeof text === "string" && BDF.exec(text)?.groups) || {};
  if (rest === undefined) throw badBdfError(text);
  return `${domain.replace(/^0+(?=.{4})/, "")}:${rest}`.toLowerCase();
}

function badBdfError(text: unknown): VfioRangeError {
  const shown = typeof text === "string" ? JSON.stringify(text) : inspect(text, { depth: -1 });
  return new VfioRangeError("ERR_VFIO_BAD_BDF", `${shown} is not a PCI address`, {
    hint: "It looks like 0000:00:10.0 (domain:bus:device.function, hexadecimal); `lspci -D` lists all",
  });
}
