import { scheduleTagValue } from '../../rotation/promotion/serviceSchedule.ts'
import {
  ADMIN_TAG,
  EVERY_TAG,
  HOME_TAG,
  isAdmin,
  isManaged,
  MANAGED_TAG,
  SERVICE_SCHEDULE_TAG,
  strategyIn,
  TAG_PREFIX,
} from '../../rotation/tags.ts'
import { isRotatedByStack } from '../beginRotation.ts'
import type { FoundCredential, FoundSecret } from '../credential.ts'
import { sanitize } from '../output.ts'
import { missingReplicaTags } from '../replicas/add.ts'
import type { Stack } from '../stack.ts'
import type { CredentialCalls } from './calls.ts'
import {
  functionText,
  PREVIOUS_SCHEDULE_TAG,
  previousRotationTags,
  rotationByOtherFunction,
  rotationRulesText,
} from './previousRotation.ts'
import { cancelRotationStep, rotateStep } from './serviceSteps.ts'
import { type AdminSetter, setAdminStep } from './setAdmin.ts'
import { type EnrolStep, tagStep, untagStep } from './step.ts'
import { type RotationWish, scheduleTags, strategyTags } from './wish.ts'

/** What enrolling one credential takes, in this order; between the parts it is checked. */
export type EnrolPlan = {
  found: FoundCredential
  /** What whoever confirms it should know. */
  notes: string[]
  /** How it rotates afterwards, in a few words. */
  says: string
  /** What lets Keyturn see it. */
  accessSteps: EnrolStep[]
  /** What says how it rotates. */
  settingSteps: EnrolStep[]
  /** What has it rotate. */
  rotationSteps: EnrolStep[]
  /** Whether another function rotates it, which this ends. */
  takesOver: boolean
  /** Tags that stay though the rest is taken back; steps add to them. */
  keptTags: string[]
  /** Whether it is to rotate at once; by Secrets Manager under this token, if that is asked to anyway. */
  now: boolean
  token?: string
}

export type PlanContext = AdminSetter & {
  calls: CredentialCalls
  /** Whether others of the same run name this admin, so that its tag is not taken off again. */
  isShared(admin: FoundSecret): boolean
}

export function planEnrolment(
  planning: PlanContext,
  found: FoundCredential,
  admin: FoundSecret | undefined,
  wish: RotationWish,
): EnrolPlan {
  const { calls, stack } = planning
  const stays: string[] = []
  const token = crypto.randomUUID()
  const turn = rotationStepsFor(planning, found, wish, token)
  const now = wish.now === true
  return {
    found,
    notes: notesOf(stack, found, wish),
    says: rotationText(stack, found, wish),
    accessSteps: isManaged(found.tags) ? [] : [tagStep(calls, found, { [MANAGED_TAG]: 'true' })],
    settingSteps: [...optionSteps(planning, found, wish), ...adminSteps(planning, found, admin, stays)],
    rotationSteps: turn.steps,
    takesOver: found.store === 'secrets-manager' && rotationByOtherFunction(found, stack) !== undefined,
    ...{ keptTags: stays, now },
    ...(now && turn.beginsRotation && { token }),
  }
}

function rotationText(stack: Stack, found: FoundCredential, wish: RotationWish): string {
  const strategy = wish.strategy ?? strategyIn(found.tags)
  const { [EVERY_TAG]: every, [`${TAG_PREFIX}window`]: window } = { ...found.tags, ...scheduleTags(wish) }
  const isByService = found.store === 'secrets-manager' && !wish.every && isRotatedByStack(stack, found)
  const rules = isByService ? found.secret.RotationRules : {}
  const service = wish.schedule ? { ScheduleExpression: wish.schedule, Duration: wish.duration } : rules
  const when =
    wish.schedule || isByService
      ? rotationRulesText(service)
      : `every ${every}${window ? ` within ${window}` : ''}`
  return [strategy, when].filter(Boolean).join(', ')
}

/** Whether there is nothing to change. */
export const isEmptyPlan = ({ accessSteps, settingSteps, rotationSteps }: EnrolPlan): boolean =>
  accessSteps.length + settingSteps.length + rotationSteps.length === 0

function optionSteps({ calls, stack }: PlanContext, found: FoundCredential, wish: RotationWish): EnrolStep[] {
  const replicated = found.store === 'secrets-manager' && (found.secret.ReplicationStatus ?? []).length > 0
  const home = replicated ? missingReplicaTags(found, stack)[HOME_TAG] : undefined
  const wanted = { ...strategyTags(wish), ...(home !== undefined && { [HOME_TAG]: home }) }
  return changedTagSteps(calls, found, wanted)
}

