import { shorten } from '../../rotation/shorten.ts'
import type { EventDetail } from './event.ts'
import { listNames } from './format.ts'

/** A kind of failure in the report of a run: an error, and the credentials whose rotation failed with it. */
type FailureKind = NonNullable<NonNullable<NonNullable<EventDetail['report']>['failures']>[number]>

/**
 * The facts of an alarm about a run's failed rotations: one for each kind of failure, the critical ones first. Each names as many
 * credentials as fit, and counts the others.
 */
export function factsOfFailureKinds(kinds: FailureKind[], runbook: string): [string, string][] {
  const isCritical = ({ severity }: FailureKind) => severity === 'critical'
  return [...kinds.filter(isCritical), ...kinds.filter(kind => !isCritical(kind))].map(kind => {
    const { error = 'Unknown', reason, count, names } = kind
    const example = reason ? `; such as: ${shorten(reason)}` : ''
    const [mark, see] = isCritical(kind) ? ['CRITICAL ', `; see ${runbook}#lockedout`] : ['', '']
    return [`${mark}${shorten(error, 60)}`, `${count}: ${listNames(names, count, 3000)}${example}${see}`]
  })
}
