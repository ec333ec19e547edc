/** What every build links with. */
export declare const LINK_FLAGS: readonly string[];
/** The flags of a source file, in every build. */
export declare function compileFlags(source: string): string[];
