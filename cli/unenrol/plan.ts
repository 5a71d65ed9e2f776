import { EVERY, isAdmin, isManaged, MANAGED, PREFIX, strategyIn, type Tags } from '../../rotation/tags.ts'
import { isRotatedBy } from '../begin.ts'
import { type Found, type FoundSecret, fullId } from '../credentialId.ts'
import { BEFORE, BEFORE_SCHEDULE, type Before, beforeIn, functionSays, rulesSay } from '../enrol/before.ts'
import type { CredentialCalls } from '../enrol/calls.ts'
import { cancelStep } from '../enrol/serviceSteps.ts'
import { type Step, tagStep, untagStep } from '../enrol/step.ts'
import type { Stack } from '../stack.ts'

/** What ends the rotations of a credential by Keyturn. `notes` is what whoever confirms it should know. */
export type Plan = { steps: Step[]; notes: string[] }

/** Tags that say what a credential is, and not how or when it rotates. */
const lasting = ['admin', 'engine', 'connection'].map(name => PREFIX + name)
const schedule = [EVERY, `${PREFIX}window`, `${PREFIX}jitter`]

type Planning = {
  stack: Stack
  calls: CredentialCalls
  found: Found /** Why one runs, if it does. */
  running: string | undefined
  /** ARN of the admin's secret that the value names, as far as the table of rotations knows. */
  admin: string | undefined
}

/**
 * First what begins new rotations; and, unless one runs, which needs the tags and would meet what rotated it before, the rest.
 * `keyturn:managed` goes last, as every role of Keyturn's reaches a credential only by it.
 */
export function planOf({ stack, calls, found, running, admin }: Planning): Plan {
  const { tags } = found
  const before = found.store === 'secrets-manager' ? beforeIn(tags) : undefined
  const isOurs = found.store === 'secrets-manager' && isRotatedBy(stack, found)
  if (running) {
    // A role may have reached it only as its rotation function's.
    const keep = isOurs && !isManaged(tags) ? [tagStep(calls, found, { [MANAGED]: 'true' })] : []
    const cancel = isOurs ? [cancelStep(calls, found)] : []
    return {
      steps: [...untag(calls, found, schedule), ...keep, ...cancel],
      notes: notesOf(tags, undefined, admin),
    }
  }
  const isFree = found.store === 'secrets-manager' && (isOurs || !found.secret.RotationEnabled)
  const back = isFree && before ? [backStep(calls, found, before)] : []
  const cancel = isOurs && !before ? [cancelStep(calls, found)] : []
  const others = Object.keys(tags).filter(
    key => key.startsWith(PREFIX) && ![...schedule, ...lasting, MANAGED].includes(key),
  )
  return {
    steps: [
      ...untag(calls, found, schedule),
      ...back,
      ...cancel,
      ...untag(calls, found, [BEFORE, BEFORE_SCHEDULE, ...others]),
      ...untag(calls, found, [MANAGED]),
    ],
    notes: notesOf(tags, back.length ? before : undefined, admin),
  }
}

function untag(calls: CredentialCalls, found: Found, keys: string[]): Step[] {
  const present = keys.filter(key => key in found.tags)
  return present.length ? [untagStep(calls, found, present)] : []
}

function notesOf(tags: Tags, before: Before | undefined, admin: string | undefined): string[] {
  const kept = lasting.filter(key => key in tags)
  return [
    'The value stays as it is, with its masterarn if it has one.',
    ...adminNotes(strategyIn(tags), admin),
    ...(before ? [`It goes back to ${functionSays(before.function)}.`] : []),
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

function backStep(calls: CredentialCalls, found: FoundSecret, before: Before): Step {
  const says = before.rules ? rulesSay(before.rules) : 'by the rules that it has now'
  return {
    shown: {
      ...{ service: 'secretsmanager', operation: 'RotateSecret', resource: fullId(found.store, found.name) },
      sets: `RotationLambdaARN=${before.function} ${says} RotateImmediately=false`,
    },
    async run(say) {
      await calls.rotateBy(found, { ...before, now: false })
      say(`Secrets Manager rotates it by ${functionSays(before.function)}, ${says}`)
    },
  }
}
