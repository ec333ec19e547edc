/** By code: the name here, and lspci's. */
const TYPES = {
  0: ["endpoint", "Endpoint"],
  1: ["legacy-endpoint", "Legacy Endpoint"],
  4: ["root-port", "Root Port"],
  5: ["upstream-port", "Upstream Port"],
  6: ["downstream-port", "Downstream Port"],
  7: ["pcie-to-pci-bridge", "PCI-Express to PCI/PCI-X Bridge"],
  8: ["pci-to-pcie-bridge", "PCI/PCI-X to PCI-Express Bridge"],
  9: ["integrated-endpoint", "Root Complex Integrated Endpoint"],
  10: ["event-collector", "Root Complex Event Collector"],
} as const;
const BY_CODE: Readonly<Record<number, readonly [type: PortType, title: string]>> = TYPES;

/** The type of a PCI Express function (PCI Express Base 3.0, section 7.8.2, table 7-11). @useDeclaredType */
export type PortType = (typeof TYPES)[keyof typeof TYPES][0] | "reserved";

export function portTypeOf(code: number): PortType {
  return BY_CODE[code]?.[0] ?? "reserved";
}

/** lspci's name. */
export function portTitle(code: number): string {
  return BY_CODE[code]?.[1] ?? `Unknown type ${code}`;
}

/** Functions integrated into the root complex have no link. */
export function hasLink(type: PortType): boolean {
  return type !== "integrated-endpoint" && type !== "event-collector";
}

export function isRoot(type: PortType): boolean {
  return type === "root-port" || type === "event-collector";
}

/** True for a downstream port: it may have a slot. */
export function leadsDown(type: PortType): boolean {
  return type === "root-port" || type === "downstream-port" || type === "pci-to-pcie-bridge";
}

export function isOneOf(type: PortType, ...types: readonly PortType[]): boolean {
  return types.includes(type);
}
