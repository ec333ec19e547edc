/**
 * True for an error with this `code` (an errno's name or one of this library's), whoever made it: another copy of the
 * library, Node.js, or an {@link AddressSpace} of another program.
 */
export function hasCode(error: unknown, code: string): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === code;
}
