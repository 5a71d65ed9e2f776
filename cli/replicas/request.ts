import { CommandError, exit } from '../exit.ts'
import { plain } from '../output.ts'
import { LONGEST_TAG, taggable, untaggable } from '../tagValue.ts'

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
export type Chosen = { id: string } | { tags: [key: string, value: string][]; prefix: string }

export type Action = 'add' | 'remove' | 'repair' | 'giveUp'

/** What is to be done about the replicas in one Region. */
export type Request = {
  action: Action
  region: string
  chosen: Chosen
  key: string | undefined
  reason: string
  /** Whether --confirm names the Region, which is the answer to every question. */
  given: boolean
  /** For how many milliseconds a replica is waited for. */
  wait: number
}

const WAIT = 300_000
/** What is not there after this may hang, and not only be on its way. */
const SHORTEST_REPAIR = 60_000

/** The options that ask for an action. */
export const flags: Record<Action, string> = {
  add: '--add',
  remove: '--remove',
  repair: '--repair',
  giveUp: '--give-up',
}
const actions = Object.keys(flags) as Action[]

/** What belongs to some actions alone. */
const needs: { option: 'key' | 'reason' | 'confirm' | 'wait'; of: Action[] }[] = [
  { option: 'key', of: ['add'] },
  { option: 'reason', of: ['giveUp'] },
  { option: 'wait', of: ['add', 'repair'] },
  { option: 'confirm', of: actions },
]

/** Which secrets the options mean; undefined if they leave that open. @throws CommandError if they say it twice */
export function chosenBy(id: string | undefined, { tag = [], prefix }: ReplicasOptions): Chosen | undefined {
  const many = tag.length > 0 || prefix !== undefined
  if (id !== undefined && many)
    throw wrong('an ID was given, and --tag or --prefix too', 'Name one secret, or choose several, not both.')
  if (id !== undefined) return { id }
  return many ? { tags: tag, prefix: prefix ?? '' } : undefined
}

/** Whether they ask for what rehearsals have found. @throws CommandError if they ask for something else too */
export function asksReady({ ready, ...others }: ReplicasOptions): boolean {
  if (!ready) return false
  const [other] = Object.keys(others)
  if (other === undefined) return true
  throw wrong(
    `--ready was given, and --${other === 'giveUp' ? 'give-up' : other} too`,
    'It looks alone: at one secret, by its ID, or at all.',
  )
}

/** What the options ask to be done; undefined if it is to look alone. @throws CommandError if they do not fit together */
export function requestOf(id: string | undefined, options: ReplicasOptions): Request | undefined {
  const asked = actions.filter(action => options[action] !== undefined)
  const [action] = asked
  if (asked.length > 1)
    throw wrong(
      `${asked.map(each => flags[each]).join(' and ')} were given`,
      'Give one action at a time, and the next when it is done.',
    )
  for (const { option, of } of needs)
    if (options[option] !== undefined && !(action && of.includes(action)))
      throw wrong(
        `--${option} goes with ${of.map(each => flags[each]).join(', ')} alone`,
        'See keyturn replicas --help.',
      )
  if (action === 'repair' && options.wait !== undefined && options.wait < SHORTEST_REPAIR)
    throw wrong(
      '--repair waits a minute at least: before that nothing tells a replica that hangs from one on its way',
      'Leave --wait out, or give 1m or more.',
    )
  const chosen = chosenBy(id, options)
  if (!action) return undefined
  if (!chosen)
    throw wrong(
      `${flags[action]} was given, and no secret`,
      'Name one by its ID, or choose several by --tag KEY=VALUE or --prefix TEXT.',
    )
  const { key, confirm, wait = WAIT, [action]: region = '' } = options
  if (confirm !== undefined && confirm !== region)
    throw wrong(
      `--confirm says ${plain(confirm)}, and ${flags[action]} ${region}: nothing was changed`,
      'It takes the name of the Region that the action is about.',
    )
  const reason = reasonOf(action, options)
  return { action, region, chosen, key, reason, given: confirm !== undefined, wait }
}

/** How long a reason may be, with a day before it. */
const LONGEST = LONGEST_TAG - '2026-11-29 '.length

function reasonOf(action: Action, { reason }: ReplicasOptions): string {
  if (action !== 'giveUp') return ''
  const text = reason?.trim() ?? ''
  if (!text)
    throw wrong(
      '--give-up was given without a reason',
      'Say why, for whoever looks later: --reason "the Region is down".',
    )
  const character = untaggable(text)
  if (character !== undefined)
    throw wrong(
      `a tag cannot hold the character ${JSON.stringify(character)} of --reason`,
      `It takes ${taggable}.`,
    )
  if (text.length > LONGEST)
    throw wrong(
      `--reason has ${text.length} characters, and a tag has room for ${LONGEST}`,
      'Say it in fewer words.',
    )
  return text
}

const wrong = (message: string, remedy: string) => new CommandError(exit.usage, message, remedy)
