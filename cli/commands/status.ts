import { setTimeout as sleep } from 'node:timers/promises'
import { nextBeginning } from '../../fleet/due.ts'
import { NEVER } from '../../fleet/inventory.ts'
import { latestGood, type RotationRecord } from '../../fleet/records/record.ts'
import { isAway } from '../../rotation/arn.ts'
import type { Replica } from '../../rotation/replicas.ts'
import { HOME, homeIn } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import { credentialOf } from '../credentialId.ts'
import { type ExitCode, exit } from '../exit.ts'
import { interruption } from '../interrupt.ts'
import { moment, plain } from '../output.ts'
import { idOf, lasting, outcomeOf, retirementOf, usersOf } from '../records.ts'
import { type Stack, stackOf } from '../stack.ts'
import { intervalIn, type Known, lookAt, lookAtAll } from '../standing/gather.ts'
import { isFinding, type State, states } from '../standing/states.ts'

export type StatusOptions = {
  tag: [key: string, value: string][]
  state?: State
  host?: string
  watch?: true
}

/** Columns that a table of all needs; one without host and reason; on a narrower terminal each has some lines. */
const [WIDE, MIDDLE] = [110, 76]
const NONE = 'There is no such credential that this stack rotates or may rotate.'
/** Milliseconds between two looks. */
const PAUSE = 10_000

/** How one credential stands, or all of them, the worst first. */
export async function status(
  context: Context,
  id: string | undefined,
  options: StatusOptions,
): Promise<ExitCode> {
  const stack = await stackOf(context)
  if (!options.watch) return lookOnce(context, stack, id, options)
  const signal = interruption()
  for (;;) {
    if (context.output.live) context.output.clear()
    if (!context.json) context.output.line(`${new Date().toISOString().slice(0, 19).replace('T', ' ')} UTC`)
    const code = await lookOnce(context, stack, id, options)
    await sleep(PAUSE, undefined, { signal }).catch(() => {})
    if (signal.aborted) return code
  }
}

async function lookOnce(
  context: Context,
  stack: Stack,
  id: string | undefined,
  options: StatusOptions,
): Promise<ExitCode> {
  if (id !== undefined) {
    const known = await lookAt(context, stack, await credentialOf(context, stack, id))
    if (context.json) context.output.json(documentOf(known, stack))
    else tell(context, stack, known)
    return isFinding(known.standing.state) ? exit.findings : exit.done
  }
  const all = await lookAtAll(context, stack, progress(context))
  const shown = all.filter(known => matches(known, options)).sort(worstFirst)
  if (context.json) context.output.json({ credentials: shown.map(known => documentOf(known, stack)) })
  else list(context, stack, shown, options.watch)
  return shown.some(({ standing }) => isFinding(standing.state)) ? exit.findings : exit.done
}

/** On a terminal it says how far it is, where that takes long enough to wonder. */
const progress =
  ({ output, json }: Context) =>
  (count: number, all: number) => {
    if (output.live && !json && all > 50 && count < all) output.passing(`${count} of ${all} looked at`)
  }

function matches(
  { facts: { credential, records }, standing }: Known,
  { tag, state, host }: StatusOptions,
): boolean {
  return (
    (state === undefined || standing.state === state) &&
    tag.every(([key, value]) => credential.tags[key] === value) &&
    (host === undefined || [records[0]?.host, records[0]?.address].includes(host))
  )
}

const rank = ({ standing }: Known) => states.indexOf(standing.state)
const worstFirst = (a: Known, b: Known) => rank(a) - rank(b) || idIn(a).localeCompare(idIn(b))
const idIn = ({ facts: { credential } }: Known) => idOf(credential)

function list({ output }: Context, stack: Stack, all: Known[], watch = false): void {
  if (!all.length) {
    output.line(NONE)
    return
  }
  const shown = watch ? all.slice(0, fitting(output)) : all
  const rows = shown.map(known => rowOf(known, stack))
  if (output.width >= WIDE)
    output.table(
      ['STATE', 'CREDENTIAL', 'LAST', 'NEXT', 'HOST', 'WHY'],
      rows.map(({ state, ...row }) => [coloured(output, state), ...Object.values(row)]),
    )
  else if (output.width >= MIDDLE) {
    output.table(
      ['STATE', 'CREDENTIAL', 'LAST', 'NEXT'],
      rows.map(({ state, id, last, next }) => [coloured(output, state), id, last, next]),
    )
    const known = rows.filter(({ why }) => why)
    if (known.length) output.line()
    for (const { id, why } of known) output.line(`${id}: ${why}`, 2)
  } else
    for (const { state, id, last, next, host, why } of rows) {
      output.line(`${coloured(output, state)}  ${id}`, 2)
      output.line(`  last ${last}, next ${next}, on ${host}`, 4)
      if (why) output.line(`  ${why}`, 4)
    }
  const counts = states.flatMap(state => {
    const { length } = all.filter(({ standing }) => standing.state === state)
    return length ? [`${length} ${state}`] : []
  })
  output.line()
  output.line(counts.join(', '))
  if (shown.length < all.length) output.line(`The screen has room for the first ${shown.length} of them.`)
}

