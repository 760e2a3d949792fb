/**
 * How a request is shared out over the processes: in as many messages as make whole turns of all of them, each of about
 * the same work, the longest texts first. So no process is left waiting for another one's last message, which costs a
 * share of every request that is as large as the request is small; and texts of nearly the same length meet in one
 * message, where the short ones can be run together.
 */
import * as Arr from "effect/Array"
import * as Protocol from "./Protocol.js"

/** What a text costs beside its length, in UTF-16 units: a run of a dozen tokens takes as long as one of two dozen. */
const overhead = 48

/** The places of texts of these lengths, in UTF-16 units, in messages that are sent in this order. */
export const share = (
  lengths: ReadonlyArray<number>,
  processes: number,
): ReadonlyArray<Arr.NonEmptyReadonlyArray<number>> => {
  const lengthAt = (place: number) => lengths[place] ?? 0
  const places = [...lengths.keys()].toSorted((a, b) => lengthAt(b) - lengthAt(a))
  const total = lengths.reduce((sum, length) => sum + length + overhead, 0)
  const turns = Math.ceil(Math.max(total / Protocol.maxLength, places.length / Protocol.maxTexts) / processes)
  const each = total / (turns * processes)
  let before = 0
  const byMessage = Arr.groupBy(places, (place) => {
    const message = Math.floor(before / each)
    before += lengthAt(place) + overhead
    return String(message)
  })
  // In rising order: keys that are numbers come so. Many short texts may be too many for one message.
  return Object.values(byMessage).flatMap((some) => Arr.chunksOf(some, Protocol.maxTexts))
}
