/** What a WebAssembly module has, by the numbers of its sections (WebAssembly specification, 5.5.2). */
const KEPT = new Map([
  [6, "variables"],
  [11, "data"],
]);
const HEADER_BYTES = 8;

/**
 * What compiled code keeps outside its arguments: strings, arrays and tables of its own, objects, variables that
 * functions share. Each thread's instance would lay them into the same places of the memory that the threads share.
 * @param {Uint8Array} code a module.
 * @returns {string[]} what it keeps, in words; nothing for code that works on what it is given.
 */
export function keptBy(code) {
  return sectionsOf(code).flatMap((section) => KEPT.get(section) ?? []);
}

/** @param {Uint8Array} code */
function sectionsOf(code) {
  const sections = [];
  for (let at = HEADER_BYTES; at < code.length;) {
    const { value, end } = unsigned(code, at + 1);
    sections.push(code[at] ?? 0);
    at = end + value;
  }
  return sections;
}

/** LEB128: seven bits a byte, the lowest first. @param {Uint8Array} code @param {number} start */
function unsigned(code, start) {
  let value = 0;
  for (let at = start; ; at++) {
    const byte = code[at] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * (at - start));
    if (byte < 0x80) return { value, end: at + 1 };
  }
}
