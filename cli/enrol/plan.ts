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

/**
 * The calls that enrol one credential, in three parts. The parts run in this order, and the credential is checked between them
 * (enrolOne.ts).
 */
export type EnrolPlan = {
  found: FoundCredential
  /** What the user should know before confirming. */
  notes: string[]
  /** How the credential rotates afterwards, in a few words. */
  says: string
  /** First part: sets keyturn:managed. Without that tag, IAM lets Keyturn neither read nor rotate the credential. */
  accessSteps: EnrolStep[]
  /** Second part: sets the strategy and its options. */
  settingSteps: EnrolStep[]
  /** Third part: sets the schedule. */
  rotationSteps: EnrolStep[]
  /** Whether another rotation function rotates the secret today, and enrolling ends that. */
  takesOver: boolean
  /** Tags that stay even if the enrolment is undone. setAdminStep adds keyturn:strategy once the value names its admin. */
  keptTags: string[]
  /** Whether the credential is to rotate at once. */
  now: boolean
  /** The version of that rotation, if Secrets Manager begins it when the schedule is set. */
  token?: string
}

/** What planning needs besides the credential: the stack, its calls, and what the other plans of the same command share. */
export type PlanContext = AdminSetter & {
  calls: CredentialCalls
  /** Whether several credentials of this command name this admin: then undoing one of them does not untag the admin. */
  isShared(admin: FoundSecret): boolean
}

/** Plans the calls that enrol a credential as wished. Nothing is called yet. */
export function planEnrolment(
  planning: PlanContext,
  found: FoundCredential,
  admin: FoundSecret | undefined,
  wish: RotationWish,
): EnrolPlan {
  const { calls, stack } = planning
  const keptTags: string[] = []
  const token = crypto.randomUUID()
  const rotation = rotationStepsFor(planning, found, wish, token)
  const now = wish.now === true
  return {
    found,
    notes: notesOf(stack, found, wish),
    says: rotationText(stack, found, wish),
    accessSteps: isManaged(found.tags) ? [] : [tagStep(calls, found, { [MANAGED_TAG]: 'true' })],
    settingSteps: [...optionSteps(planning, found, wish), ...adminSteps(planning, found, admin, keptTags)],
    rotationSteps: rotation.steps,
    takesOver: rotationTakenOver(stack, found, wish) !== undefined,
    keptTags,
    now,
    ...(now && rotation.beginsRotation && { token }),
  }
}

/** How the credential rotates once the plan was carried out, such as `alternating-users, every 30d`. */
function rotationText(stack: Stack, found: FoundCredential, wish: RotationWish): string {
  const strategy = wish.strategy ?? strategyIn(found.tags)
  const { [EVERY_TAG]: every, [`${TAG_PREFIX}window`]: window } = { ...found.tags, ...scheduleTags(wish) }
  const rotationTime = () => {
    if (wish.schedule)
      return rotationRulesText({ ScheduleExpression: wish.schedule, Duration: wish.duration })
    if (found.store === 'secrets-manager' && !wish.every && isRotatedByStack(stack, found))
      return rotationRulesText(found.secret.RotationRules)
    return `every ${every}${window ? ` within ${window}` : ''}`
  }
  return [strategy, rotationTime()].filter(Boolean).join(', ')
}

/** Whether there is nothing to change. */
export const isEmptyPlan = ({ accessSteps, settingSteps, rotationSteps }: EnrolPlan): boolean =>
  accessSteps.length + settingSteps.length + rotationSteps.length === 0

/** Sets the strategy and its options, and in a replicated secret the Region that rotates it, as no other Region may. */
function optionSteps({ calls, stack }: PlanContext, found: FoundCredential, wish: RotationWish): EnrolStep[] {
  const replicated = found.store === 'secrets-manager' && (found.secret.ReplicationStatus ?? []).length > 0
  const home = replicated ? missingReplicaTags(found, stack)[HOME_TAG] : undefined
  const wanted = { ...strategyTags(wish), ...(home !== undefined && { [HOME_TAG]: home }) }
  return changedTagSteps(calls, found, wanted)
}

/** A step that sets the tags that do not have the wanted value yet; none if all have. */
function changedTagSteps(
  calls: CredentialCalls,
  found: FoundCredential,
  wanted: Record<string, string>,
): EnrolStep[] {
  const changed = Object.entries(wanted).filter(([key, value]) => found.tags[key] !== value)
  return changed.length ? [tagStep(calls, found, Object.fromEntries(changed))] : []
}

/** Tags the admin's secret, and stores its ARN in the credential's value. */
function adminSteps(
  planning: PlanContext,
  found: FoundCredential,
  admin: FoundSecret | undefined,
  keptTags: string[],
): EnrolStep[] {
  if (!admin) return []
  const why = 'so that rotations may read it'
  const { undo, ...step } = tagStep(planning.calls, admin, { [ADMIN_TAG]: 'true' }, why)
  const tagAdmin: EnrolStep = {
    ...step,
    run: say => step.run(text => say(`the admin ${sanitize(admin.name)}: ${text}`)),
    // An admin that several credentials name keeps the tag if the enrolment of one of them is undone.
    ...(undo && !planning.isShared(admin) && { undo }),
  }
  return [...(isAdmin(admin.tags) ? [] : [tagAdmin]), setAdminStep(planning, found, admin, keptTags)]
}

