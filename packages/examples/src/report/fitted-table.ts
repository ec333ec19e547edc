import Table from "cli-table3";
import { stripVTControlCharacters } from "node:util";

const PADDING = 2;
const NARROWEST = 8;

/**
 * Formats rows as a table no wider than the terminal: the words of one column wrap.
 * @param flexible index of that column.
 * @param columns the terminal's width in characters; default: any width.
 */
export function fittedTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  flexible: number,
  columns: number | undefined,
): string {
  const widths = head.map((_, index) => widest([head, ...rows].map((row) => row[index] ?? "")) + PADDING);
  const others = widths.filter((_, index) => index !== flexible).reduce((sum, width) => sum + width, 0);
  const room = (columns ?? Infinity) - others - (head.length + 1);
  widths[flexible] = Math.min(widths[flexible] ?? 0, Math.max(NARROWEST, room));
  const style = { head: [], border: [], compact: true };
  const table = new Table({ head: [...head], style, colWidths: widths, wordWrap: true });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

function widest(cells: readonly string[]): number {
  return Math.max(0, ...cells.map((cell) => stripVTControlCharacters(cell).length));
}
