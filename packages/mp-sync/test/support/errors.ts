import { isVfioError, type VfioError, type VfioRangeError } from "@vfio/ioctl-native";

/** The error of this library that a call fails with; fails itself if there is none or it is another one. */
export async function errorOf(call: () => unknown): Promise<VfioError | VfioRangeError> {
  try {
    await call();
  } catch (error) {
    if (isVfioError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
