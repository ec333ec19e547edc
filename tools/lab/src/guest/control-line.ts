import { lineReader } from "./line-reader.js";

export type ControlMessage =
  | { readonly type: "ready"; readonly uptimeMs: number }
  | { readonly type: "exit"; readonly code: number }
  | { readonly type: "fail"; readonly what: string };

export function parseControlLine(line: string): ControlMessage | undefined {
  const [, type, rest = ""] = /^(ready|exit|fail) (.+)$/.exec(line) ?? [];
  if (type === "fail") return { type, what: rest };
  const number = rest === "" ? Number.NaN : Number(rest);
  if (Number.isNaN(number)) return undefined;
  if (type === "ready") return { type, uptimeMs: Math.round(number * 1000) };
  return type === "exit" ? { type, code: number } : undefined;
}

export function controlReader(onMessage: (message: ControlMessage) => void): (chunk: Buffer) => void {
  return lineReader((line) => {
    const message = parseControlLine(line);
    if (message) onMessage(message);
  });
}
