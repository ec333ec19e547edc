import {
  VfioRangeError,
  type HasFd,
  type MappableMemory,
  DMA_ACCESSES,
  type AddressSpace,
} from "@vfio/ioctl-native";
import { Type1Space } from "@vfio/ioctl-native/vfio";
import { formatAddress, shownValue } from "@vfio/ioctl-native/internal";
import { argumentError, checkIova, checkObject, isPowerOfTwo } from "../arguments.js";
import type { MappingPlan } from "./mapping-plan.js";
import type { MapMemoryOptions } from "./map-memory-options.js";
import type { IovaMode } from "../iova/iova-mode.js";
import { IovaAllocator } from "../iova/iova-allocator.js";
import { checkPiece } from "./plan-extents.js";

const CONTAINER_EXPECTED =
  "a VFIO container ({ fd: number }), or an AddressSpace with limits(), map() and unmap(),";
const MEMORY_EXPECTED =
  "memory (a HugepageMemory, a UserMemory, or whatever has address: bigint, bytes, pageBytes, physicalAddresses() and hold())";
const IOVA_MODES: readonly IovaMode[] = ["physical", "virtual", "allocate"];

/** @throws VfioRangeError `ERR_VFIO_IOVA`. */
export function checkedMode(iova: unknown): IovaMode {
  if (iova instanceof IovaAllocator) return "allocate";
  const mode = IOVA_MODES.find((each) => each === iova);
  if (mode !== undefined) return mode;
  throw new VfioRangeError(
    "ERR_VFIO_IOVA",
    `device addresses are chosen by ${IOVA_MODES.join(", ")}, or an IovaAllocator; not by ${shownValue(iova)}`,
  );
}

function checkMemory(memory: MappableMemory): void {
  checkObject(memory, MEMORY_EXPECTED);
  const { address, bytes, pageBytes } = memory;
  const areNumbers = Number.isSafeInteger(bytes) && isPowerOfTwo(pageBytes) && typeof address === "bigint";
  const areMethods = typeof memory.physicalAddresses === "function" && typeof memory.hold === "function";
  if (!areNumbers || !areMethods) throw argumentError(memory, MEMORY_EXPECTED);
  if (bytes > 0 && bytes % pageBytes === 0 && Number(address) % pageBytes === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `memory of ${bytes} bytes at address ${formatAddress(address)} is not made of whole pages of ${pageBytes} bytes`,
  );
}

/** @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`. */
export function spaceOf(container: HasFd | AddressSpace): AddressSpace {
  checkObject(container, CONTAINER_EXPECTED);
  const space = container as Partial<AddressSpace>;
  if ([space.limits, space.map, space.unmap].every((each) => typeof each === "function"))
    return container as AddressSpace;
  if ("fd" in container && typeof container.fd === "number") return new Type1Space(container);
  throw argumentError(container, CONTAINER_EXPECTED);
}

/** Checks here what JavaScript callers can get wrong, before a mapping waits for a group with it. */
export function planOf(memory: MappableMemory, options: MapMemoryOptions): MappingPlan {
  checkObject(options, "options of a mapping");
  checkMemory(memory);
  const { access = "read-write", iova, pieceBytes } = options;
  if (!DMA_ACCESSES.includes(access)) {
    throw new VfioRangeError(
      "ERR_VFIO_DMA_ACCESS",
      `${shownValue(access)} is no access: it is one of ${DMA_ACCESSES.join(", ")}`,
    );
  }
  if (iova !== undefined) checkIova(iova);
  if (pieceBytes !== undefined) checkPiece(pieceBytes, memory.pageBytes);
  return { access, iova, pieceBytes };
}
