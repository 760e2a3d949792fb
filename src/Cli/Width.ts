/** How much room text takes on a terminal: a Chinese character takes two columns, and a colour none. */
import truncated from "fast-string-truncated-width"
import widthOf from "fast-string-width"

/** The text in at most `width` columns; what was cut ends in "…". */
export const fit = (text: string, width: number): string => {
  if (widthOf(text) <= width) return text
  const { index } = truncated(text, { limit: Math.max(1, width), ellipsis: "…", ellipsisWidth: 1 })
  return `${text.slice(0, index)}…`
}
