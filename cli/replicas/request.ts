import { MAX_TAG_VALUE_LENGTH } from '../../rotation/tags.ts'
import { usageError } from '../exit.ts'
import { sanitize } from '../output.ts'
import { ALLOWED_CHARACTERS_TEXT, forbiddenCharacterIn } from '../tagValue.ts'

/** The options of `keyturn replicas`, as the command line gave them. */
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

/** The chosen secrets: one by its id, or all that have these tags and whose name begins with the prefix. */
export type SecretChoice = { id: string } | { tags: [key: string, value: string][]; prefix: string }

/** An action on the replicas in one Region. */
export type ActionName = 'add' | 'remove' | 'repair' | 'giveUp'

/** An action that the options ask for, and its settings. */
export type ReplicaRequest = {
  action: ActionName
  region: string
  chosen: SecretChoice
  key: string | undefined
  reason: string
  /** Whether --confirm was given, which confirms every question. */
  isConfirmed: boolean
  /** How long the action waits for a replica, in milliseconds. */
  waitMs: number
}

const DEFAULT_WAIT_MS = 300_000
/** The shortest wait after which a replica that is still in progress counts as stuck. */
const MIN_REPAIR_WAIT_MS = 60_000

/** The option that asks for each action. */
export const ACTION_FLAGS: Record<ActionName, string> = {
  add: '--add',
  remove: '--remove',
  repair: '--repair',
  giveUp: '--give-up',
}
const ACTION_NAMES = Object.keys(ACTION_FLAGS) as ActionName[]

/** The actions with which each of these options may be given. */
const OPTION_ACTIONS: { option: 'key' | 'reason' | 'confirm' | 'wait'; of: ActionName[] }[] = [
  { option: 'key', of: ['add'] },
  { option: 'reason', of: ['giveUp'] },
  { option: 'wait', of: ['add', 'repair'] },
  { option: 'confirm', of: ACTION_NAMES },
]

/** The secrets that the options choose; undefined if none are chosen. @throws CommandError for an ID with --tag or --prefix */
export function choiceOf(
  id: string | undefined,
  { tag = [], prefix }: ReplicasOptions,
): SecretChoice | undefined {
  const choosesMany = tag.length > 0 || prefix !== undefined
  if (id !== undefined && choosesMany)
    throw usageError(
      'an ID was given, and --tag or --prefix too',
      'Name one secret, or choose several, not both.',
    )
  if (id !== undefined) return { id }
  return choosesMany ? { tags: tag, prefix: prefix ?? '' } : undefined
}

/** Whether the options ask for --ready. @throws CommandError if another option was given too */
export function asksForReadiness({ ready, ...others }: ReplicasOptions): boolean {
  if (!ready) return false
  const [other] = Object.keys(others)
  if (other === undefined) return true
  throw usageError(
    `--ready was given, and --${other === 'giveUp' ? 'give-up' : other} too`,
    '--ready takes no other option; it shows all secrets, or one by its ID.',
  )
}

/** The action that the options ask for; undefined if they only ask for the list. @throws CommandError if they contradict */
export function parseRequest(id: string | undefined, options: ReplicasOptions): ReplicaRequest | undefined {
  const actions = ACTION_NAMES.filter(action => options[action] !== undefined)
  const [action] = actions
  if (actions.length > 1)
    throw usageError(
      `${actions.map(each => ACTION_FLAGS[each]).join(' and ')} were given`,
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
      '--repair waits at least a minute: before that, a stuck replica looks like one in progress',
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

/** Characters of a reason at most: the tag's value also has a day before it. */
const MAX_REASON_LENGTH = MAX_TAG_VALUE_LENGTH - '2026-11-29 '.length

function reasonOf(action: ActionName, { reason }: ReplicasOptions): string {
  if (action !== 'giveUp') return ''
  const text = reason?.trim() ?? ''
  if (!text)
    throw usageError(
      '--give-up was given without a reason',
      'Give the reason, as a note for later: --reason "the Region is down".',
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
      'Shorten it.',
    )
  return text
}
