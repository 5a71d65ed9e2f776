import type { PromotedElsewhere } from '../../rotation/errors.ts'
import type { CaughtError } from './event.ts'
import type { Headline } from './headlines.ts'

/** The fields of a Failure that name its findings about other Regions. */
type ReplicaFindings = { findings?: string[]; coveredFindings?: string[]; toldOnlyOnce?: boolean }

/** The name of the finding that replicas of a credential do not follow; the same whichever event reports it. */
export const laggingFindingOf = (credential: string) => `replicas of ${credential}`

/** The name of the finding that a credential was promoted in another Region. */
export const promotedFindingOf = (credential: string) => `promotion of ${credential}`

/** Whether an error says that the credential was promoted in another Region. */
export const isPromotedElsewhere = (problem: CaughtError) =>
  problem?.Error === ('PromotedElsewhere' satisfies PromotedElsewhere['name'])

/**
 * The findings of a failure about a credential's copies in other Regions. They decide how often people are told:
 *
 * - A rotation that has changed the credential finds a lagging replica: this is told at once, as each rotation reports that once.
 *   It counts as told for that day (`coveredFindings`).
 * - A rotation is refused because of a lagging replica: this is told once a day, as every further rotation is refused as well.
 * - The credential was promoted in another Region: this is told once, whichever event reports it.
 */
export function replicaFindingsOf(
  headline: Headline,
  problem: CaughtError,
  credential: string,
): ReplicaFindings {
  if (headline === 'promoted') return { coveredFindings: [promotedFindingOf(credential)], toldOnlyOnce: true }
  if (headline === 'behind') return { coveredFindings: [laggingFindingOf(credential)] }
  if (headline !== 'failed') return {}
  if (isPromotedElsewhere(problem)) return { findings: [promotedFindingOf(credential)], toldOnlyOnce: true }
  return problem?.Error === 'ReplicasBehind' ? { findings: [laggingFindingOf(credential)] } : {}
}
