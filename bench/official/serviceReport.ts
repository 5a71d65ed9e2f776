import { serviceSteps } from '../../fleet/serviceSteps.ts'
import { ms, table } from '../markdown.ts'
import { median } from '../median.ts'
import { type Conditions, measuredUnder } from './conditions.ts'
import type { Pairs } from './inTurns.ts'
import { ratioOf } from './ratio.ts'
import { strategies } from './report.ts'
import type { Called, CalledRotation } from './service.ts'

/** What both sections begin with. */
export const calledHeading = '## Called by Secrets Manager'

const LOOK = 'GetExecutionHistory'

/** The section of RESULTS.md. */
export const calledCounts = (all: Called[]) => `${calledHeading}

${countsTable(all)}

- Secrets Manager calls one function for all four steps, with the same token. AWS's does each step itself. Keyturn's
  rotateSecret starts an execution of the state machine, and answers each call when the execution has passed that step; it
  writes the new value itself, as the service's RotationToken is for it alone.
- The function's own calls of Step Functions have a column. It looks at the execution's history at least once a step, and that
  is what is counted. Each further look is one more; how many there are depends on how long the execution takes, and is in
  TIMES.md. One user's execution makes one call of Step Functions itself, in its rehearsal; all others are of Secrets Manager.
- With two users of MySQL or MariaDB, the turn to the second user takes one call and one login more. The retirement comes
  afterwards, as above.
`

function countsTable(all: Called[]): string {
  const row = (title: string, rotations: CalledRotation[]) => [
    title,
    ...[ownCalls, executionCalls, leastStepFunctions, leastCalls, logins].map(of =>
      distinct(rotations.map(of)),
    ),
  ]
  const head = ["the function's calls", "its execution's", 'of Step Functions', 'all', 'logins']
  return table(
    ['', ...head],
    all.flatMap(called => [
      row(`${titleOf(called)}: ${called.side}`, called.pairs.official),
      row(`${titleOf(called)}: Keyturn`, called.pairs.keyturn),
    ]),
  )
}

const ownCalls = ({ own }: CalledRotation) => own.calls.length
const executionCalls = ({ execution }: CalledRotation) => execution.calls.length
/** As many as there are with one look a step. */
function leastStepFunctions({ stepFunctions }: CalledRotation): number {
  const others = stepFunctions.filter(action => action !== LOOK).length
  return stepFunctions.length && others + serviceSteps.length
}
const leastCalls = (of: CalledRotation) => ownCalls(of) + executionCalls(of) + leastStepFunctions(of)
const allCalls = (of: CalledRotation) => ownCalls(of) + executionCalls(of) + of.stepFunctions.length
const logins = ({ own, execution }: CalledRotation) =>
  own.accepted + own.refused + execution.accepted + execution.refused

const titleOf = ({ database, strategy }: Called) => `${database}, ${strategies[strategy]}, called`

/** Such as `8 or 9`, where a turn of one user takes more than a turn of the other. */
const distinct = (counts: number[]) => [...new Set(counts)].toSorted((a, b) => a - b).join(' or ')

/** The section of TIMES.md. */
export const calledTimes = (all: Called[], conditions: Conditions) => `${calledHeading}

${timesTable(all)}

${measuredUnder(conditions)}
The time is that of the four calls of the function, each answered when its step is done. Calls are those of Secrets Manager
and Step Functions, from the fewest to the most of ${Math.min(...all.map(({ pairs }) => pairs.keyturn.length))} rotations. rotateSecret looks at its execution at once, and again after
200 ms: that is most of its time here. The local Step Functions goes from one state to the next at once. AWS's does not, so
there is more to wait for there, and for each further pause there is one more look.
`

function timesTable(all: Called[]): string {
  const rows = all.map(called => {
    const { pairs, side } = called
    return [
      `${titleOf(called)}: ${side}`,
      ...[pairs.official, pairs.keyturn].map(rotations => range(rotations.map(allCalls))),
      ...timesOf(pairs, ({ own }) => own.wall),
      ...timesOf(pairs, ({ own, execution }) => own.cpu + execution.cpu),
    ]
  })
  const head = ["AWS's calls", "Keyturn's calls", "AWS's", 'Keyturn', 'ratio']
  return table(['', ...head, "AWS's, CPU", 'Keyturn, CPU', 'ratio of CPU'], rows)
}

function timesOf(pairs: Pairs<CalledRotation>, of: (rotation: CalledRotation) => number): string[] {
  const both = { official: pairs.official.map(of), keyturn: pairs.keyturn.map(of) }
  return [ms(median(both.official)), ms(median(both.keyturn)), ratioOf(both)]
}

/** Such as `21 to 28`. */
function range(counts: number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  return least === most ? `${least}` : `${least} to ${most}`
}
