/**
 * Which Node.js this is. It is imported before all else, and written so that old versions can read it: what comes after it
 * uses what they lack.
 */
const OLDEST = [20, 19];

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
  const newer = "Install a newer one (https://nodejs.org), or choose it if you have it (nvm use 24).";
  console.error(`This needs Node.js ${OLDEST.join(".")} or later, and this is ${process.version}. ${newer}`);
  // The exit code of the lab's own failures; any other is the command's.
  process.exit(/lab\.mjs$/.test(process.argv[1]) ? 125 : 1);
}