type RotationSteps = {
  steps: EnrolStep[]
  /** Whether one of the steps begins a rotation, if the credential is to rotate now. */
  beginsRotation: boolean
}

function rotationStepsFor(
  planning: PlanContext,
  found: FoundCredential,
  wish: RotationWish,
  token: string,
): RotationSteps {
  const { calls, stack } = planning
  const scheduleSteps = changedTagSteps(calls, found, scheduleTags(wish))
  if (found.store === 'parameter-store') return { steps: scheduleSteps, beginsRotation: false }
  if (wish.schedule !== undefined) return serviceScheduleSteps(planning, found, wish, token)
  if (wish.every === undefined || !found.secret.RotationEnabled)
    return { steps: scheduleSteps, beginsRotation: false }
  // Where a secret has a schedule in Secrets Manager and the tag keyturn:every, the first one holds. So it is cancelled.
  const other = rotationByOtherFunction(found, stack)
  const keepSteps = other ? changedTagSteps(calls, found, previousRotationTags(other)) : []
  return { steps: [...keepSteps, cancelRotationStep(calls, found), ...scheduleSteps], beginsRotation: false }
}

/** Has Secrets Manager rotate the secret on a schedule of its own, with this stack's function. */
function serviceScheduleSteps(
  { calls, stack }: PlanContext,
  found: FoundSecret,
  wish: RotationWish,
  token: string,
): RotationSteps {
  const { schedule, duration, now = false } = wish
  const rules = { ...(schedule && { ScheduleExpression: schedule }), ...(duration && { Duration: duration }) }
  const { ScheduleExpression, Duration } = found.secret.RotationRules ?? {}
  const keepsDuration = duration === undefined || duration === Duration
  const isUpToDate = isRotatedByStack(stack, found) && ScheduleExpression === schedule && keepsDuration
  const ownTags = [EVERY_TAG, `${TAG_PREFIX}window`, `${TAG_PREFIX}jitter`].filter(key => key in found.tags)
  const untag = ownTags.length ? [untagStep(calls, found, ownTags)] : []
  const other = rotationByOtherFunction(found, stack)
  // Replicas get the tags of their secret and not its schedule: so a tag keeps the schedule, for a promotion.
  const keptSchedule = (found.secret.ReplicationStatus ?? []).length ? scheduleTagValue(rules) : undefined
  const tags = {
    ...(other && previousRotationTags(other)),
    ...(keptSchedule && { [SERVICE_SCHEDULE_TAG]: keptSchedule }),
  }
  const rotate = isUpToDate ? [] : [rotateStep(calls, stack, found, { rules, now, token })]
  return { steps: [...untag, ...changedTagSteps(calls, found, tags), ...rotate], beginsRotation: !isUpToDate }
}

function notesOf(stack: Stack, found: FoundCredential, wish: RotationWish): string[] {
  return [...graceNotes(found, wish), ...takeoverNotes(stack, found, wish)]
}

/** A note if a grace time has no effect, as the strategy has only one valid password at a time. */
function graceNotes({ tags }: FoundCredential, { strategy: wished, grace }: RotationWish): string[] {
  const strategy = wished ?? strategyIn(tags)
  const hasNoEffect = grace !== undefined && (strategy === 'single-user' || strategy === 'master')
  return hasNoEffect
    ? [
        `--grace ${sanitize(grace)} has no effect with ${strategy}: the old password is refused as soon as the new one is set.`,
      ]
    : []
}

/** The rotation by another function that this enrolment ends, as it sets another schedule; undefined if there is none. */
function rotationTakenOver(stack: Stack, found: FoundCredential, { every, schedule }: RotationWish) {
  if (found.store === 'parameter-store' || (every ?? schedule) === undefined) return undefined
  return rotationByOtherFunction(found, stack)
}

function takeoverNotes(stack: Stack, found: FoundCredential, wish: RotationWish): string[] {
  const other = rotationTakenOver(stack, found, wish)
  if (!other) return []
  const isKept = !other.rules || PREVIOUS_SCHEDULE_TAG in previousRotationTags(other)
  const mayRotateAsPlanned = wish.schedule?.startsWith('rate(') && !wish.now
  return [
    `Today Secrets Manager rotates it with ${functionText(other.function)}, ${rotationRulesText(other.rules)}. Keyturn takes over; ${
      isKept
        ? 'keyturn unenrol restores that rotation.'
        : 'unenrol cannot restore that schedule, as it is too long for a tag.'
    }`,
    ...(mayRotateAsPlanned
      ? ['AWS says that after a change to rate(…) a rotation that was planned before may still happen.']
      : []),
  ]
}
