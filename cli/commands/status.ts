import { setTimeout as sleep } from 'node:timers/promises'
import { nextRotationTime } from '../../fleet/due.ts'
import { NO_NEXT_DATE } from '../../fleet/inventory.ts'
import { latestSuccess, type RotationRecord } from '../../fleet/records/rotationRecord.ts'
import { isHomeElsewhere } from '../../rotation/arn.ts'
import type { Replica } from '../../rotation/replicas.ts'
import { HOME_TAG, homeIn } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import { describeCredential } from '../credential.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { listenForInterrupt } from '../interrupt.ts'
import { formatDuration, formatTime, sanitize } from '../output.ts'
import { idOf, outcomeText, retirementText, usersText } from '../recordTexts.ts'
import { chooseStack, type Stack } from '../stack.ts'
import { findStanding, findStandings, type KnownCredential, runIntervalIn } from '../standing/gather.ts'
import { type CredentialState, isFinding, STATES } from '../standing/states.ts'

/** The options of `status`, as the command line gave them. A credential is shown if it has every tag in `tag`. */
export type StatusOptions = {
  tag: [key: string, value: string][]
  state?: CredentialState
  host?: string
  watch?: true
}

/** Columns of a terminal that has room for the whole table. */
const FULL_TABLE_WIDTH = 110
/** Columns of a terminal that has room for the table without host and reason. A narrower one gets lines instead of a table. */
const SHORT_TABLE_WIDTH = 76
const NO_CREDENTIAL_TEXT = 'There is no such credential that this stack rotates or may rotate.'
/** Milliseconds between two refreshes of --watch. */
const REFRESH_INTERVAL_MS = 10_000

