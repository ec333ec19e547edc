/** Compiles the addon. */
export declare function compile(options: {
  readonly output: string;
  readonly compiler?: string;
  readonly flags?: readonly string[];
  readonly link?: (objects: string[]) => string[];
  readonly withRuntime?: boolean;
}): Promise<void>;
