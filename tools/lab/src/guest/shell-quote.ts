/** Within single quotes nothing is special; a single quote ends and reopens them. */
export function shellQuote(word: string): string {
  if (word.includes("\0")) throw new TypeError("A command word cannot contain a NUL character");
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

export function shellCommand(words: readonly string[]): string {
  return words.map(shellQuote).join(" ");
}
