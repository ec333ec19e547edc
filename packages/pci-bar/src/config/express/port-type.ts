/** What a PCI Express function is (PCI Express Base 3.0, section 7.8.2, table 7-11). */
export type PortType =
  | "endpoint"
  | "legacy-endpoint"
  | "root-port"
  | "upstream-port"
  | "downstream-port"
  | "pcie-to-pci-bridge"
  | "pci-to-pcie-bridge"
  | "integrated-endpoint"
  | "event-collector"
  | "reserved";

const CODES: Readonly<Record<number, PortType>> = {
  0: "endpoint",
  1: "legacy-endpoint",
  4: "root-port",
  5: "upstream-port",
  6: "downstream-port",
  7: "pcie-to-pci-bridge",
  8: "pci-to-pcie-bridge",
  9: "integrated-endpoint",
  10: "event-collector",
};

/** Decodes the device/port type field. */
export function portTypeOf(code: number): PortType {
  return CODES[code] ?? "reserved";
}

/** Integrated functions of the root complex have no link. */
export function hasLink(type: PortType): boolean {
  return type !== "integrated-endpoint" && type !== "event-collector";
}

/** It reports what happens below it. */
export function isRoot(type: PortType): boolean {
  return type === "root-port" || type === "event-collector";
}

/** Its link leads away from the root complex, so it may have a slot. */
export function leadsDown(type: PortType): boolean {
  return type === "root-port" || type === "downstream-port" || type === "pci-to-pcie-bridge";
}

/** True if the type is one of those. */
export function isOneOf(type: PortType, ...types: readonly PortType[]): boolean {
  return types.includes(type);
}
