/** lspci's names of capabilities that are not decoded (PCI Code and ID Assignment 1.11, section 2). */
const STANDARD: Readonly<Record<number, string>> = {
  0x00: "Null",
  0x02: "AGP",
  0x03: "Vital Product Data",
  0x04: "Slot ID",
  0x06: "CompactPCI hot-swap",
  0x07: "PCI-X",
  0x08: "HyperTransport",
  0x0a: "Debug port",
  0x0b: "CompactPCI central resource control",
  0x0c: "Hot-plug capable",
  0x0e: "AGP3",
  0x0f: "Secure device",
  0x12: "SATA HBA",
  0x14: "Enhanced Allocation (EA)",
  0x15: "Flattening Portal Bridge",
};

/** PCI Code and ID Assignment 1.11, section 3. */
const EXTENDED: Readonly<Record<number, string>> = {
  0x00: "Null",
  0x02: "Virtual Channel",
  0x04: "Power Budgeting",
  0x05: "Root Complex Link",
  0x06: "Root Complex Internal Link",
  0x07: "Root Complex Event Collector",
  0x08: "Multi-Function Virtual Channel",
  0x09: "Virtual Channel",
  0x0a: "Root Complex Register Block",
  0x11: "Multi-Root I/O Virtualization",
  0x12: "Multicast",
  0x13: "Page Request Interface (PRI)",
  0x15: "Physical Resizable BAR",
  0x16: "Dynamic Power Allocation",
  0x17: "Transaction Processing Hints",
  0x19: "Secondary PCI Express",
  0x1a: "Protocol Multiplexing",
  0x1b: "Process Address Space ID (PASID)",
  0x1c: "LN Requester",
  0x1d: "Downstream Port Containment",
  0x1f: "Precision Time Measurement",
  0x20: "PCI Express over M_PHY",
  0x21: "FRS Queueing",
  0x22: "Readiness Time Reporting",
  0x24: "Virtual Resizable BAR",
  0x25: "Data Link Feature",
  0x26: "Physical Layer 16.0 GT/s",
  0x27: "Lane Margining at the Receiver",
  0x28: "Hierarchy ID",
  0x29: "Native PCIe Enclosure Management",
  0x2a: "Physical Layer 32.0 GT/s",
  0x2e: "Data Object Exchange",
};

export function capabilityName(id: number, extended: boolean): string {
  const known = (extended ? EXTENDED : STANDARD)[id];
  return (
    known ?? (extended ? `Extended Capability ID 0x${id.toString(16)}` : `Capability ID 0x${id.toString(16)}`)
  );
}
