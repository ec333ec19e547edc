import { isVfioError, VfioError, VfioRangeError } from "@vfio/ioctl-native";
import { checkOptions } from "@vfio/ioctl-native/internal";
import type { RegisterRegion } from "./raw-register.js";
import type { WaitForOptions, WaitForSyncOptions } from "./register-declaration.js";
import {
  half,
  isReadable,
  maskOf,
  noSuchFieldError,
  placerOf,
  whole,
  type AnyFieldValue,
} from "./register-field.js";
import type { RegisterLayout } from "./register-layout.js";
import type { RegisterPlan } from "./register-plan.js";

type Values = Record<string, AnyFieldValue>;

interface FieldTarget {
  readonly mask: bigint;
  readonly value: bigint;
}

export function bindWaits(plan: RegisterPlan, region: RegisterRegion, name: string, offset: number) {
  const { layout } = plan;
  return {
    async waitFor(wanted: object, options: WaitForOptions = {}): Promise<Values> {
      checkOptions("the options of waitFor()", options);
      const { mask, value } = targetOf(layout, wanted);
      const polling =
        layout.width === 64
          ? region.pollMask(offset, mask, value, options)
          : region.pollMask(offset, Number(mask), Number(value), { ...options, width: layout.width });
      const last = await polling.catch((error: unknown) => {
        throw named(error, name, wanted);
      });
      return decoded(plan, last);
    },
    waitForSync(wanted: object, options: WaitForSyncOptions = {}): Values {
      checkOptions("the options of waitForSync()", options);
      const { mask, value } = targetOf(layout, wanted);
      try {
        const last =
          layout.width === 64
            ? region.pollMaskSync(offset, mask, value, options)
            : region.pollMaskSync(offset, Number(mask), Number(value), { ...options, width: layout.width });
        return decoded(plan, last);
      } catch (error) {
        throw named(error, name, wanted);
      }
    },
  };
}

function targetOf(layout: RegisterLayout, wanted: object): FieldTarget {
  const readable = new Map(layout.fields.filter(isReadable).map((field) => [field.name, field]));
  const halves = new Uint32Array(2);
  let mask = 0n;
  if (typeof wanted !== "object" || (wanted as unknown) === null) throw nothingNamedError(layout);
  for (const [name, value] of Object.entries(wanted)) {
    const field = readable.get(name);
    if (field === undefined) throw noSuchFieldError(layout, name, "read", [...readable.keys()]);
    placerOf(field)(value, halves);
    mask |= maskOf(field);
  }
  if (mask === 0n) throw nothingNamedError(layout);
  return { mask, value: whole(halves) };
}

function nothingNamedError({ name }: RegisterLayout): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_POLL_TARGET",
    `cannot wait for this: no field of the register ${name} is named`,
  );
}

function decoded({ decoder }: RegisterPlan, value: number | bigint): Values {
  const bits = BigInt(value);
  return decoder()(Uint32Array.of(half(bits, 0), half(bits, 1)));
}

function named(error: unknown, name: string, wanted: object): unknown {
  if (!isVfioError(error) || error.code !== "ERR_VFIO_TIMEOUT") return error;
  const fields = Object.entries(wanted).map(([field, value]) => `${field}=${String(value)}`);
  return new VfioError("ERR_VFIO_TIMEOUT", `${name} did not become ${fields.join(" ")}: ${error.message}`, {
    cause: error,
  });
}
