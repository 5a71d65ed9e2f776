import type { Embedded } from '../../../local/embedded/embedded.ts'
import { formatTable } from '../../markdown.ts'
import { countOperations } from './compat.ts'
import type { Case, FaultSetup } from './faultSetup.ts'
import { type Death, deathsOf, type OfficialProcesses } from './mortal.ts'
import { type Afterwards, makeMortalTasks } from './mortalTasks.ts'
import { Subject, type SubjectSetting, type Verdict } from './subject.ts'

/** Of so many faults: after how many current does not log in, and after how many a version stays pending (`stuck`). */
export type FaultCount = { faults: number; lockedOut: number; stuck: number }

/** The counts of one case. In each fault the process dies once, at one operation. Keyturn's state fails at each further try, too. */
export type FaultRow = Pick<Case, 'title' | 'rotates'> & {
  /** AWS's function, right after the fault. */
  official: FaultCount
  /** AWS's function, after Secrets Manager has tried again with the same token. */
  officialAgain: FaultCount
  /** Keyturn, after its execution has rolled back. */
  keyturn: FaultCount
  /** Keyturn, if nothing of it ran after the fault. */
  keyturnStopped: FaultCount
}

/** Plays all faults of all cases. @param tell called with a sentence about each case */
export async function playFaults(
  { killableProcesses, cases, embedded }: FaultSetup,
  tell: (sentence: string) => void,
): Promise<FaultRow[]> {
  const rows: FaultRow[] = []
  const keyturnCounts = new Map<SubjectSetting, KeyturnCounts>()
  for (const testCase of cases) {
    const { setting, title, rotates } = testCase
    const keyturn = keyturnCounts.get(setting) ?? (await playKeyturn(embedded, setting))
    keyturnCounts.set(setting, keyturn)
    const row: FaultRow = { title, rotates, ...(await playOfficial(killableProcesses, testCase)), ...keyturn }
    tell(`${title}: ${describeRow(row)}`)
    rows.push(row)
  }
  return rows
}

type KeyturnCounts = Pick<FaultRow, 'keyturn' | 'keyturnStopped'>

async function playKeyturn({ tasks }: Embedded, setting: SubjectSetting): Promise<KeyturnCounts> {
  const withoutFault = makeMortalTasks(tasks, undefined)
  await (await Subject.create(setting)).rotate(withoutFault.tasks)
  const deaths = deathsOf(withoutFault.operations.length)
  const afterDeath = async (death: Death, afterwards: Afterwards) => {
    const subject = await Subject.create(setting)
    await subject.rotate(makeMortalTasks(tasks, death, afterwards).tasks)
    return subject.judge()
  }
  return {
    keyturn: await countVerdicts(deaths, death => afterDeath(death, 'rolled back')),
    keyturnStopped: await countVerdicts(deaths, death => afterDeath(death, 'stopped')),
  }
}

async function playOfficial(killableProcesses: OfficialProcesses, testCase: Case) {
  const { setting, name } = testCase
  const verdictsAgain: Verdict[] = []
  const deaths = deathsOf(await countOperations(killableProcesses, testCase))
  const official = await countVerdicts(deaths, async death => {
    const subject = await Subject.create(setting)
    const token = subject.announceRotation()
    await killableProcesses.rotate(name, subject.secret, token, death)
    const verdict = await subject.judge()
    await killableProcesses.rotate(name, subject.secret, token)
    verdictsAgain.push(await subject.judge())
    return verdict
  })
  return { official, officialAgain: sumVerdicts(verdictsAgain) }
}

async function countVerdicts(
  deaths: Death[],
  rotateAndDie: (death: Death) => Promise<Verdict>,
): Promise<FaultCount> {
  const verdicts: Verdict[] = []
  for (const death of deaths) verdicts.push(await rotateAndDie(death))
  return sumVerdicts(verdicts)
}

const sumVerdicts = (verdicts: Verdict[]): FaultCount => ({
  faults: verdicts.length,
  lockedOut: verdicts.filter(({ lockedOut }) => lockedOut).length,
  stuck: verdicts.filter(({ stuck }) => stuck).length,
})

/** The counts of a row, in the order of the table's columns. */
const COLUMNS = ['official', 'officialAgain', 'keyturn', 'keyturnStopped'] as const

const formatFaultCount = ({ faults, lockedOut, stuck }: FaultCount) =>
  `${lockedOut} and ${stuck} of ${faults}`

const describeRow = (row: FaultRow) =>
  `locked out and stuck: ${COLUMNS.map(name => formatFaultCount(row[name])).join('; ')}`

/** The sum of all rows in which AWS's function can rotate. */
function totalRow(all: FaultRow[]): FaultRow {
  const rows = all.filter(({ rotates }) => rotates)
  const add = (name: (typeof COLUMNS)[number]): FaultCount => ({
    faults: rows.reduce((all, row) => all + row[name].faults, 0),
    lockedOut: rows.reduce((all, row) => all + row[name].lockedOut, 0),
    stuck: rows.reduce((all, row) => all + row[name].stuck, 0),
  })
  const [official, officialAgain, keyturn, keyturnStopped] = COLUMNS.map(add) as [
    FaultCount,
    FaultCount,
    FaultCount,
    FaultCount,
  ]
  return { title: 'all but "as it is"', rotates: true, official, officialAgain, keyturn, keyturnStopped }
}

/** The heading of the section on faults. */
export const FAULTS_HEADING = '## One fault for good'

/** The section of RESULTS.md on faults. */
export function faultsSection(rows: FaultRow[]): string {
  const cells = [...rows, totalRow(rows)].map(row => [
    row.title,
    ...COLUMNS.map(name => formatFaultCount(row[name])),
  ])
  const head = [
    "AWS's, as it stops",
    "AWS's, tried again with the same token",
    'Keyturn',
    'Keyturn, never rolled back',
  ]
  return `${FAULTS_HEADING}

In how many cases the stored current value does not log in afterwards, and in how many a version stays pending, of all
faults. A fault is the end of the process at one operation, before it took effect or right after: a call to AWS, a login, a
statement or a commit.

${formatTable(['', ...head], cells)}

- MySQL is 9.7, which AWS's functions do not know. "As it is", a function ends with the server's error before it changes a
  password, with or without a fault. So does each further try, unless it finds that an earlier try has made the second user with
  the new password. With one string changed in memory, the functions take 9 for 8. Keyturn has the same numbers in both rows.
  The sum leaves out the rows "as it is".
- "first": no rotation went before, so the second user is not there yet. "settled" and "on the clone": a rotation went before,
  and the current value is that of the first user, or of the second.
- AWS's function has no rollback: what it has done stays until Secrets Manager tries again. Then it goes on where it stopped.
- Keyturn's execution rolls back when the process has ended. The last column is what would be left without the rollback.
- The two sides have different operations, so each count is to be compared with the number of faults in its own column.
`
}