/** A step that sets those tags that are not so yet, if there are any. */
function changedTagSteps(
  calls: CredentialCalls,
  found: FoundCredential,
  wanted: Record<string, string>,
): EnrolStep[] {
  const fresh = Object.entries(wanted).filter(([key, value]) => found.tags[key] !== value)
  return fresh.length ? [tagStep(calls, found, Object.fromEntries(fresh))] : []
}

function adminSteps(
  planning: PlanContext,
  found: FoundCredential,
  admin: FoundSecret | undefined,
  stays: string[],
): EnrolStep[] {
  if (!admin) return []
  const { undo, ...step } = tagStep(
    planning.calls,
    admin,
    { [ADMIN_TAG]: 'true' },
    'so that rotations may read it',
  )
  const tagging: EnrolStep = {
    ...step,
    run: say => step.run(text => say(`${sanitize(admin.name)}, its admin: ${text}`)),
  }
  const tag = planning.isShared(admin) || !undo ? tagging : { ...tagging, undo }
  return [...(isAdmin(admin.tags) ? [] : [tag]), setAdminStep(planning, found, admin, stays)]
}

type RotationSteps = {
  steps: EnrolStep[] /** Whether a rotation begins with them, if it is to be now. */
  beginsRotation: boolean
}

function rotationStepsFor(
  planning: PlanContext,
  found: FoundCredential,
  wish: RotationWish,
  token: string,
): RotationSteps {
  const { calls, stack } = planning
  const when = changedTagSteps(calls, found, scheduleTags(wish))
  if (found.store === 'parameter-store') return { steps: when, beginsRotation: false }
  if (wish.schedule !== undefined) return serviceSteps(planning, found, wish, token)
  // Secrets Manager's own schedule comes first where there are both.
  if (wish.every === undefined || !found.secret.RotationEnabled) return { steps: when, beginsRotation: false }
  const other = rotationByOtherFunction(found, stack)
  const keep = other ? changedTagSteps(calls, found, previousRotationTags(other)) : []
  return { steps: [...keep, cancelRotationStep(calls, found), ...when], beginsRotation: false }
}

function serviceSteps(
  { calls, stack }: PlanContext,
  found: FoundSecret,
  wish: RotationWish,
  token: string,
): RotationSteps {
  const { schedule, duration, now = false } = wish
  const rules = { ...(schedule && { ScheduleExpression: schedule }), ...(duration && { Duration: duration }) }
  const { ScheduleExpression, Duration } = found.secret.RotationRules ?? {}
  const isSo =
    isRotatedByStack(stack, found) && ScheduleExpression === schedule && (duration ?? Duration) === Duration
  const own = [EVERY_TAG, `${TAG_PREFIX}window`, `${TAG_PREFIX}jitter`].filter(key => key in found.tags)
  const untag = own.length ? [untagStep(calls, found, own)] : []
  const other = rotationByOtherFunction(found, stack)
  const kept = (found.secret.ReplicationStatus ?? []).length ? scheduleTagValue(rules) : undefined
  const tags = { ...(other && previousRotationTags(other)), ...(kept && { [SERVICE_SCHEDULE_TAG]: kept }) }
  const rotate = isSo ? [] : [rotateStep(calls, stack, found, { rules, now, token })]
  return { steps: [...untag, ...changedTagSteps(calls, found, tags), ...rotate], beginsRotation: !isSo }
}

function notesOf(stack: Stack, found: FoundCredential, wish: RotationWish): string[] {
  return [...graceNotes(found, wish), ...takeoverNotes(stack, found, wish)]
}

/** What was replaced stays valid only where there are two passwords at a time. */
function graceNotes({ tags }: FoundCredential, { strategy: wished, grace }: RotationWish): string[] {
  const strategy = wished ?? strategyIn(tags)
  const isIdle = grace !== undefined && (strategy === 'single-user' || strategy === 'master')
  return isIdle
    ? [
        `--grace ${sanitize(grace)} has no effect with ${strategy}: the old password is refused as soon as the new one is set.`,
      ]
    : []
}

function takeoverNotes(stack: Stack, found: FoundCredential, wish: RotationWish): string[] {
  if (found.store === 'parameter-store') return []
  const other = rotationByOtherFunction(found, stack)
  if (!other || (wish.every ?? wish.schedule) === undefined) return []
  const unkept = other.rules && !(PREVIOUS_SCHEDULE_TAG in previousRotationTags(other))
  return [
    `Secrets Manager rotates it today by ${functionText(other.function)}, ${rotationRulesText(other.rules)}. This takes it over; keyturn unenrol goes back to that.`,
    ...(unkept ? ['That schedule is too long for a tag, and is not kept.'] : []),
    ...(wish.schedule && !wish.now
      ? ['With a schedule of rate(…), AWS says, a rotation that was planned before may still come.']
      : []),
  ]
}
