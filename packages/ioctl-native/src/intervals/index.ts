export * from "./bisect.js";
export * from "./extent.js";
export * from "./range.js";
export * from "./range-list.js";
export * from "./range-set.js";
export * from "./words64.js";
