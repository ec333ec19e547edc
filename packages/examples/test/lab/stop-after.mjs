// A preload for a program that tells events: it stops itself, as by SIGSTOP, when it has told the step whose title begins with $STOP_AFTER.
const begin = `"title":${JSON.stringify(process.env.STOP_AFTER).slice(0, -1)}`;
const write = process.stdout.write.bind(process.stdout);

process.stdout.write = (line, ...rest) => {
  const result = write(line, ...rest);
  if (line.startsWith('{"event":"step"') && line.includes(begin)) process.kill(process.pid, "SIGSTOP");
  return result;
};
