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

/** The calls after which Keyturn does not rotate a credential any more, and what the user should know before confirming. */
export type UnenrolPlan = { steps: EnrolStep[]; notes: string[] }

/** Tags that stay, because they say what a credential is, not how or when it rotates. */
const LASTING_TAGS = ['admin', 'engine', 'connection'].map(name => TAG_PREFIX + name)
const SCHEDULE_TAGS = [EVERY_TAG, `${TAG_PREFIX}window`, `${TAG_PREFIX}jitter`]

type Planning = {
  stack: Stack
  calls: CredentialCalls
  found: FoundCredential
  /** Why the tags have to stay for now, if they do: a rotation is running, or may be (findWhyTagsStay). */
  whyTagsStay: string | undefined
  /** The ARN of the admin's secret that the value names, as far as the table of rotations knows. */
  admin: string | undefined
}

/**
 * Plans the calls: first those that end the schedule, so that no new rotation begins. If a rotation runs, or may run, that is all:
 * it needs the tags, and would conflict with the rotation function that the secret had before. Else the rest follows.
 * `keyturn:managed` is removed last, because the roles of Keyturn may use a credential only while it has that tag.
 */
export function planUnenrolment({ stack, calls, found, whyTagsStay, admin }: Planning): UnenrolPlan {
  const { tags } = found
  const previousRotation = found.store === 'secrets-manager' ? previousRotationIn(tags) : undefined
  const isRotatedByKeyturn = found.store === 'secrets-manager' && isRotatedByStack(stack, found)
  if (whyTagsStay) {
    // Without keyturn:managed, the running rotation may read the secret only because the stack's function rotates it, and that
    // ends here: so the tag is set.
    const tagSteps =
      isRotatedByKeyturn && !isManaged(tags) ? [tagStep(calls, found, { [MANAGED_TAG]: 'true' })] : []
    const cancelSteps = isRotatedByKeyturn ? [cancelRotationStep(calls, found)] : []
    return {
      steps: [...untagSteps(calls, found, SCHEDULE_TAGS), ...tagSteps, ...cancelSteps],
      notes: notesOf(tags, undefined, admin),
    }
  }
  // A rotation by a function that is neither this stack's nor the previous one is left alone.
  const mayRestore =
    found.store === 'secrets-manager' && (isRotatedByKeyturn || !found.secret.RotationEnabled)
  const restoreSteps =
    mayRestore && previousRotation ? [restoreRotationStep(calls, found, previousRotation)] : []
  const cancelSteps = isRotatedByKeyturn && !previousRotation ? [cancelRotationStep(calls, found)] : []
  const otherKeys = Object.keys(tags).filter(
    key => key.startsWith(TAG_PREFIX) && ![...SCHEDULE_TAGS, ...LASTING_TAGS, MANAGED_TAG].includes(key),
  )
  return {
    steps: [
      ...untagSteps(calls, found, SCHEDULE_TAGS),
      ...restoreSteps,
      ...cancelSteps,
      ...untagSteps(calls, found, [PREVIOUS_FUNCTION_TAG, PREVIOUS_SCHEDULE_TAG, ...otherKeys]),
      ...untagSteps(calls, found, [MANAGED_TAG]),
    ],
    notes: notesOf(tags, restoreSteps.length ? previousRotation : undefined, admin),
  }
}

function untagSteps(calls: CredentialCalls, found: FoundCredential, keys: string[]): EnrolStep[] {
  const present = keys.filter(key => key in found.tags)
  return present.length ? [untagStep(calls, found, present)] : []
}

function notesOf(
  tags: Tags,
  previousRotation: PreviousRotation | undefined,
  admin: string | undefined,
): string[] {
  const kept = LASTING_TAGS.filter(key => key in tags)
  return [
    'The value stays as it is, with its masterarn if it has one.',
    ...adminNotes(strategyIn(tags), admin),
    ...(previousRotation
      ? [`Secrets Manager rotates it again with ${functionText(previousRotation.function)}.`]
      : []),
    ...(isAdmin(tags) ? ["It stays an admin's secret: rotations of other credentials may read it."] : []),
    ...(kept.length && !isAdmin(tags)
      ? [`These tags say what the credential is, and stay: ${kept.join(', ')}.`]
      : []),
  ]
}

/** Notes about the database users and the admin's secret, which unenrolling leaves as they are. */
function adminNotes(strategy: string | undefined, admin: string | undefined): string[] {
  const hasAdmin = strategy === 'alternating-users' || strategy === 'temporary-clone'
  if (!hasAdmin && !admin) return []
  const users =
    strategy === 'alternating-users'
      ? [
          'The application keeps the user that the value names now, which may be the second one, whose name ends with _clone; the other user is closed, and stays in the database.',
        ]
      : []
  const id = admin ?? "ID, which the value's masterarn names"
  return [
    ...users,
    `The admin's secret keeps keyturn:admin, as other credentials may use it. If none does: aws secretsmanager untag-resource --tag-keys keyturn:admin --secret-id ${id}`,
  ]
}

function restoreRotationStep(
  calls: CredentialCalls,
  found: FoundSecret,
  previousRotation: PreviousRotation,
): EnrolStep {
  const rulesText = previousRotation.rules
    ? rotationRulesText(previousRotation.rules)
    : 'by the rules that it has now'
  return {
    shownCall: {
      service: 'secretsmanager',
      operation: 'RotateSecret',
      resource: fullId(found.store, found.name),
      sets: `RotationLambdaARN=${previousRotation.function} ${rulesText} RotateImmediately=false`,
    },
    async run(say) {
      await calls.rotateBy(found, { ...previousRotation, now: false })
      say(`Secrets Manager rotates it with ${functionText(previousRotation.function)}, ${rulesText}`)
    },
  }
}
