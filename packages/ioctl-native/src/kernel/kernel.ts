import * as fs from "node:fs";
import { writeFile } from "node:fs/promises";
import { errnoOfError } from "../errors/errors.js";
import { checkedIoctl } from "./checked-ioctl.js";
import { loadAddon } from "./load-addon.js";
import { polledWatches } from "../events/polled-watches.js";
import { throughRoom, type RoomFunctions } from "../sockets/packet-room.js";
import { hasFdWatches } from "./runtime.js";
import type { Kernel } from "./system-calls.js";

let current: Kernel | undefined;

/** The kernel in use: the real one, unless {@link useKernel} put another in its place. */
export function kernel(): Kernel {
  return (current ??= realKernel());
}

/**
 * Puts another kernel behind the whole library, for unit tests.
 * @returns a disposable that restores the former kernel.
 */
export function useKernel(replacement: Kernel): Disposable {
  const former = current;
  current = replacement;
  return {
    [Symbol.dispose]() {
      current = former;
    },
  };
}

/** The real kernel: system calls through the addon, plain files through `node:fs`. */
export function realKernel(): Kernel {
  const addon = loadAddon() as Addon;
  return {
    ...addon,
    ioctl: checkedIoctl(addon.ioctl),
    ...throughRoom(addon),
    ...(hasFdWatches() ? {} : polledWatches(addon)),
    ...plainFiles,
  };
}

const plainFiles = {
  readText: (path) => orErrno(() => fs.readFileSync(path, "utf8")),
  writeText: (path, text) => orErrno(() => writeExisting(path, text)),
  writeTextAsync: (path, text) => writeFile(path, text, { flag: EXISTING }).then(() => 0, errnoOfError),
  readLink: (path) => orErrno(() => fs.readlinkSync(path)),
  list: (path) => orErrno(() => fs.readdirSync(path)),
  unlink: (path) => orErrno(() => (fs.unlinkSync(path), 0)),
  rename: (from, to) => orErrno(() => (fs.renameSync(from, to), 0)),
  lchown: (path, uid, gid) => orErrno(() => (fs.lchownSync(path, uid, gid), 0)),
  stat: (path) =>
    orErrno(() => {
      const { mode, uid, gid, ino } = fs.statSync(path);
      return { mode, uid, gid, inode: ino };
    }),
  filesystem: (path) =>
    orErrno(() => {
      const { type, bsize, blocks, bfree } = fs.statfsSync(path);
      return { type, blockBytes: bsize, blocks, freeBlocks: bfree };
    }),
} satisfies Partial<Kernel>;

type Addon = Omit<Kernel, keyof typeof plainFiles | keyof RoomFunctions> & RoomFunctions;

/**
 * Never creates a file: sysfs attributes always exist, so a misspelled one must be ENOENT. Some may only be written.
 */
const EXISTING = fs.constants.O_WRONLY | fs.constants.O_TRUNC;

function writeExisting(path: string, text: string): number {
  const fd = fs.openSync(path, EXISTING);
  try {
    fs.writeFileSync(fd, text);
    return 0;
  } finally {
    fs.closeSync(fd);
  }
}

function orErrno<T>(call: () => T): T | number {
  try {
    return call();
  } catch (error) {
    return errnoOfError(error);
  }
}
