/**
 * What a valgrind report has against the addon, each as one line. Node.js itself is not our concern: its just-in-time
 * compiler does much that valgrind does not understand.
 * @param {string} xml what `valgrind --xml=yes` wrote.
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
