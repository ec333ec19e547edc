import { VfioRangeError } from "@vfio/ioctl-native";

const BDF = /^(?:(?<domain>[0-9a-f]{4,8}):)?(?<rest>[0-9a-f]{2}:[01][0-9a-f]\.[0-7])$/i;

/**
 * The full, lower-case form of a PCI address ("BDF": domain, bus, device, function), as sysfs spells it.
 * @param text `0000:00:10.0`, or without its domain `00:10.0` (then domain 0000).
 * @throws VfioRangeError `ERR_VFIO_BAD_BDF` for anything else.
 * @example
 * ```ts
 * import { normalizeBdf } from "@vfio/vfio-core";
 *
 * console.log(normalizeBdf("03:00.0")); // 0000:03:00.0
 * ```
 */
export function normalizeBdf(text: string): string {
  const match = BDF.exec(text);
  if (match?.groups === undefined) {
    throw new VfioRangeError("ERR_VFIO_BAD_BDF", `"${text}" is not a PCI address`, {
      hint: "It looks like 0000:00:10.0 (domain:bus:device.function, hexadecimal); `lspci -D` lists all",
    });
  }
  return `${match.groups.domain ?? "0000"}:${match.groups.rest ?? ""}`.toLowerCase();
}
