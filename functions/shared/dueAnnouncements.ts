import { MAX_NAME_COUNT, type NameList } from '../../fleet/nameList.ts'

/** Characters that each text in a list may have. */
export const MAX_TEXT_LENGTH = 200
/**
 * The most lists of each kind that are announced, and the most bytes of all lists of a kind: what is late, what has a replica
 * that does not follow, and what was promoted in another Region.
 */
const ANNOUNCEMENT_LIMITS = { lists: 10, lateBytes: 50_000, behindBytes: 20_000, promotedBytes: 20_000 }
/**
 * A list that a run announces: of late credentials, without a flag; of those with a replica that does not follow, with `behind`; or
 * of those that were promoted in another Region, with both flags.
 */
export type AnnouncedList = NameList & { behind?: true; promoted?: true }

/** The lists of all three kinds, which are announced one by one. */
export function toAnnouncedLists(texts: Record<'late' | 'behind' | 'promoted', string[]>): AnnouncedList[] {
  const behind = partsOf(texts.behind, ANNOUNCEMENT_LIMITS.behindBytes).map(
    part => ({ ...part, behind: true }) as const,
  )
  const promoted = partsOf(texts.promoted, ANNOUNCEMENT_LIMITS.promotedBytes).map(
    part => ({ ...part, behind: true, promoted: true }) as const,
  )
  return [...partsOf(texts.late, ANNOUNCEMENT_LIMITS.lateBytes), ...behind, ...promoted]
}

/**
 * As many of the texts as `bytes` hold as JSON, in lists of fifty. The `count` of the last list includes the texts that did not
 * fit.
 */
function partsOf(texts: string[], bytes: number): NameList[] {
  let room = bytes
  const named = texts
    .slice(0, ANNOUNCEMENT_LIMITS.lists * MAX_NAME_COUNT)
    .map(text => text.slice(0, MAX_TEXT_LENGTH))
    .filter(text => {
      // Three more bytes, for the quotes and the comma.
      room -= Buffer.byteLength(text) + 3
      return room > 0
    })
  const lists = Array.from({ length: Math.ceil(named.length / MAX_NAME_COUNT) }, (_, n) =>
    named.slice(n * MAX_NAME_COUNT, (n + 1) * MAX_NAME_COUNT),
  )
  const rest = texts.length - named.length
  return lists.map((names, n) => ({ count: names.length + (n === lists.length - 1 ? rest : 0), names }))
}
