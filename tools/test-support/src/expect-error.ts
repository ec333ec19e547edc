import { expect } from "vitest";
import { errorOf, rejectionOf } from "./errors.js";

/**
 * @param expected the code, and words of the message (which ends with the hint) in order, with ellipses between:
 * `"ENOMEM … 8 reserved, 2 free … echo 10 >"`.
 * @param members further properties, such as `{ syscall: "open", hint: undefined }`.
 * @returns the error.
 */
export function expectError(
  call: () => unknown,
  expected: string,
  members: object = {},
): ReturnType<typeof errorOf> {
  return checked(errorOf(call), expected, members);
}

export async function expectRejection(
  promise: Promise<unknown>,
  expected: string,
  members: object = {},
): ReturnType<typeof rejectionOf> {
  return checked(await rejectionOf(promise), expected, members);
}

function checked<E extends Error & { code?: string }>(error: E, expected: string, members: object): E {
  const [code, ...words] = expected.split("…").map((each) => patternOf(each.trim()));
  const pattern = [`^${code || String.raw`\S*`} `, ...words].join("[^]*");
  expect(`${error.code ?? ""} … ${error.message}`).toMatch(new RegExp(pattern));
  expect(Object.assign({ hint: undefined }, error)).toMatchObject(members);
  return error;
}

function patternOf(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}
