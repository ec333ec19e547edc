/**
 * The layers, lowest first: the packages of ours that each may import. ESLint enforces it, and a test compares every
 * package.json.
 */
export const LAYERS = {
  "@vfio/ioctl-native": [],
  "@vfio/vfio-core": ["@vfio/ioctl-native"],
  "@vfio/dma": ["@vfio/ioctl-native"],
  "@vfio/pci-bar": ["@vfio/ioctl-native"],
  "@vfio/mp-sync": ["@vfio/ioctl-native"],
  "@vfio/lab": ["@vfio/set-up"],
  "@vfio/examples": [
    "@vfio/ioctl-native",
    "@vfio/vfio-core",
    "@vfio/dma",
    "@vfio/pci-bar",
    "@vfio/mp-sync",
    "@vfio/lab",
  ],
};

/** The tools that are no packages. Tests and benchmarks of every package may use `test-support`. */
export const TOOL_LAYERS = {
  "@vfio/set-up": [],
  "@vfio/test-support": [],
  "@vfio/release": ["@vfio/set-up", "@vfio/ioctl-native"],
  "@vfio/workspace": ["@vfio/set-up", "@vfio/release", ...Object.keys(LAYERS)],
};

export const PACKAGE_FOLDERS = {
  "@vfio/ioctl-native": "packages/ioctl-native",
  "@vfio/vfio-core": "packages/vfio-core",
  "@vfio/dma": "packages/dma",
  "@vfio/pci-bar": "packages/pci-bar",
  "@vfio/mp-sync": "packages/mp-sync",
  "@vfio/examples": "packages/examples",
  "@vfio/lab": "tools/lab",
  "@vfio/set-up": "tools/set-up",
  "@vfio/test-support": "tools/test-support",
  "@vfio/release": "tools/release",
  "@vfio/workspace": "tools/workspace",
};
