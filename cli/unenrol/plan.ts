import {
  EVERY_TAG,
  isAdmin,
  isManaged,
  MANAGED_TAG,
  strategyIn,
  TAG_PREFIX,
  type Tags,
} from '../../rotation/tags.ts'
import { isRotatedByStack } from '../beginRotation.ts'
import { type FoundCredential, type FoundSecret, fullId } from '../credential.ts'
import type { CredentialCalls } from '../enrol/calls.ts'
import {
  functionText,
  PREVIOUS_FUNCTION_TAG,
  PREVIOUS_SCHEDULE_TAG,
  type PreviousRotation,
  previousRotationIn,
  rotationRulesText,
} from '../enrol/previousRotation.ts'
import { cancelRotationStep } from '../enrol/serviceSteps.ts'
import { type EnrolStep, tagStep, untagStep } from '../enrol/step.ts'
import type { Stack } from '../stack.ts'

/** What ends the rotations of a credential by Keyturn. `notes` is what whoever confirms it should know. */
export type UnenrolPlan = { steps: EnrolStep[]; notes: string[] }

/** Tags that say what a credential is, and not how or when it rotates. */
const LASTING_TAGS = ['admin', 'engine', 'connection'].map(name => TAG_PREFIX + name)
const SCHEDULE_TAGS = [EVERY_TAG, `${TAG_PREFIX}window`, `${TAG_PREFIX}jitter`]

type Planning = {
  stack: Stack
  calls: CredentialCalls
  found: FoundCredential /** Why one runs, if it does. */
  running: string | undefined
  /** ARN of the admin's secret that the value names, as far as the table of rotations knows. */
  admin: string | undefined
}

/**
 * First what begins new rotations; and, unless one runs, which needs the tags and would meet what rotated it before, the rest.
 * `keyturn:managed` goes last, as every role of Keyturn's reaches a credential only by it.
 */
export function planUnenrolment({ stack, calls, found, running, admin }: Planning): UnenrolPlan {
  const { tags } = found
  const before = found.store === 'secrets-manager' ? previousRotationIn(tags) : undefined
  const isOurs = found.store === 'secrets-manager' && isRotatedByStack(stack, found)
  if (running) {
    // A role may have reached it only as its rotation function's.
    const keep = isOurs && !isManaged(tags) ? [tagStep(calls, found, { [MANAGED_TAG]: 'true' })] : []
    const cancel = isOurs ? [cancelRotationStep(calls, found)] : []
    return {
      steps: [...untagSteps(calls, found, SCHEDULE_TAGS), ...keep, ...cancel],
      notes: notesOf(tags, undefined, admin),
    }
  }
  const isFree = found.store === 'secrets-manager' && (isOurs || !found.secret.RotationEnabled)
  const back = isFree && before ? [restoreRotationStep(calls, found, before)] : []
  const cancel = isOurs && !before ? [cancelRotationStep(calls, found)] : []
  const others = Object.keys(tags).filter(
    key => key.startsWith(TAG_PREFIX) && ![...SCHEDULE_TAGS, ...LASTING_TAGS, MANAGED_TAG].includes(key),
  )
  return {
    steps: [
      ...untagSteps(calls, found, SCHEDULE_TAGS),
      ...back,
      ...cancel,
      ...untagSteps(calls, found, [PREVIOUS_FUNCTION_TAG, PREVIOUS_SCHEDULE_TAG, ...others]),
      ...untagSteps(calls, found, [MANAGED_TAG]),
    ],
    notes: notesOf(tags, back.length ? before : undefined, admin),
  }
}

function untagSteps(calls: CredentialCalls, found: FoundCredential, keys: string[]): EnrolStep[] {
  const present = keys.filter(key => key in found.tags)
  return present.length ? [untagStep(calls, found, present)] : []
}

function notesOf(tags: Tags, before: PreviousRotation | undefined, admin: string | undefined): string[] {
  const kept = LASTING_TAGS.filter(key => key in tags)
  return [
    'The value stays as it is, with its masterarn if it has one.',
    ...adminNotes(strategyIn(tags), admin),
    ...(before ? [`It goes back to ${functionText(before.function)}.`] : []),
    ...(isAdmin(tags) ? ["It stays an admin's secret: rotations of others may read it."] : []),
    ...(kept.length && !isAdmin(tags) ? [`These tags say what it is, and stay: ${kept.join(', ')}.`] : []),
  ]
}

/** What stays of two users, and of the admin who sets their passwords. */
function adminNotes(strategy: string | undefined, admin: string | undefined): string[] {
  const hasAdmin = strategy === 'alternating-users' || strategy === 'temporary-clone'
  if (!hasAdmin && !admin) return []
  const users =
    strategy === 'alternating-users'
      ? [
          'The application stays on the user that the value names now, perhaps the second one, whose name ends with _clone; the other one is closed, and stays in the database.',
        ]
      : []
  const id = admin ?? "ID, the one that the value's masterarn names"
  return [
    ...users,
    `The admin's secret keeps keyturn:admin, as others may name it. If none does: aws secretsmanager untag-resource --tag-keys keyturn:admin --secret-id ${id}`,
  ]
}

function restoreRotationStep(
  calls: CredentialCalls,
  found: FoundSecret,
  before: PreviousRotation,
): EnrolStep {
  const says = before.rules ? rotationRulesText(before.rules) : 'by the rules that it has now'
  return {
    shownCall: {
      ...{ service: 'secretsmanager', operation: 'RotateSecret', resource: fullId(found.store, found.name) },
      sets: `RotationLambdaARN=${before.function} ${says} RotateImmediately=false`,
    },
    async run(say) {
      await calls.rotateBy(found, { ...before, now: false })
      say(`Secrets Manager rotates it by ${functionText(before.function)}, ${says}`)
    },
  }
}
