const LOOK_EVERY_MS = 1000;
const LOOKS = 60;

/**
 * Work that may take as long as this machine needs, as long as it goes on: rejects when its progress has stood still for
 * a minute. The minute is counted in looks, so that one in which this process did not run does not count.
 */
export async function whileItGoesOn(progress: () => number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    let last = progress();
    let idle = 0;
    timer = setInterval(() => {
      const now = progress();
      idle = now === last ? idle + 1 : 0;
      last = now;
      if (idle >= LOOKS) reject(new Error(`it hangs: nothing has moved for ${LOOKS} s after ${now}`));
    }, LOOK_EVERY_MS);
  });
  try {
    await Promise.race([work, stuck]);
  } finally {
    clearInterval(timer);
  }
}
