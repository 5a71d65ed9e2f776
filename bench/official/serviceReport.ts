import { SERVICE_STEPS } from '../../fleet/serviceSteps.ts'
import { formatMs, formatTable } from '../markdown.ts'
import { median } from '../median.ts'
import { type Conditions, conditionsSentence } from './conditions.ts'
import { ratioOf } from './ratio.ts'
import { STRATEGY_TITLES } from './report.ts'
import type { ServiceComparison, ServiceRotation } from './service.ts'
import type { Pairs } from './takeInTurns.ts'

/** The heading of the sections in both reports. */
export const SERVICE_HEADING = '## Called by Secrets Manager'

/** The call by which rotateSecret polls its execution. */
const HISTORY_ACTION = 'GetExecutionHistory'

/** The section of RESULTS.md on rotations that Secrets Manager starts. */
export const serviceCountsSection = (all: ServiceComparison[]) => `${SERVICE_HEADING}

${countsTable(all)}

- Secrets Manager calls one function for all four steps, with the same token. AWS's function does each step itself. Keyturn's
  rotateSecret starts an execution of the state machine, and answers each call when the execution has passed that step; it
  writes the new value itself, as the service's RotationToken is for it alone.
- The column "of Step Functions" has the calls that rotateSecret makes there. It looks at the execution's history at least once
  a step, and the column counts one look for each step. Each further look is one call more. How many there are depends on how
  long the execution takes: TIMES.md counts them all. Of the execution's calls, one is of Step Functions, in the rehearsal of
  one user; all others are of Secrets Manager. (On AWS there are two of Step Functions: the one that is asked here does not know
  the execution.)
- With two users of MySQL or MariaDB, the turn to the second user takes one call and one login more. The retirement comes
  afterwards, as above.
`

function countsTable(all: ServiceComparison[]): string {
  const row = (title: string, rotations: ServiceRotation[]) => [
    title,
    ...[ownCalls, executionCalls, leastStepFunctions, leastCalls, logins].map(of =>
      distinctCounts(rotations.map(of)),
    ),
  ]
  const head = ["the function's calls", "its execution's", 'of Step Functions', 'all', 'logins']
  return formatTable(
    ['', ...head],
    all.flatMap(called => [
      row(`${titleOf(called)}: ${called.side}`, called.pairs.official),
      row(`${titleOf(called)}: Keyturn`, called.pairs.keyturn),
    ]),
  )
}

const ownCalls = ({ functionWork }: ServiceRotation) => functionWork.calls.length
const executionCalls = ({ execution }: ServiceRotation) => execution.calls.length
/** How many calls of Step Functions there are with one poll for each step. */
function leastStepFunctions({ stepFunctions }: ServiceRotation): number {
  const others = stepFunctions.filter(action => action !== HISTORY_ACTION).length
  return stepFunctions.length && others + SERVICE_STEPS.length
}
const leastCalls = (of: ServiceRotation) => ownCalls(of) + executionCalls(of) + leastStepFunctions(of)
const allCalls = (of: ServiceRotation) => ownCalls(of) + executionCalls(of) + of.stepFunctions.length
const logins = ({ functionWork, execution }: ServiceRotation) =>
  functionWork.accepted + functionWork.refused + execution.accepted + execution.refused

const titleOf = ({ database, strategy }: ServiceComparison) =>
  `${database}, ${STRATEGY_TITLES[strategy]}, called`

/** The different counts, such as `8 or 9`, as with two users the turns of the users can differ. */
const distinctCounts = (counts: number[]) => [...new Set(counts)].toSorted((a, b) => a - b).join(' or ')

/** The section of TIMES.md on rotations that Secrets Manager starts. */
export const serviceTimesSection = (all: ServiceComparison[], conditions: Conditions) => `${SERVICE_HEADING}

${timesTable(all)}

${conditionsSentence(conditions)}
The time is that of the four calls of the function, each answered when its step is done. Calls are those of Secrets Manager
and Step Functions, from the fewest to the most of ${Math.min(...all.map(({ pairs }) => pairs.keyturn.length))} rotations. rotateSecret looks at its execution at once, and again after
200 ms: that is most of its time here. The local Step Functions goes from one state to the next at once. AWS's does not, so
there is more to wait for there, and for each further pause there is one more look.
`

function timesTable(all: ServiceComparison[]): string {
  const rows = all.map(called => {
    const { pairs, side } = called
    return [
      `${titleOf(called)}: ${side}`,
      ...[pairs.official, pairs.keyturn].map(rotations => rangeOf(rotations.map(allCalls))),
      ...timesOf(pairs, ({ functionWork }) => functionWork.wall),
      ...timesOf(pairs, ({ functionWork, execution }) => functionWork.cpu + execution.cpu),
    ]
  })
  const head = ["AWS's calls", "Keyturn's calls", "AWS's", 'Keyturn', 'ratio']
  return formatTable(['', ...head, "AWS's, CPU", 'Keyturn, CPU', 'ratio of CPU'], rows)
}

function timesOf(pairs: Pairs<ServiceRotation>, of: (rotation: ServiceRotation) => number): string[] {
  const both = { official: pairs.official.map(of), keyturn: pairs.keyturn.map(of) }
  return [formatMs(median(both.official)), formatMs(median(both.keyturn)), ratioOf(both)]
}

/** The minimum and maximum, such as `21 to 28`. */
function rangeOf(counts: number[]): string {
  const [min, max] = [Math.min(...counts), Math.max(...counts)]
  return min === max ? `${min}` : `${min} to ${max}`
}
