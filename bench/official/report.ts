import { formatMebibytes, formatMs, formatTable } from '../markdown.ts'
import { median } from '../median.ts'
import type { Package } from '../rotation/start.ts'
import { type ComparedSide, countsOf } from './compare.ts'
import { type Conditions, conditionsSentence } from './conditions.ts'
import { ratioOf } from './ratio.ts'
import type { MeasuredWork, Rotation } from './rotator.ts'
import { RECORDED_COMMIT, REPOSITORY_URL } from './source.ts'
import type { Starts } from './start.ts'
import { startSection } from './startReport.ts'

/** The names of the strategies in RESULTS.md and TIMES.md. */
export const STRATEGY_TITLES = { single: 'one user', alternating: 'two users' }

/** Which version of AWS's functions was measured. */
const SOURCE_SENTENCE = `AWS's rotation functions are those of
${REPOSITORY_URL} at ${RECORDED_COMMIT}`

/** The first line of RESULTS.md. */
export const COUNTS_HEADING = "# Keyturn beside AWS's own rotation functions"
/** The first line of TIMES.md. */
export const TIMES_HEADING = '# How long both sides take'

/** The first part of RESULTS.md. */
export const countsReport = (all: ComparedSide[]) => `${COUNTS_HEADING}

Written by \`npm run official -- --official PATH counts faults logs\`; do not edit. PATH is a clone of AWS's functions, or a
bare mirror of it; none of their text is in this project. ${SOURCE_SENTENCE}.

Both sides rotate one after the other, each a secret of its own, on one database and one local Secrets Manager, over TLS.
What is counted depends only on the code, on package-lock.json and on bench/official/requirements.txt, and is the same on
every machine.

## Calls and logins of one rotation

${countsTable(all)}

- A login counts whether the database let it in or refused it. AWS's functions first try the new password, to see
  whether it is set already. When a login is refused and the value has no field \`ssl\`, they try once more with other settings
  of TLS, in vain.
- With two users, the first rotation makes the second user. A retirement closes the user that the current value does not name
  any more, after the grace time. AWS's functions have nothing like it, so the old password keeps working until the user's next
  turn.
- "one string changed": MySQL here is of version 9, which AWS's functions take for one before 8. Unchanged, they end with the
  server's error 1064. In memory, their \`"8"\` was changed so that 9 counts as well.
- In all of AWS's functions the path of the file of trusted root certificates was changed, as only Amazon Linux has that file.

## Not measured

The transitions of Keyturn's state machine ([bench/rotation](../rotation/RESULTS.md) counts them); Lambda's own start; the
distance to AWS and to a database.
`

function countsTable(all: ComparedSide[]): string {
  const rows = all.flatMap(compared => {
    const where = `${compared.database}, ${STRATEGY_TITLES[compared.strategy]}`
    return turnsOf(compared).flatMap(([turn, { work, retirement, failure }]) => [
      row(`${where}${turn}: ${compared.side}`, work, failure && failureOf(failure)),
      ...(retirement ? [row('— its retirement', retirement)] : []),
    ])
  })
  return formatTable(['', 'calls', 'logins', 'of them refused', 'ends'], rows)
}

/** The rotations that are shown, each with a title: with two users the first one, and later ones as far as they differ. */
function turnsOf({ strategy, rotations }: ComparedSide): [string, Rotation][] {
  const [first, second, third] = rotations
  if (!first) return []
  if (!second || !third || strategy === 'single') return [['', second ?? first]]
  const later: [string, Rotation][] =
    countsOf(second) === countsOf(third)
      ? [[', later', third]]
      : [
          [', back to the first', second],
          [', to the second again', third],
        ]
  return [[', the first time', first], ...later]
}

const row = (title: string, { calls, accepted, refused }: MeasuredWork, end = 'well') => [
  title,
  calls.length,
  accepted + refused,
  refused,
  end,
]

const failureOf = ({ step, name, code, quotes }: NonNullable<Rotation['failure']>) =>
  `${step}: ${name}${code === null ? '' : ` ${code}`}${quotes ? ', quoting the new password' : ''}`

/** What the first part of TIMES.md is made from. */
export type Times = { all: ComparedSide[]; starts: Starts[]; packages: Package[]; conditions: Conditions }

/** The first part of TIMES.md. */
export const timesReport = ({ all, starts, packages, conditions }: Times) => `${TIMES_HEADING}

Written by \`npm run official -- --official PATH times cold bare --times\`; do not edit. ${SOURCE_SENTENCE}.

${conditionsSentence(conditions)}
Times depend on the machine and on what else it does; a ratio compares two that were taken one after the other.

## A warm rotation

${timesTable(all)}

Each side runs in a process that has rotated before, and nothing is far away: what is left is the work of the steps. Times
are medians. A ratio is Keyturn's time divided by AWS's: the median of ${pairsOf(all)} pairs, and in brackets the range of eight in
ten of them. AWS's is one function for all steps, in one process; Keyturn's are ${packages.length - 1} functions, here in one process as well, so its
memory is that of all of them.

${startSection(starts)}`

const pairsOf = (all: ComparedSide[]) => Math.min(...withPartner(all).map(({ pairs }) => pairs.length))

/** Each of AWS's sides that rotates, in pairs with Keyturn's rotations of the same round. The first round is left out. */
function withPartner(all: ComparedSide[]) {
  return all.flatMap(({ database, strategy, side, rotations }) => {
    const ours = all.find(
      other => other.side === 'Keyturn' && other.database === database && other.strategy === strategy,
    )
    if (side === 'Keyturn' || !ours || rotations.length < 2) return []
    const pairs = rotations.flatMap(({ work }, i) => {
      const partner = ours.rotations[i]
      return i && partner ? [{ official: work, keyturn: partner.work }] : []
    })
    return [{ title: `${database}, ${STRATEGY_TITLES[strategy]}: ${side}`, pairs }]
  })
}

function timesTable(all: ComparedSide[]): string {
  const rows = withPartner(all).map(({ title, pairs }) => {
    const [official, keyturn] = [pairs.map(pair => pair.official), pairs.map(pair => pair.keyturn)]
    const both = (of: (work: MeasuredWork) => number) => [
      formatMs(median(official.map(of))),
      formatMs(median(keyturn.map(of))),
    ]
    const ratios = (of: (work: MeasuredWork) => number) =>
      ratioOf({ official: official.map(of), keyturn: keyturn.map(of) })
    const memory = (works: MeasuredWork[]) => formatMebibytes(Math.max(...works.map(work => work.memory)))
    return [
      title,
      ...both(({ wall }) => wall),
      ratios(({ wall }) => wall),
      ...both(({ cpu }) => cpu),
      ratios(({ cpu }) => cpu),
      ...[memory(official), memory(keyturn)],
    ]
  })
  const head = ["AWS's", 'Keyturn', 'ratio', "AWS's, CPU", 'Keyturn, CPU', 'ratio of CPU']
  return formatTable(['', ...head, "AWS's, memory", 'Keyturn, memory'], rows)
}
