import { VfioError, type RegisterFunctions } from "@vfio/ioctl-native";

export function readOnlyError(name: string): VfioError {
  return new VfioError("ERR_VFIO_READ_ONLY", `${name} can only be read`);
}

/** Adds writers that throw: a read-only mapping has none. */
export function readOnly(registers: RegisterFunctions, name: string): RegisterFunctions {
  const refuse = (): never => {
    throw readOnlyError(name);
  };
  return { ...registers, write8: refuse, write16: refuse, write32: refuse, write64: refuse };
}