/** Runs `status`: the state of one credential, or of all of them, the worst first. */
export async function runStatusCommand(
  context: Context,
  id: string | undefined,
  options: StatusOptions,
): Promise<ExitCode> {
  const stack = await chooseStack(context)
  if (!options.watch) return printOnce(context, stack, id, options)
  const signal = listenForInterrupt()
  for (;;) {
    if (context.output.isInteractive) context.output.clear()
    if (!context.json) context.output.line(`${new Date().toISOString().slice(0, 19).replace('T', ' ')} UTC`)
    const code = await printOnce(context, stack, id, options)
    await sleep(REFRESH_INTERVAL_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return code
  }
}

async function printOnce(
  context: Context,
  stack: Stack,
  id: string | undefined,
  options: StatusOptions,
): Promise<ExitCode> {
  if (id !== undefined) {
    const known = await findStanding(context, stack, await describeCredential(context, stack, id))
    if (context.json) context.output.json(documentOf(known, stack))
    else printOne(context, stack, known)
    return isFinding(known.standing.state) ? EXIT.findings : EXIT.done
  }
  const all = await findStandings(context, stack, progressPrinter(context))
  const shown = all.filter(known => matchesOptions(known, options)).sort(worstFirst)
  if (context.json) context.output.json({ credentials: shown.map(known => documentOf(known, stack)) })
  else printList(context, stack, shown, options.watch)
  return shown.some(({ standing }) => isFinding(standing.state)) ? EXIT.findings : EXIT.done
}

/** Shows the progress on a terminal, if there are so many credentials that the command takes a while. */
const progressPrinter =
  ({ output, json }: Context) =>
  (count: number, all: number) => {
    if (output.isInteractive && !json && all > 50 && count < all) output.progress(`${count} of ${all} read`)
  }

function matchesOptions(
  { facts: { credential, records }, standing }: KnownCredential,
  { tag, state, host }: StatusOptions,
): boolean {
  return (
    (state === undefined || standing.state === state) &&
    tag.every(([key, value]) => credential.tags[key] === value) &&
    (host === undefined || [records[0]?.host, records[0]?.address].includes(host))
  )
}

/** STATES begins with the worst. */
const rankOf = ({ standing }: KnownCredential) => STATES.indexOf(standing.state)
const worstFirst = (a: KnownCredential, b: KnownCredential) =>
  rankOf(a) - rankOf(b) || idIn(a).localeCompare(idIn(b))
const idIn = ({ facts: { credential } }: KnownCredential) => idOf(credential)

function printList({ output }: Context, stack: Stack, all: KnownCredential[], watch = false): void {
  if (!all.length) {
    output.line(NO_CREDENTIAL_TEXT)
    return
  }
  const shown = watch ? all.slice(0, fittingCount(output)) : all
  const rows = shown.map(known => rowOf(known, stack))
  if (output.width >= FULL_TABLE_WIDTH)
    output.table(
      ['STATE', 'CREDENTIAL', 'LAST', 'NEXT', 'HOST', 'WHY'],
      rows.map(({ state, ...row }) => [colouredState(output, state), ...Object.values(row)]),
    )
  else if (output.width >= SHORT_TABLE_WIDTH) {
    output.table(
      ['STATE', 'CREDENTIAL', 'LAST', 'NEXT'],
      rows.map(({ state, id, last, next }) => [colouredState(output, state), id, last, next]),
    )
    const explained = rows.filter(({ why }) => why)
    if (explained.length) output.line()
    for (const { id, why } of explained) output.line(`${id}: ${why}`, 2)
  } else
    for (const { state, id, last, next, host, why } of rows) {
      output.line(`${colouredState(output, state)}  ${id}`, 2)
      output.line(`  last ${last}, next ${next}, on ${host}`, 4)
      if (why) output.line(`  ${why}`, 4)
    }
  const counts = STATES.flatMap(state => {
    const { length } = all.filter(({ standing }) => standing.state === state)
    return length ? [`${length} ${state}`] : []
  })
  output.line()
  output.line(counts.join(', '))
  if (shown.length < all.length) output.line(`The screen has room for the first ${shown.length} of them.`)
}

/**
 * How many credentials fit on the screen, with six lines left for the time, the head and the counts. A credential takes one line
 * of the full table, and up to three lines on a narrower terminal.
 */
const fittingCount = (output: Context['output']) =>
  Math.max(1, Math.floor((output.height - 6) / (output.width >= FULL_TABLE_WIDTH ? 1 : 3)))

function rowOf(known: KnownCredential, stack: Stack) {
  const { facts, standing } = known
  return {
    state: standing.state,
    id: idIn(known),
    last: latestSuccess(facts.records)?.ended?.slice(0, 16).replace('T', ' ') ?? noSuccessText(facts),
    next: nextRotationText(known, stack) ?? '-',
    host: sanitize(facts.records[0]?.host ?? '-'),
    why: standing.why ? sanitize(standing.why) : '',
  }
}

function colouredState(output: Context['output'], state: CredentialState): string {
  if (isFinding(state)) return output.styled(state === 'unmanaged' ? 'yellow' : 'red', state)
  return output.styled('green', state)
}

function printOne({ output }: Context, stack: Stack, known: KnownCredential): void {
  const { facts, standing } = known
  const { rotatedBy, records, pending } = facts
  const [latest] = records
  const last = latestSuccess(records)
  const lines: [string, string | undefined][] = [
    ['state', `${colouredState(output, standing.state)}${standing.why ? `: ${sanitize(standing.why)}` : ''}`],
    ['what to do', standing.remedy],
    ['rotated by', rotatedBy === undefined ? 'no schedule; only when started by hand' : sanitize(rotatedBy)],
    ['last good', last ? `${formatTime(endTimeOf(last))}, ${outcomeText(last)}` : noSuccessLine(facts)],
    ['edited', facts.passwordSince && editedText(facts.passwordSince)],
    ['next', nextRotationText(known, stack)],
    [
      'latest',
      latest && latest !== last ? `${formatTime(endTimeOf(latest))}, ${outcomeText(latest)}` : undefined,
    ],
    ['in use', last && userInUse(last)],
    ['before', last && retirementText(last)],
    ['replicas', facts.replicas.map(replicaText).join(', ') || undefined],
    ['home', homeText(facts)],
    [
      'pending',
      pending && `${sanitize(pending.token)}, whose rotation ${pending.running ? 'runs' : 'does not run'}`,
    ],
  ]
  output.line(output.styled('bold', idIn(known)))
  for (const [label, text] of lines) if (text) output.line(`  ${label.padEnd(11)} ${text}`, 14)
}

/** The state of a replica, or since when rotations do not wait for it any more. */
const replicaText = ({ region, status, givenUp }: Replica) =>
  sanitize(givenUp ? `${region} given up ${givenUp}` : `${region} ${status}`)

/**
 * The home Region of a secret, if it has replicas or rotates elsewhere; undefined for any other. A secret with replicas needs
 * the tag, as a replica that is promoted would rotate in its Region too.
 */
function homeText({ replicas, credential }: KnownCredential['facts']): string | undefined {
  const home = homeIn(credential.tags)
  if (isHomeElsewhere(credential.arn, home))
    return `${sanitize(`${home}`)}, so it does not rotate in this Region`
  if (!replicas.length) return undefined
  return sanitize(
    home ||
      `missing: it has replicas and no tag ${HOME_TAG}, so a replica that is promoted would rotate there too`,
  )
}

const endTimeOf = ({ began, ended = began }: RotationRecord) => new Date(ended)

/** The user that the application has logged in as since the last rotation, with host, engine and strategy. */
const userInUse = (last: RotationRecord) => usersText({ ...last, user: last.nextUser ?? '' })

/** What status ID shows in place of the last successful rotation: that there is none, and how old the value is. */
function noSuccessLine(facts: KnownCredential['facts']): string {
  const { credential, passwordSince = credential.currentSince } = facts
  // The time 0 stands for a date that is not known.
  const since = passwordSince.getTime() ? `; its value dates from ${formatTime(passwordSince)}` : ''
  return `${noSuccessText(facts)}${since}`
}

/** The text for a credential without a successful rotation among the records that were read. */
const noSuccessText = ({ records }: KnownCredential['facts']) =>
  records.length ? 'not known' : 'none on record'

const editedText = (passwordSince: Date) =>
  `to name an admin; the password dates from ${formatTime(passwordSince)}, and the schedule counts from the edit`

function nextRotationText({ facts: { credential } }: KnownCredential, stack: Stack): string | undefined {
  const { nextByService } = credential
  // NO_NEXT_DATE: Secrets Manager has a schedule, but no date for the next rotation.
  if (nextByService)
    return nextByService.getTime() === NO_NEXT_DATE.getTime() ? undefined : formatTime(nextByService)
  const now = new Date()
  const next = nextRotationTime(credential, now, runIntervalIn(stack))
  return next && (next.getTime() > now.getTime() ? formatTime(next) : 'with the next run')
}

function documentOf(known: KnownCredential, stack: Stack): object {
  const { facts, standing, arn } = known
  const { credential, rotatedBy, records, pending, parked, replicas } = facts
  const last = latestSuccess(records)
  const graceLeftMs = last?.openUntil && Date.parse(last.openUntil) - Date.now()
  return {
    store: credential.store,
    name: credential.id,
    arn,
    ...standing,
    finding: isFinding(standing.state),
    rotatedBy: rotatedBy ?? null,
    next: nextRotationText(known, stack) ?? null,
    pending: pending ?? null,
    parked,
    replicas,
    ...(replicas.length > 0 && { home: homeIn(credential.tags) ?? null }),
    ...(facts.passwordSince && { passwordSince: facts.passwordSince.toISOString() }),
    last: last ?? null,
    latest: records[0] ?? null,
    ...(graceLeftMs && { graceLeft: formatDuration(Math.max(0, graceLeftMs)) }),
  }
}
