/** A bare ioctl round trip, through the checked `ioctl()` of this package and in C, in pairs. */
import { ioctl, openFile } from "@vfio/ioctl-native";
import { vfioIoctls } from "@vfio/ioctl-native/vfio";
import { comparePairs, nanosecondsPerCall, runC } from "@vfio/test-support/benchmark";

const COUNT = 50_000;
const { VFIO_GET_API_VERSION } = vfioIoctls;
const container = openFile("/dev/vfio/vfio");

comparePairs({
  what: "ioctl round trip (VFIO_GET_API_VERSION)",
  unit: "ns",
  goal: 2.5,
  ours: () => nanosecondsPerCall(COUNT, () => ioctl(container, VFIO_GET_API_VERSION, 0)),
  c: () => runC(import.meta.dirname, "ioctl", COUNT),
});
container.close();
