import { short } from '../../rotation/short.ts'
import type { Detail } from './event.ts'
import { listed } from './words.ts'

type Kind = NonNullable<NonNullable<NonNullable<Detail['report']>['failures']>[number]>

/** The critical first, each with as many names as there is room for; what does not fit is counted. */
export function ofKinds(kinds: Kind[], runbook: string): [string, string][] {
  const isCritical = ({ severity }: Kind) => severity === 'critical'
  return [...kinds.filter(isCritical), ...kinds.filter(kind => !isCritical(kind))].map(kind => {
    const { error = 'Unknown', reason, count, names } = kind
    const such = reason ? `; such as: ${short(reason)}` : ''
    const [mark, see] = isCritical(kind) ? ['CRITICAL ', `; see ${runbook}#lockedout`] : ['', '']
    return [`${mark}${short(error, 60)}`, `${count}: ${listed(names, count, 3000)}${such}${see}`]
  })
}
