import { CommandError, EXIT } from '../exit.ts'
import { sanitize } from '../output.ts'
import { ALLOWED_CHARACTERS_TEXT, forbiddenCharacterIn, MAX_TAG_VALUE_LENGTH } from '../tagValue.ts'

/** The options of `keyturn replicas`, as they are given. */
export type ReplicasOptions = {
  add?: string
  remove?: string
  repair?: string
  giveUp?: string
  ready?: true
  key?: string
  reason?: string
  confirm?: string
  /** Milliseconds. */
  wait?: number
  tag?: [key: string, value: string][]
  prefix?: string
}

/** Which secrets are meant: one by its id, or those that have the tags and the beginning of the name. */
export type SecretChoice = { id: string } | { tags: [key: string, value: string][]; prefix: string }

export type ActionName = 'add' | 'remove' | 'repair' | 'giveUp'

/** What is to be done about the replicas in one Region. */
export type ReplicaRequest = {
  action: ActionName
  region: string
  chosen: SecretChoice
  key: string | undefined
  reason: string
  /** Whether --confirm names the Region, which is the answer to every question. */
  isConfirmed: boolean
  /** For how many milliseconds a replica is waited for. */
  waitMs: number
}

const DEFAULT_WAIT_MS = 300_000
/** What is not there after this may hang, and not only be on its way. */
const MIN_REPAIR_WAIT_MS = 60_000

/** The options that ask for an action. */
export const ACTION_FLAGS: Record<ActionName, string> = {
  add: '--add',
  remove: '--remove',
  repair: '--repair',
  giveUp: '--give-up',
}
const ACTION_NAMES = Object.keys(ACTION_FLAGS) as ActionName[]

/** What belongs to some actions alone. */
const OPTION_ACTIONS: { option: 'key' | 'reason' | 'confirm' | 'wait'; of: ActionName[] }[] = [
  { option: 'key', of: ['add'] },
  { option: 'reason', of: ['giveUp'] },
  { option: 'wait', of: ['add', 'repair'] },
  { option: 'confirm', of: ACTION_NAMES },
]

/** Which secrets the options mean; undefined if they leave that open. @throws CommandError if they say it twice */
export function choiceOf(
  id: string | undefined,
  { tag = [], prefix }: ReplicasOptions,
): SecretChoice | undefined {
  const many = tag.length > 0 || prefix !== undefined
  if (id !== undefined && many)
    throw usageError(
      'an ID was given, and --tag or --prefix too',
      'Name one secret, or choose several, not both.',
    )
  if (id !== undefined) return { id }
  return many ? { tags: tag, prefix: prefix ?? '' } : undefined
}

/** Whether they ask for what rehearsals have found. @throws CommandError if they ask for something else too */
export function asksForReadiness({ ready, ...others }: ReplicasOptions): boolean {
  if (!ready) return false
  const [other] = Object.keys(others)
  if (other === undefined) return true
  throw usageError(
    `--ready was given, and --${other === 'giveUp' ? 'give-up' : other} too`,
    'It looks alone: at one secret, by its ID, or at all.',
  )
}

/** What the options ask to be done; undefined if it is to look alone. @throws CommandError if they do not fit together */
export function parseRequest(id: string | undefined, options: ReplicasOptions): ReplicaRequest | undefined {
  const asked = ACTION_NAMES.filter(action => options[action] !== undefined)
  const [action] = asked
  if (asked.length > 1)
    throw usageError(
      `${asked.map(each => ACTION_FLAGS[each]).join(' and ')} were given`,
      'Give one action at a time, and the next when it is done.',
    )
  for (const { option, of } of OPTION_ACTIONS)
    if (options[option] !== undefined && !(action && of.includes(action)))
      throw usageError(
        `--${option} goes with ${of.map(each => ACTION_FLAGS[each]).join(', ')} alone`,
        'See keyturn replicas --help.',
      )
  if (action === 'repair' && options.wait !== undefined && options.wait < MIN_REPAIR_WAIT_MS)
    throw usageError(
      '--repair waits a minute at least: before that nothing tells a replica that hangs from one on its way',
      'Leave --wait out, or give 1m or more.',
    )
  const chosen = choiceOf(id, options)
  if (!action) return undefined
  if (!chosen)
    throw usageError(
      `${ACTION_FLAGS[action]} was given, and no secret`,
      'Name one by its ID, or choose several by --tag KEY=VALUE or --prefix TEXT.',
    )
  const { key, confirm, wait = DEFAULT_WAIT_MS, [action]: region = '' } = options
  if (confirm !== undefined && confirm !== region)
    throw usageError(
      `--confirm says ${sanitize(confirm)}, and ${ACTION_FLAGS[action]} ${region}: nothing was changed`,
      'It takes the name of the Region that the action is about.',
    )
  const reason = reasonOf(action, options)
  return { action, region, chosen, key, reason, isConfirmed: confirm !== undefined, waitMs: wait }
}

/** How long a reason may be, with a day before it. */
const MAX_REASON_LENGTH = MAX_TAG_VALUE_LENGTH - '2026-11-29 '.length

function reasonOf(action: ActionName, { reason }: ReplicasOptions): string {
  if (action !== 'giveUp') return ''
  const text = reason?.trim() ?? ''
  if (!text)
    throw usageError(
      '--give-up was given without a reason',
      'Say why, for whoever looks later: --reason "the Region is down".',
    )
  const character = forbiddenCharacterIn(text)
  if (character !== undefined)
    throw usageError(
      `a tag cannot hold the character ${JSON.stringify(character)} of --reason`,
      `It takes ${ALLOWED_CHARACTERS_TEXT}.`,
    )
  if (text.length > MAX_REASON_LENGTH)
    throw usageError(
      `--reason has ${text.length} characters, and a tag has room for ${MAX_REASON_LENGTH}`,
      'Say it in fewer words.',
    )
  return text
}

const usageError = (message: string, remedy: string) => new CommandError(EXIT.usage, message, remedy)
