import { type DmaAccess } from "@vfio/ioctl-native";

/** How a memory is to be mapped. */
export interface MappingPlan {
  readonly access: DmaAccess;
  readonly iova: bigint | undefined;
  /** The largest size of a piece; `undefined` for as few pieces as possible. */
  readonly pieceBytes: number | undefined;
}
