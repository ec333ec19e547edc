import fc from "fast-check";

// A setup file of Vitest. Generated cases are the same in each run, so that only a change makes a run fail; FC_SEED
// gives others.
fc.configureGlobal({ seed: Number(process.env["FC_SEED"] || 1) });
