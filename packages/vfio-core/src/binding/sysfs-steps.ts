import { check, kernel } from "@vfio/ioctl-native";
import { writeSysfs } from "@vfio/ioctl-native/internal";

interface SysfsWrite {
  readonly file: string;
  readonly text: string;
}

/** Work in several writes, each of which may wait in the kernel: yields each write, and gets its failure thrown. */
export type SysfsSteps<T = void> = Generator<SysfsWrite, T, undefined>;

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
