import { type DmaAccess } from "@vfio/ioctl-native";

/** How a memory is to be mapped. */
export interface MappingPlan {
  /** What devices may do. */
  readonly access: DmaAccess;
  /** The fixed IOVA, if one was asked for. */
  readonly iova: bigint | undefined;
  /** Pieces of at most this size; `undefined` for as few pieces as possible. */
  readonly pieceBytes: number | undefined;
}
