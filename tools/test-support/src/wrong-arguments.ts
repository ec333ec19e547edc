import { inspect } from "node:util";

export const WRONG: readonly unknown[] = [
  ...[undefined, null, NaN, -1, 7, 1.5, "x", "", 0n, true],
  ...[{}, { fd: "3" }, [], Symbol("s"), () => 7],
];

/** An object whose members are called with wrong arguments. */
export interface Called {
  /** Makes a new one for each call, which is disposed of afterwards if possible. */
  readonly make: () => object;
  /** Right arguments of its methods, one of which is replaced at a time. Other methods get wrong ones only. */
  readonly right?: Readonly<Record<string, readonly unknown[]>>;
  /** Members not to call: they wait for ever, or throw JavaScript's errors on purpose. */
  readonly except?: readonly string[];
}

/** The errors of all members, called and set with wrong arguments, without a code of ours or of a system call. */
export async function plainErrors(all: Readonly<Record<string, Called>>): Promise<string[]> {
  const plain: string[] = [];
  for (const [name, called] of Object.entries(all))
    for (const use of await usesOf(called)) {
      const object = called.make();
      const { made, error } = await outcomeOf(() => use.run(object));
      if (error !== undefined && !hasCode(error)) plain.push(`${name}.${use.text}: ${messageOf(error)}`);
      // A valid result, such as a hold, goes before its maker.
      await disposeOf(made);
      await disposeOf(object);
    }
  return plain;
}

interface Use {
  readonly text: string;
  run(object: object): unknown;
}

async function outcomeOf(run: () => unknown): Promise<{ made?: unknown; error?: unknown }> {
  try {
    return { made: await run() };
  } catch (error) {
    return { error };
  }
}

async function disposeOf(object: unknown): Promise<void> {
  await outcomeOf(() => (object as Partial<Disposable>)[Symbol.dispose]?.());
}

async function usesOf({ make, right = {}, except = [] }: Called): Promise<Use[]> {
  const sample = make();
  await disposeOf(sample);
  const members = membersOf(sample).filter(([name]) => !["constructor", ...except].includes(name));
  return members.flatMap(([name, property]) => {
    const { set, value: method } = property as { set?: unknown; value?: unknown };
    if (set !== undefined) return WRONG.map((wrong) => setting(name, wrong));
    if (typeof method !== "function") return [];
    const args = Object.hasOwn(right, name) ? right[name] : undefined;
    return (args === undefined ? allWrong(method.length) : oneWrong(args)).map((list) => calling(name, list));
  });
}

function membersOf(object: object): [string, PropertyDescriptor][] {
  const found = Object.entries(Object.getOwnPropertyDescriptors(object));
  const parent: unknown = Object.getPrototypeOf(object);
  const ends = parent === null || parent === Object.prototype || parent === Function.prototype;
  return ends ? found : [...found, ...membersOf(parent as object)];
}

function allWrong(length: number): unknown[][] {
  return WRONG.map((wrong) => Array<unknown>(Math.max(1, length)).fill(wrong));
}

function oneWrong(right: readonly unknown[]): unknown[][] {
  return right.flatMap((_, at) => WRONG.map((wrong) => right.with(at, wrong)));
}

function calling(name: string, args: unknown[]): Use {
  const run = (object: object): unknown => {
    const member = Reflect.get(object, name) as (...args: unknown[]) => unknown;
    // A class, as a member of a module.
    return "prototype" in member && /^class\b/.test(String(member))
      ? Reflect.construct(member, args)
      : Reflect.apply(member, object, args);
  };
  return { text: `${name}(${args.map((arg) => inspect(arg, { depth: -1 })).join(", ")})`, run };
}

function setting(name: string, wrong: unknown): Use {
  return { text: `${name} = ${inspect(wrong)}`, run: (object) => Reflect.set(object, name, wrong) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : inspect(error);
}

function hasCode(error: unknown): boolean {
  const code: unknown =
    typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^(ERR_VFIO_\w+|E[A-Z0-9]+)$/.test(code);
}
