import type { PromotedElsewhere } from '../../rotation/errors.ts'
import type { CaughtError } from './event.ts'
import type { Headline } from './headlines.ts'

/** Under which names a failure is told of other Regions, as a failure has them. */
type ReplicaFindings = { findings?: string[]; coveredFindings?: string[]; toldOnlyOnce?: boolean }

/** The name by which it is told that replicas of a credential do not follow, whichever event tells it. */
export const laggingFindingOf = (credential: string) => `replicas of ${credential}`

/** The same of one that was promoted in another Region. */
export const promotedFindingOf = (credential: string) => `promotion of ${credential}`

/** Whether that is what went wrong. */
export const isPromotedElsewhere = (problem: CaughtError) =>
  problem?.Error === ('PromotedElsewhere' satisfies PromotedElsewhere['name'])

/**
 * That a replica does not follow is told at once when a rotation finds it after its change, which is the case once; and
 * once a day, as every rotation that is refused for it says the same. That it was promoted is told once, whoever finds it.
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
