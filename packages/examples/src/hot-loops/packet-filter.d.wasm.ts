/** `packet-filter.as.ts`, compiled. */
declare const code: Uint8Array;
export default code;
