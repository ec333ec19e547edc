import { check, kernel } from "@vfio/ioctl-native";
import { writeSysfs } from "@vfio/ioctl-native/internal";

/** One write to a sysfs attribute. */
interface SysfsWrite {
  readonly file: string;
  readonly text: string;
}

/** What is done in several writes, each of which may wait in the kernel: it says what to write, and is told how it went. */
export type SysfsSteps<T = void> = Generator<SysfsWrite, T, undefined>;

/** Does all of it in this thread, which stands still meanwhile. */
export function runSteps<T>(steps: SysfsSteps<T>): T {
  let step = steps.next();
  while (step.done !== true) {
    try {
      writeSysfs(step.value.file, step.value.text);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next();
  }
  return step.value;
}

/** Does the same, each write off the event loop. */
export async function runStepsAsync<T>(steps: SysfsSteps<T>): Promise<T> {
  let step = steps.next();
  while (step.done !== true) {
    try {
      await writeSysfsAsync(step.value);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next();
  }
  return step.value;
}

async function writeSysfsAsync({ file, text }: SysfsWrite): Promise<void> {
  check(await kernel().writeTextAsync(file, text), () => ({
    syscall: "write",
    what: `cannot write "${text.trim()}" to ${file}`,
    path: file,
  }));
}
