import { scheduleTag } from '../../rotation/promotion/serviceSchedule.ts'
import {
  ADMIN,
  EVERY,
  HOME,
  isAdmin,
  isManaged,
  MANAGED,
  PREFIX,
  SERVICE_SCHEDULE,
  strategyIn,
} from '../../rotation/tags.ts'
import { isRotatedBy } from '../begin.ts'
import type { Found, FoundSecret } from '../credentialId.ts'
import { plain } from '../output.ts'
import { missingTags } from '../replicas/add.ts'
import type { Stack } from '../stack.ts'
import { BEFORE_SCHEDULE, beforeTags, functionSays, otherRotation, rulesSay } from './before.ts'
import type { CredentialCalls } from './calls.ts'
import { cancelStep, rotateStep } from './serviceSteps.ts'
import { type SetsAdmin, setAdminStep } from './setAdmin.ts'
import { type Step, tagStep, untagStep } from './step.ts'
import { howTags, type Wish, whenTags } from './wish.ts'

/** What enrolling one credential takes, in this order; between the parts it is checked. */
export type Plan = {
  found: Found
  /** What whoever confirms it should know. */
  notes: string[]
  /** How it rotates afterwards, in a few words. */
  says: string
  /** What lets Keyturn see it. */
  admit: Step[]
  /** What says how it rotates. */
  prepare: Step[]
  /** What has it rotate. */
  turn: Step[]
  /** Whether another function rotates it, which this ends. */
  takesOver: boolean
  /** Tags that stay though the rest is taken back; steps add to them. */
  stays: string[]
  /** Whether it is to rotate at once; by Secrets Manager under this token, if that is asked to anyway. */
  now: boolean
  token?: string
}

export type Planning = SetsAdmin & {
  calls: CredentialCalls
  /** Whether others of the same run name this admin, so that its tag is not taken off again. */
  isShared(admin: FoundSecret): boolean
}

export function planOf(planning: Planning, found: Found, admin: FoundSecret | undefined, wish: Wish): Plan {
  const { calls, stack } = planning
  const stays: string[] = []
  const token = crypto.randomUUID()
  const turn = turnSteps(planning, found, wish, token)
  const now = wish.now === true
  return {
    found,
    notes: notesOf(stack, found, wish),
    says: saysOf(stack, found, wish),
    admit: isManaged(found.tags) ? [] : [tagStep(calls, found, { [MANAGED]: 'true' })],
    prepare: [...optionSteps(planning, found, wish), ...adminSteps(planning, found, admin, stays)],
    turn: turn.steps,
    takesOver: found.store === 'secrets-manager' && otherRotation(found, stack) !== undefined,
    ...{ stays, now },
    ...(now && turn.isBegun && { token }),
  }
}

function saysOf(stack: Stack, found: Found, wish: Wish): string {
  const strategy = wish.strategy ?? strategyIn(found.tags)
  const { [EVERY]: every, [`${PREFIX}window`]: window } = { ...found.tags, ...whenTags(wish) }
  const isByService = found.store === 'secrets-manager' && !wish.every && isRotatedBy(stack, found)
  const rules = isByService ? found.secret.RotationRules : {}
  const service = wish.schedule ? { ScheduleExpression: wish.schedule, Duration: wish.duration } : rules
  const when =
    wish.schedule || isByService ? rulesSay(service) : `every ${every}${window ? ` within ${window}` : ''}`
  return [strategy, when].filter(Boolean).join(', ')
}

/** Whether there is nothing to change. */
export const isEmpty = ({ admit, prepare, turn }: Plan): boolean =>
  admit.length + prepare.length + turn.length === 0

function optionSteps({ calls, stack }: Planning, found: Found, wish: Wish): Step[] {
  const replicated = found.store === 'secrets-manager' && (found.secret.ReplicationStatus ?? []).length > 0
  const home = replicated ? missingTags(found, stack)[HOME] : undefined
  const wanted = { ...howTags(wish), ...(home !== undefined && { [HOME]: home }) }
  return changes(calls, found, wanted)
}

