import { shorten } from '../../rotation/shorten.ts'
import type { EventDetail } from './event.ts'
import { listNames } from './format.ts'

type FailureKind = NonNullable<NonNullable<NonNullable<EventDetail['report']>['failures']>[number]>

/** The critical first, each with as many names as there is room for; what does not fit is counted. */
export function factsOfFailureKinds(kinds: FailureKind[], runbook: string): [string, string][] {
  const isCritical = ({ severity }: FailureKind) => severity === 'critical'
  return [...kinds.filter(isCritical), ...kinds.filter(kind => !isCritical(kind))].map(kind => {
    const { error = 'Unknown', reason, count, names } = kind
    const such = reason ? `; such as: ${shorten(reason)}` : ''
    const [mark, see] = isCritical(kind) ? ['CRITICAL ', `; see ${runbook}#lockedout`] : ['', '']
    return [`${mark}${shorten(error, 60)}`, `${count}: ${listNames(names, count, 3000)}${such}${see}`]
  })
}
