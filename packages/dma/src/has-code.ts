/**
 * True for an error with this `code`, an errno's name or the library's own, whoever made it: this copy of the library,
 * another one, Node.js, or an {@link AddressSpace} of somebody else's.
 */
export function hasCode(error: unknown, code: string): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === code;
}
