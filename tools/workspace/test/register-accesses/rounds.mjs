/** How often a pattern runs in each state of its code. */
export const ROUNDS = 300;

/** What is written to `edu` before pattern 0; one more before each further one. */
export const MARKER = 0xfeed0000;