/** A step that sets those tags that are not so yet, if there are any. */
function changes(calls: CredentialCalls, found: Found, wanted: Record<string, string>): Step[] {
  const fresh = Object.entries(wanted).filter(([key, value]) => found.tags[key] !== value)
  return fresh.length ? [tagStep(calls, found, Object.fromEntries(fresh))] : []
}

function adminSteps(
  planning: Planning,
  found: Found,
  admin: FoundSecret | undefined,
  stays: string[],
): Step[] {
  if (!admin) return []
  const { undo, ...step } = tagStep(
    planning.calls,
    admin,
    { [ADMIN]: 'true' },
    'so that rotations may read it',
  )
  const tagging: Step = {
    ...step,
    run: say => step.run(text => say(`${plain(admin.name)}, its admin: ${text}`)),
  }
  const tag = planning.isShared(admin) || !undo ? tagging : { ...tagging, undo }
  return [...(isAdmin(admin.tags) ? [] : [tag]), setAdminStep(planning, found, admin, stays)]
}

type Turn = {
  steps: Step[] /** Whether a rotation begins with them, if it is to be now. */
  isBegun: boolean
}

function turnSteps(planning: Planning, found: Found, wish: Wish, token: string): Turn {
  const { calls, stack } = planning
  const when = changes(calls, found, whenTags(wish))
  if (found.store === 'parameter-store') return { steps: when, isBegun: false }
  if (wish.schedule !== undefined) return serviceSteps(planning, found, wish, token)
  // Secrets Manager's own schedule comes first where there are both.
  if (wish.every === undefined || !found.secret.RotationEnabled) return { steps: when, isBegun: false }
  const other = otherRotation(found, stack)
  const keep = other ? changes(calls, found, beforeTags(other)) : []
  return { steps: [...keep, cancelStep(calls, found), ...when], isBegun: false }
}

function serviceSteps({ calls, stack }: Planning, found: FoundSecret, wish: Wish, token: string): Turn {
  const { schedule, duration, now = false } = wish
  const rules = { ...(schedule && { ScheduleExpression: schedule }), ...(duration && { Duration: duration }) }
  const { ScheduleExpression, Duration } = found.secret.RotationRules ?? {}
  const isSo =
    isRotatedBy(stack, found) && ScheduleExpression === schedule && (duration ?? Duration) === Duration
  const own = [EVERY, `${PREFIX}window`, `${PREFIX}jitter`].filter(key => key in found.tags)
  const untag = own.length ? [untagStep(calls, found, own)] : []
  const other = otherRotation(found, stack)
  const kept = (found.secret.ReplicationStatus ?? []).length ? scheduleTag(rules) : undefined
  const tags = { ...(other && beforeTags(other)), ...(kept && { [SERVICE_SCHEDULE]: kept }) }
  const rotate = isSo ? [] : [rotateStep(calls, stack, found, { rules, now, token })]
  return { steps: [...untag, ...changes(calls, found, tags), ...rotate], isBegun: !isSo }
}

function notesOf(stack: Stack, found: Found, wish: Wish): string[] {
  return [...graceNotes(found, wish), ...takeoverNotes(stack, found, wish)]
}

/** What was replaced stays valid only where there are two passwords at a time. */
function graceNotes({ tags }: Found, { strategy: wished, grace }: Wish): string[] {
  const strategy = wished ?? strategyIn(tags)
  const isIdle = grace !== undefined && (strategy === 'single-user' || strategy === 'master')
  return isIdle
    ? [
        `--grace ${plain(grace)} has no effect with ${strategy}: the old password is refused as soon as the new one is set.`,
      ]
    : []
}

function takeoverNotes(stack: Stack, found: Found, wish: Wish): string[] {
  if (found.store === 'parameter-store') return []
  const other = otherRotation(found, stack)
  if (!other || (wish.every ?? wish.schedule) === undefined) return []
  const unkept = other.rules && !(BEFORE_SCHEDULE in beforeTags(other))
  return [
    `Secrets Manager rotates it today by ${functionSays(other.function)}, ${rulesSay(other.rules)}. This takes it over; keyturn unenrol goes back to that.`,
    ...(unkept ? ['That schedule is too long for a tag, and is not kept.'] : []),
    ...(wish.schedule && !wish.now
      ? ['With a schedule of rate(…), AWS says, a rotation that was planned before may still come.']
      : []),
  ]
}
