/**
 * Lines of text out of a stream of bytes. A character may lie across two pieces, and a line across many: those are kept
 * as pieces until the line ends, since to join them each time would cost the square of its length. A line that is too
 * long is left out as a whole, and said to be.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** A line without its end, or the news that one was too long. */
export type Line = { readonly text: string } | { readonly tooLong: true }

/** The lines of `input`, at most `most` UTF-16 units each. What follows the last line break is a line too. */
export const of = <E, R>(input: Stream.Stream<Uint8Array, E, R>, most: number): Stream.Stream<Line, E, R> =>
  Stream.suspend(() => {
    const decoder = new TextDecoder()
    let parts: Array<string> = []
    let length = 0
    const take = (part: string) => {
      length += part.length
      if (length <= most) parts.push(part)
      else parts = []
    }
    const end = (): Line => {
      const line: Line = length <= most ? { text: parts.join("") } : { tooLong: true }
      parts = []
      length = 0
      return line
    }
    const hear = (text: string): ReadonlyArray<Line> => {
      const [first = "", ...rest] = text.split("\n")
      take(first)
      return rest.map((part) => {
        const line = end()
        take(part)
        return line
      })
    }
    return Stream.concat(
      Stream.mapConcat(input, (bytes) => hear(decoder.decode(bytes, { stream: true }))),
      Stream.fromIterableEffect(
        Effect.sync(() => {
          const lines = hear(decoder.decode())
          return length === 0 ? lines : [...lines, end()]
        }),
      ),
    )
  })
