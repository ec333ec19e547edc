/** What is known of where the report is shown. */
export interface Terminal {
  readonly colors: boolean;
  /** In characters; `undefined` if it is no terminal, where lines may be of any length. */
  readonly columns: number | undefined;
}

/** Colours only where a terminal shows them and nobody has asked for none (no-color.org; a dumb terminal has none). */
export function terminalOf(
  { isTTY, columns }: Pick<NodeJS.WriteStream, "isTTY" | "columns">,
  { NO_COLOR, TERM }: Readonly<Record<string, string | undefined>>,
): Terminal {
  if (!isTTY) return { colors: false, columns: undefined };
  return { colors: !NO_COLOR && TERM !== "dumb", columns };
}
