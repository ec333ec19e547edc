/**
 * A valgrind report's errors in the addon, a line each. Those in Node.js do not count: valgrind does not understand its
 * just-in-time compiler.
 * @param {string} xml of `valgrind --xml=yes`.
 * @returns {string[]}
 * @throws {Error} if the report is not whole.
 */
export function errorsInAddon(xml) {
  if (!xml.includes("</valgrindoutput>")) throw new Error("valgrind's report ends before its end");
  const errors = xml.match(/<error>[^]*?<\/error>/g) ?? [];
  return errors.filter((error) => /ioctl-native\.node|native\/src/.test(error)).map(inOneLine);
}

/** @param {string} error */
function inOneLine(error) {
  const functions = [...error.matchAll(/<fn>(.*?)<\/fn>/g)].map((match) => match[1]);
  return `${/<kind>(.*?)<\/kind>/.exec(error)?.[1] ?? "error"}: ${functions.slice(0, 6).join(" < ")}`;
}
