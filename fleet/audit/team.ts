import type { Tags } from '../../rotation/tags.ts'

/** The tags that name a team, where nobody says which. */
export const DEFAULT_TEAM_TAGS = ['team', 'owner']

/** The team of what has no such tag: in a bill, and on the page, which looks for it there. */
export const NO_TEAM = 'no team'

/** Whose a credential is, by the first of these tags that it has and that is not empty. */
export function teamOf(tags: Tags, teamTags: readonly string[]): string | undefined {
  const key = teamTags.find(key => tags[key])
  return key === undefined ? undefined : tags[key]
}
