import { testsOf } from "../../vitest.shared.js";

export default testsOf("set-up");