/** How many credentials a screen has room for, beside what stands around them; the worst come first. */
const fitting = (output: Context['output']) =>
  Math.max(1, Math.floor((output.height - 6) / (output.width >= WIDE ? 1 : 3)))

function rowOf(known: Known, stack: Stack) {
  const { facts, standing } = known
  return {
    state: standing.state,
    id: idIn(known),
    last: latestGood(facts.records)?.ended?.slice(0, 16).replace('T', ' ') ?? unrecorded(facts),
    next: nextIn(known, stack) ?? '-',
    host: plain(facts.records[0]?.host ?? '-'),
    why: standing.why ? plain(standing.why) : '',
  }
}

function coloured(output: Context['output'], state: State): string {
  if (isFinding(state)) return output.styled(state === 'unmanaged' ? 'yellow' : 'red', state)
  return output.styled('green', state)
}

function tell({ output }: Context, stack: Stack, known: Known): void {
  const { facts, standing } = known
  const { rotatedBy, records, pending } = facts
  const [latest] = records
  const last = latestGood(records)
  const lines: [string, string | undefined][] = [
    ['state', `${coloured(output, standing.state)}${standing.why ? `: ${plain(standing.why)}` : ''}`],
    ['what to do', standing.remedy],
    ['rotated by', rotatedBy === undefined ? 'nobody by itself; whoever starts it' : plain(rotatedBy)],
    ['last good', last ? `${moment(endOf(last))}, ${outcomeOf(last)}` : beforeTable(facts)],
    ['edited', facts.passwordSince && editedSince(facts.passwordSince)],
    ['next', nextIn(known, stack)],
    ['latest', latest && latest !== last ? `${moment(endOf(latest))}, ${outcomeOf(latest)}` : undefined],
    ['in use', last && inUse(last)],
    ['before', last && retirementOf(last)],
    ['replicas', facts.replicas.map(stateOf).join(', ') || undefined],
    ['home', homeOf(facts)],
    [
      'pending',
      pending && `${plain(pending.token)}, whose rotation ${pending.running ? 'runs' : 'does not run'}`,
    ],
  ]
  output.line(output.styled('bold', idIn(known)))
  for (const [label, text] of lines) if (text) output.line(`  ${label.padEnd(11)} ${text}`, 14)
}

/** How a copy in another Region stands, or since when nothing waits for it. */
const stateOf = ({ region, status, givenUp }: Replica) =>
  plain(givenUp ? `${region} given up ${givenUp}` : `${region} ${status}`)

/** Where a secret with replicas rotates, or one that does not rotate here; one that is promoted elsewhere has to know. */
function homeOf({ replicas, credential }: Known['facts']): string | undefined {
  const home = homeIn(credential.tags)
  if (isAway(credential.arn, home)) return `${plain(`${home}`)}, so it does not rotate in this Region`
  if (!replicas.length) return undefined
  return plain(
    home || `missing: it has replicas and no tag ${HOME}, so one that is promoted would rotate there too`,
  )
}

const endOf = ({ began, ended = began }: RotationRecord) => new Date(ended)

/** Who logs in now. */
const inUse = (last: RotationRecord) => usersOf({ ...last, user: last.nextUser ?? '' })

function beforeTable(facts: Known['facts']): string {
  const { credential, passwordSince = credential.since } = facts
  const since = passwordSince.getTime() ? `; its value is of ${moment(passwordSince)}` : ''
  return `${unrecorded(facts)}${since}`
}

/** Of one that has no good rotation among the records that are looked at. */
const unrecorded = ({ records }: Known['facts']) => (records.length ? 'not known' : 'none on record')

const editedSince = (passwordSince: Date) =>
  `to name an admin; the password is of ${moment(passwordSince)}, and the schedule counts from the edit`

function nextIn({ facts: { credential } }: Known, stack: Stack): string | undefined {
  const { nextByService } = credential
  // Secrets Manager names no date for a schedule that is not to rotate.
  if (nextByService) return nextByService.getTime() === NEVER.getTime() ? undefined : moment(nextByService)
  const now = new Date()
  const next = nextBeginning(credential, now, intervalIn(stack))
  return next && (next.getTime() > now.getTime() ? moment(next) : 'with the next run')
}

function documentOf(known: Known, stack: Stack): object {
  const { facts, standing, arn } = known
  const { credential, rotatedBy, records, pending, parked, replicas } = facts
  const last = latestGood(records)
  const left = last?.openUntil && Date.parse(last.openUntil) - Date.now()
  return {
    store: credential.store,
    name: credential.id,
    arn,
    ...standing,
    finding: isFinding(standing.state),
    rotatedBy: rotatedBy ?? null,
    next: nextIn(known, stack) ?? null,
    pending: pending ?? null,
    parked,
    replicas,
    ...(replicas.length > 0 && { home: homeIn(credential.tags) ?? null }),
    ...(facts.passwordSince && { passwordSince: facts.passwordSince.toISOString() }),
    last: last ?? null,
    latest: records[0] ?? null,
    ...(left && { graceLeft: lasting(Math.max(0, left)) }),
  }
}
