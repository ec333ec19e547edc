import type { RegisterLayout } from "./register-layout.js";

const ACCESS = {
  rw: "read/write",
  ro: "read only",
  wo: "write only",
  w1c: "write 1 to clear",
  rc: "read clears",
} as const;

/** A register block's documentation as Markdown: a table of the registers, and one of each register's fields. */
export function registerMarkdown(layouts: readonly RegisterLayout[]): string {
  const overview = table(
    ["Offset", "Register", "Bits", "Access", "After reset", "What it is"],
    layouts.map((layout) => [
      hex(layout.offset),
      nameOf(layout),
      String(layout.width),
      ACCESS[layout.access],
      layout.reset === undefined ? "" : hex(layout.reset),
      layout.text,
    ]),
  );
  const sections = layouts.filter(({ fields }) => fields.length > 0).map(fieldSection);
  return [overview, ...sections].join("\n");
}

function fieldSection(layout: RegisterLayout): string {
  const rows = [...layout.fields]
    .reverse()
    .map((field) => [
      field.high === field.low ? String(field.low) : `${field.high}:${field.low}`,
      `\`${field.name}\``,
      ACCESS[field.access],
      [...field.values].map(([value, name]) => `${value}: ${name}`).join(", "),
      field.text,
    ]);
  return `### ${nameOf(layout)} at ${hex(layout.offset)}\n\n${table(["Bits", "Field", "Access", "Values", "What it is"], rows)}`;
}

function nameOf({ name, count, stride }: RegisterLayout): string {
  return count === undefined ? `\`${name}\`` : `\`${name}[${count}]\`, every ${stride} bytes`;
}

function table(head: string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(" | ")} |\n`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("");
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
