/** Before the `prebuilds` target: the compilers for every platform. */
import { CROSS_COMPILERS } from "./src/debian-packages.js";
import { ensureDebianPackages } from "./src/debian.js";

await ensureDebianPackages(CROSS_COMPILERS, "Compiling the addon for every platform");
