const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/**
 * Sets what `console.log` and strings show of a class of resources; their private state would leave `EventFd {}` and
 * `[object Object]`.
 * @param fields what to show, also of closed objects; undefined fields are left out. No contents of memory or files.
 */
export function printAs<T extends object>(
  type: { readonly prototype: T; readonly name: string },
  fields: (object: T) => object,
): void {
  const value = function (this: T): string {
    const shown = listOf(this, fields);
    return shown === "" ? `${type.name} {}` : `${type.name} { ${shown} }`;
  };
  for (const name of [INSPECT, "toString"])
    Object.defineProperty(type.prototype, name, { value, configurable: true, writable: true });
}

/** Printing must work in any state of the object. */
function listOf<T>(object: T, fields: (object: T) => object): string {
  try {
    const shown = Object.entries(fields(object)).filter(([, value]) => value !== undefined);
    return shown.map(([name, value]) => `${name}: ${textOf(value)}`).join(", ");
  } catch {
    return "";
  }
}

function textOf(value: unknown): string {
  if (typeof value === "bigint") return `0x${value.toString(16)}`;
  if (typeof value === "string") return JSON.stringify(value);
  return Array.isArray(value) ? `[${value.map(textOf).join(", ")}]` : String(value);
}
