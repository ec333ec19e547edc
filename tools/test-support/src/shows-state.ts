import { inspect } from "node:util";
import type { Called } from "./wrong-arguments.js";

/** Whether somebody who logs the object or puts it into a text sees its state. Modules and classes have none. */
export function showsState({ make }: Called): boolean {
  const object = make();
  try {
    const isInstance = typeof object === "object" && Object.getPrototypeOf(object) !== Object.prototype;
    const texts = [inspect(object), (object as { toString(): string }).toString()];
    return !isInstance || !texts.some((text) => /^\w+ \{\}$|^\[object /.test(text));
  } finally {
    (object as Partial<Disposable>)[Symbol.dispose]?.();
  }
}
