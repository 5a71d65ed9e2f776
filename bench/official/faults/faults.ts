import type { Embedded } from '../../../local/embedded/embedded.ts'
import { table } from '../../markdown.ts'
import { operationsOf } from './compat.ts'
import type { Case, Ground } from './ground.ts'
import { type Afterwards, mortalTasks } from './killed.ts'
import { type Death, deathsOf, type Mortals } from './mortal.ts'
import { type Setting, Subject, type Verdict } from './subject.ts'

/** After how many of these faults current does not log in, and after how many a version stays pending. */
export type Count = { faults: number; lockedOut: number; stuck: number }

/** One kind of rotation, whose process dies once for good, at each of its operations. */
export type FaultRow = Pick<Case, 'title' | 'rotates'> & {
  /** AWS's function, as it stops. */
  official: Count
  /** The same, after the service has tried again with the same token. */
  officialAgain: Count
  /** Keyturn, whose execution then rolls back. */
  keyturn: Count
  /** Keyturn, if nothing of it ran any more. */
  keyturnStopped: Count
}

export async function playFaults(
  { mortals, cases, embedded }: Ground,
  tell: (sentence: string) => void,
): Promise<FaultRow[]> {
  const rows: FaultRow[] = []
  const own = new Map<Setting, KeyturnCounts>()
  for (const one of cases) {
    const { setting, title, rotates } = one
    const keyturn = own.get(setting) ?? (await playKeyturn(embedded, setting))
    own.set(setting, keyturn)
    const row: FaultRow = { title, rotates, ...(await playOfficial(mortals, one)), ...keyturn }
    tell(`${title}: ${inWords(row)}`)
    rows.push(row)
  }
  return rows
}

type KeyturnCounts = Pick<FaultRow, 'keyturn' | 'keyturnStopped'>

async function playKeyturn({ tasks }: Embedded, setting: Setting): Promise<KeyturnCounts> {
  const whole = mortalTasks(tasks, undefined)
  await (await Subject.set(setting)).rotate(whole.tasks)
  const deaths = deathsOf(whole.operations.length)
  const afterDeath = async (death: Death, afterwards: Afterwards) => {
    const subject = await Subject.set(setting)
    await subject.rotate(mortalTasks(tasks, death, afterwards).tasks)
    return subject.judge()
  }
  return {
    keyturn: await count(deaths, death => afterDeath(death, 'rolled back')),
    keyturnStopped: await count(deaths, death => afterDeath(death, 'stopped')),
  }
}

async function playOfficial(mortals: Mortals, one: Case) {
  const { setting, name } = one
  const again: Verdict[] = []
  const deaths = deathsOf(await operationsOf(mortals, one))
  const official = await count(deaths, async death => {
    const subject = await Subject.set(setting)
    const token = subject.begin()
    await mortals.rotate(name, subject.secret, token, death)
    const verdict = await subject.judge()
    await mortals.rotate(name, subject.secret, token)
    again.push(await subject.judge())
    return verdict
  })
  return { official, officialAgain: sum(again) }
}

async function count(deaths: Death[], die: (death: Death) => Promise<Verdict>): Promise<Count> {
  const verdicts: Verdict[] = []
  for (const death of deaths) verdicts.push(await die(death))
  return sum(verdicts)
}

const sum = (verdicts: Verdict[]): Count => ({
  faults: verdicts.length,
  lockedOut: verdicts.filter(({ lockedOut }) => lockedOut).length,
  stuck: verdicts.filter(({ stuck }) => stuck).length,
})

const columns = ['official', 'officialAgain', 'keyturn', 'keyturnStopped'] as const

const cell = ({ faults, lockedOut, stuck }: Count) => `${lockedOut} and ${stuck} of ${faults}`

const inWords = (row: FaultRow) => `locked out and stuck: ${columns.map(name => cell(row[name])).join('; ')}`

/** All rows as one, but for those in which AWS's function rotates nothing. */
function total(all: FaultRow[]): FaultRow {
  const rows = all.filter(({ rotates }) => rotates)
  const add = (name: (typeof columns)[number]): Count => ({
    faults: rows.reduce((all, row) => all + row[name].faults, 0),
    lockedOut: rows.reduce((all, row) => all + row[name].lockedOut, 0),
    stuck: rows.reduce((all, row) => all + row[name].stuck, 0),
  })
  const [official, officialAgain, keyturn, keyturnStopped] = columns.map(add) as [Count, Count, Count, Count]
  return { title: 'all but "as it is"', rotates: true, official, officialAgain, keyturn, keyturnStopped }
}

export const faultsHeading = '## One fault for good'

/** What RESULTS.md says of faults. */
export function faultsSection(rows: FaultRow[]): string {
  const cells = [...rows, total(rows)].map(row => [row.title, ...columns.map(name => cell(row[name]))])
  const head = [
    "AWS's, as it stops",
    "AWS's, tried again with the same token",
    'Keyturn',
    'Keyturn, never rolled back',
  ]
  return `${faultsHeading}

In how many cases the stored current value does not log in afterwards, and in how many a version stays pending, of all
faults. A fault is the end of the process at one operation, before it took effect or right after: a call to AWS, a login, a
statement or a commit.

${table(['', ...head], cells)}

- MySQL is 9.7, which AWS's functions do not know. As they are, they end with its error before they change a password, fault
  or not. So does each other try, but for one that finds a user with the new password, which an earlier try made. With one
  string changed in memory they take 9 for 8. Keyturn is the same in both rows, and the sum is without those as they are.
- "first": no rotation went before, so the second user is not there yet. "settled" and "on the clone": both users are there,
  and current is the first one's, or the second one's.
- AWS's function has no rollback: what it stops at stays, until Secrets Manager tries again. Then it goes on where it stopped.
- Keyturn's execution rolls back where its own process has ended; the last column is what there would be without that.
- The two sides have different operations, so each column has a number of its own that it is to be compared with.
`
}
