/**
 * Loads a 32-bit word that a device writes by DMA, such as a ring's index or the phase bit of a completion: one access,
 * always made, and made before all reads that follow it in the program. When the word says that data is there, plain
 * reads (typed arrays, DataViews) see that data. A plain read of the word does not promise that: V8 may keep its value
 * over the turns of a loop, and an arm64 processor may have read the data before it.
 *
 * It is `Atomics.load`, as far as JavaScript has a name for it: on x86-64 a plain load (the processor keeps loads in
 * order), on arm64 `ldar`. It makes no garbage, which is why the words must be signed: an unsigned one from 2^31 on
 * would be an object on the heap.
 * @param words a view of DMA memory, made once and kept for the loop.
 * @param index counted in words.
 * @returns the word, signed: compare with `value | 0`, or test bits with `&`.
 * @throws RangeError for an index outside the view; TypeError when the memory is closed.
 * @example
 * ```ts
 * import { HugepageMemory, loadAcquire } from "@vfio/dma";
 *
 * using memory = HugepageMemory.allocate({ bytes: 4096, pageBytes: 4096 });
 * const entry = new Int32Array(memory.buffer, 0, 4); // the device writes words 0 to 2, then the phase into word 3
 * entry.set([7, 8, 9, 1]); // as it would
 * if ((loadAcquire(entry, 3) & 1) === 1) console.log(entry[0], entry[1], entry[2]); // 7 8 9
 * ```
 */
export function loadAcquire(words: Int32Array, index: number): number {
  return Atomics.load(words, index);
}
