/**
 * The inner loop of an exact search: dot products with SIMD instructions, by WebAssembly, since JavaScript has none.
 * `dot.wat` is its source; a test compares it with the bytes that stand here, so that installing needs no compiler.
 */

// Node's types do not have it, and those of browsers bring much that is not here.
declare global {
  namespace WebAssembly {
    // oxlint-disable-next-line no-extraneous-class
    class Module {
      constructor(bytes: Uint8Array)
    }
    class Instance {
      constructor(module: Module)
      readonly exports: { readonly [name: string]: unknown }
    }
    class Memory {
      private constructor()
      readonly buffer: ArrayBuffer
      grow(pages: number): number
    }
  }
}

/** What `dot.wat` compiles to. */
export const bytes =
  "AGFzbQEAAAABCgFgBn9/f39/fwADAgEABQMBAAEHEQIGbWVtb3J5AgAEZG90cwAACrYBAbMBAgJ/AnsgACAEQQF0aiEHAkADQCADRQ0B/QwAAAAA" +
  "AAAAAAAAAAAAAAAAIQggACEGA0AgAf0ABAAhCSAIIAn9hwEgBv0ABAD9ugEgCf2IASAG/QAEEP26Af2uAf2uASEIIAFBEGohASAGQSBqIQYgBiAH" +
  "SQ0ACyAFIAIqAgAgCP0bACAI/RsBaiAI/RsCIAj9GwNqarKUOAIAIAJBBGohAiAFQQRqIQUgA0EBayEDDAALCws="

/** Places are bytes in the memory; see `dot.wat`. */
export type Dots = (
  query: number,
  vectors: number,
  scales: number,
  count: number,
  width: number,
  out: number,
) => void

export interface Kernel {
  readonly memory: WebAssembly.Memory
  readonly dots: Dots
}

const isDots = (value: unknown): value is Dots => typeof value === "function"

let compiled: WebAssembly.Module | undefined

/** A kernel with a memory of its own, of one page to begin with. */
export const make = (): Kernel => {
  compiled ??= new WebAssembly.Module(Buffer.from(bytes, "base64"))
  const { dots, memory } = new WebAssembly.Instance(compiled).exports
  // Only other bytes than those above could have other exports.
  if (!(memory instanceof WebAssembly.Memory) || !isDots(dots)) throw new TypeError("not the kernel")
  return { memory, dots }
}
