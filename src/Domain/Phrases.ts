/** How quantities are put into words, the same in every interface. */

/** "1 note", "2 notes". */
export const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`

/** A span of time, in milliseconds, in the unit that suits it. */
export const span = (millis: number): string => {
  const seconds = Math.max(0, millis) / 1000
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`
  if (seconds < 90) return `${Math.round(seconds)} s`
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`
  return seconds < 129_600 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`
}
