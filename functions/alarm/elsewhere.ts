import type { PromotedElsewhere } from '../../rotation/errors.ts'
import type { Problem } from './event.ts'
import type { Headline } from './headlines.ts'

/** Under which names a failure is told of other Regions, as a failure has them. */
type Told = { late?: string[]; heard?: string[]; lasting?: boolean }

/** The name by which it is told that replicas of a credential do not follow, whichever event tells it. */
export const replicasOf = (credential: string) => `replicas of ${credential}`

/** The same of one that was promoted in another Region. */
export const promotedOf = (credential: string) => `promotion of ${credential}`

/** Whether that is what went wrong. */
export const isPromoted = (problem: Problem) =>
  problem?.Error === ('PromotedElsewhere' satisfies PromotedElsewhere['name'])

/**
 * That a replica does not follow is told at once when a rotation finds it after its change, which is the case once; and
 * once a day, as every rotation that is refused for it says the same. That it was promoted is told once, whoever finds it.
 */
export function ofReplicas(headline: Headline, problem: Problem, credential: string): Told {
  if (headline === 'promoted') return { heard: [promotedOf(credential)], lasting: true }
  if (headline === 'behind') return { heard: [replicasOf(credential)] }
  if (headline !== 'failed') return {}
  if (isPromoted(problem)) return { late: [promotedOf(credential)], lasting: true }
  return problem?.Error === 'ReplicasBehind' ? { late: [replicasOf(credential)] } : {}
}
