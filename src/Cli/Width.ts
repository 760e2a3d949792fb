/** How much room text takes on a terminal: a Chinese character takes two columns, and a colour none. */
import cliTruncate from "cli-truncate"
import widthOf from "fast-string-width"

/** The text in at most `width` columns; what was cut ends in "…". */
export const fit = (text: string, width: number): string =>
  widthOf(text) <= width ? text : cliTruncate(text, Math.max(1, width))
