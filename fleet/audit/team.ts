import type { Tags } from '../../rotation/tags.ts'

/** The keys of tags that name a team, unless a policy or an option names others. */
export const DEFAULT_TEAM_TAGS = ['team', 'owner']

/** Stands for the team of a credential without such a tag, in a bill and on the page. */
export const NO_TEAM = 'no team'

/** The team of a credential: the value of the first of these tags that it has and that is not empty. */
export function teamOf(tags: Tags, teamTags: readonly string[]): string | undefined {
  const key = teamTags.find(key => tags[key])
  return key === undefined ? undefined : tags[key]
}
