/**
 * The structure of a text, as far as cutting it needs it: sections, each under its headings, and in them the blocks that
 * should stay whole. Places are offsets into the text as it was given, and blocks follow each other without a gap: what
 * lies between two of them (blank lines, definitions) belongs to the one before, so whoever takes all blocks has all
 * text. Parsed by micromark, in stretches: its memory grows with what it reads at once, and a text may be megabytes.
 */
import { fromMarkdown } from "mdast-util-from-markdown"
import { frontmatterFromMarkdown } from "mdast-util-frontmatter"
import { gfmTableFromMarkdown } from "mdast-util-gfm-table"
import { toString } from "mdast-util-to-string"
import { frontmatter } from "micromark-extension-frontmatter"
import { gfmTable } from "micromark-extension-gfm-table"
import type { Nodes, RootContent } from "mdast"

/** A stretch of text that should stay whole, and how it may be cut where it cannot. Places in UTF-16 units. */
export interface Block {
  readonly from: number
  readonly to: number
  /** `prose` falls into sentences, which may be said twice; `lines` (code, tables, front matter) into lines. */
  readonly kind: "prose" | "lines"
  readonly isHeading: boolean
  /** Where its parts begin, in rising order, the first one left out: list items, quoted paragraphs. */
  readonly cuts: ReadonlyArray<number>
}

/** What stands under one heading, up to the next one of any level. */
export interface Section {
  /** The headings above, outermost first, its own included. Empty before the first heading. */
  readonly path: ReadonlyArray<string>
  /** In order, without gaps. The first one is the heading, where there is one. */
  readonly blocks: ReadonlyArray<Block>
}

/** How much text is parsed at once, in UTF-16 units, unless there is no better place to end. */
export const stretchLength = 65_536

/** Where a stretch that begins at `from` ends: before a heading, else behind an empty line, else behind any line. */
const stretchEnd = (text: string, from: number): number => {
  const end = from + stretchLength
  if (end >= text.length) return text.length
  const middle = from + stretchLength / 2
  for (const mark of ["\n\n#", "\n\n", "\n"]) {
    const at = text.lastIndexOf(mark, end)
    if (at > middle) return at + (mark.startsWith("\n\n") ? 2 : 1)
  }
  // One line without end: between two characters.
  return (text.codePointAt(end - 1) ?? 0) > 0xffff ? end - 1 : end
}

const isProse = (node: Nodes) => node.type === "paragraph" || node.type === "heading"

/** Where the parts of a block begin: its children, and theirs where those are lists and quotes too. */
const cutsOf = (node: Nodes, base: number): ReadonlyArray<number> =>
  node.type === "list" || node.type === "blockquote" || node.type === "listItem"
    ? node.children.flatMap((child) => [
        ...(child.position?.start.offset === undefined ? [] : [base + child.position.start.offset]),
        ...cutsOf(child, base),
      ])
    : []

const hasProse = (node: Nodes): boolean =>
  isProse(node) || ("children" in node && node.type !== "table" && node.children.some(hasProse))

/** The title in a heading, on one line. */
const titleIn = (node: Nodes) => toString(node).replace(/\s+/g, " ").trim()

/** The byte order mark, which micromark leaves out and does not count. */
const mark = "\ufeff"

const parse = (text: string, isFirst: boolean): ReadonlyArray<RootContent> =>
  fromMarkdown(text, {
    // Front matter stands at the very start of a text or nowhere.
    extensions: isFirst ? [gfmTable(), frontmatter(["yaml", "toml"])] : [gfmTable()],
    mdastExtensions: isFirst
      ? [gfmTableFromMarkdown(), frontmatterFromMarkdown(["yaml", "toml"])]
      : [gfmTableFromMarkdown()],
  }).children

/** A part of a text that was read at once. */
export interface Stretch {
  readonly from: number
  readonly to: number
  /** In order. The first one may go on with the last one of the stretch before. */
  readonly sections: ReadonlyArray<Section>
}

/** Reads a text stretch by stretch, so that others get a turn in between. The blocks together are the whole text. */
export function* stretchesOf(text: string): Generator<Stretch, void> {
  let path: ReadonlyArray<{ readonly depth: number; readonly title: string }> = []
  const titles = () => path.map(({ title }) => title).filter((title) => title !== "")
  let from = 0
  while (from < text.length) {
    const to = stretchEnd(text, from)
    const stretch = text.slice(from, to)
    const base = from + (stretch.startsWith(mark) ? mark.length : 0)
    const sections: Array<{ path: ReadonlyArray<string>; blocks: Array<Block> }> = []
    const nodes = parse(stretch, from === 0)
    for (const [at, node] of nodes.entries()) {
      if (node.type === "heading") {
        path = [
          ...path.filter(({ depth }) => depth < node.depth),
          { depth: node.depth, title: titleIn(node) },
        ]
      }
      if (node.type === "heading" || sections.length === 0) sections.push({ path: titles(), blocks: [] })
      const next = nodes[at + 1]?.position?.start.offset
      const begin = at === 0 ? from : base + (node.position?.start.offset ?? 0)
      sections.at(-1)?.blocks.push({
        from: begin,
        to: next === undefined ? to : base + next,
        kind: hasProse(node) ? "prose" : "lines",
        isHeading: node.type === "heading",
        cuts: cutsOf(node, base).filter((cut) => cut > begin),
      })
    }
    // White space alone, or nothing that is shown: it is kept all the same.
    if (nodes.length === 0) {
      sections.push({ path: titles(), blocks: [{ from, to, kind: "lines", isHeading: false, cuts: [] }] })
    }
    yield { from, to, sections }
    from = to
  }
}
