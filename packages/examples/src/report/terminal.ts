export interface Terminal {
  readonly colors: boolean;
  /** In characters; `undefined` if the output is no terminal, where lines may be of any length. */
  readonly columns: number | undefined;
}

/** Colours only where a terminal shows them and nobody has asked for none (no-color.org). */
export function terminalOf(
  { isTTY, columns }: Pick<NodeJS.WriteStream, "isTTY" | "columns">,
  { NO_COLOR, TERM }: Readonly<Record<string, string | undefined>>,
): Terminal {
  if (!isTTY) return { colors: false, columns: undefined };
  return { colors: !NO_COLOR && TERM !== "dumb", columns };
}
