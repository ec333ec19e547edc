import { errnoOf } from "../errors/errors.js";
import { has32Bits } from "../memory/register-bits.js";
import type { Kernel } from "./system-calls.js";

const NO_FD = errnoOf("EBADF");
const INVALID = errnoOf("EINVAL");

/**
 * The addon's ioctl, which takes integers as they come, for that is fastest: it would make NaN 0, the fd of the standard
 * input, and another ioctl of a number with more than 32 bits.
 */
export function checkedIoctl(unchecked: Kernel["ioctl"]): Kernel["ioctl"] {
  return (fd, request, argument) => {
    if (!has32Bits(fd)) return NO_FD;
    if (!has32Bits(request)) return INVALID;
    if (typeof argument === "number" && !Number.isSafeInteger(argument)) return INVALID;
    return unchecked(fd, request, argument);
  };
}
