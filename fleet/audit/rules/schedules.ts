import { isHomeElsewhere } from '../../../rotation/arn.ts'
import {
  EVERY_TAG,
  HOME_TAG,
  homeIn,
  isManaged,
  isScheduled,
  MANAGED_TAG,
  ownTags,
} from '../../../rotation/tags.ts'
import { DAY_SECONDS, HOUR_SECONDS } from '../../../rotation/timeUnits.ts'
import { evaluateSchedule } from '../../due.ts'
import { AGE_SOURCES, passwordAgeOf } from '../age.ts'
import { isAgeRelevant, isParameter, isPrimary, isSecret } from '../credentialKind.ts'
import type { CredentialFacts } from '../facts.ts'
import { isKnown, requireKnown, UnreadFact } from '../knownFact.ts'
import { isRotatedAutomatically, rotationIntervalSeconds, scheduledCredentialOf } from '../schedule.ts'
import { keyturnCommand, secretCommand, tagCommand } from '../shellCommand.ts'
import { everyTagWithin, formatAge, formatSpan } from '../span.ts'
import { ENROL_REMEDY } from './enrol.ts'
import { type CredentialRule, forPrimaries, SECURITY_HUB_CONTROLS } from './rule.ts'

/**
 * The shortest interval of Secrets Manager's own schedule.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html
 */
const SERVICE_MIN_INTERVAL_SECONDS = 4 * HOUR_SECONDS

const SWITCHED_OFF_REMEDY =
  'Find out why its rotation was switched off before you switch it on again, which rotates it at once: docs/audit.md, "What nothing rotates".'

/** Rules about whether credentials rotate, and as often as they should. */
export const scheduleRules: CredentialRule[] = [
  {
    id: 'never-rotates',
    title: 'Nothing rotates it',
    severity: 'medium',
    why: 'Whoever has once read a value that never changes can use it for ever.',
    references: [
      ...SECURITY_HUB_CONTROLS.rotates,
      'Config SECRETSMANAGER_ROTATION_ENABLED_CHECK',
      'Prowler secretsmanager_automatic_rotation_enabled',
    ],
    worseRule: 'admin-not-rotated',
    check(credential, fleet) {
      if (!isAgeRelevant(credential) || isRotatedAutomatically(credential)) return undefined
      if (!fleet.settingsOf(credential).mustRotate) return undefined
      const off = isSecret(credential) && credential.rotation.functionArn
      const service = off ? 'its rotation is switched off' : 'Secrets Manager has no rotation for it'
      return {
        detail: `It has no tag ${EVERY_TAG}${isSecret(credential) ? `, and ${service}` : ''}.`,
        remedy: off ? SWITCHED_OFF_REMEDY : ENROL_REMEDY,
      }
    },
  },
  {
    id: 'too-old',
    title: 'Its value is older than the policy allows',
    severity: 'medium',
    why: 'The older a value is, the more people, logs and backups have it.',
    references: [...SECURITY_HUB_CONTROLS.periodic, 'Prowler secretsmanager_secret_rotated_periodically'],
    check(credential, fleet) {
      if (!isAgeRelevant(credential)) return undefined
      const { maxAge } = fleet.settingsOf(credential)
      const age = maxAge === 'never' ? undefined : passwordAgeOf(credential)
      if (!age || maxAge === 'never') return undefined
      const seconds = (fleet.nowMs - Date.parse(age.at)) / 1000
      if (seconds <= maxAge) return undefined
      return {
        detail: `It is more than ${formatAge(seconds, maxAge)} old, and the policy allows ${formatSpan(maxAge)}: it was stored on ${age.at.slice(0, 10)}, by ${AGE_SOURCES[age.by]}.`,
        remedy: renewRemedy(credential),
      }
    },
  },
  {
    id: 'interval-too-long',
    title: 'It rotates less often than the policy asks',
    severity: 'medium',
    why: 'Each of its values will be too old before the next one comes, however well its rotations go.',
    references: ['Config SECRETSMANAGER_ROTATION_ENABLED_CHECK'],
    check(credential, fleet) {
      if (!isAgeRelevant(credential)) return undefined
      const { maxAge } = fleet.settingsOf(credential)
      const every = maxAge === 'never' ? undefined : rotationIntervalSeconds(credential)
      if (every === undefined || maxAge === 'never' || every <= maxAge) return undefined
      return {
        detail: `It rotates every ${formatSpan(every)}, and its value may be ${formatSpan(maxAge)} old.`,
        remedy: rotateMoreOftenRemedy(credential, maxAge),
      }
    },
  },
  {
    id: 'overdue',
    title: 'It should have rotated and has not',
    severity: 'high',
    why: 'A schedule that is not kept is worse than none: everybody counts on it.',
    references: SECURITY_HUB_CONTROLS.succeeds,
    check(credential, { nowMs }) {
      const scheduled =
        isParameter(credential) || isPrimary(credential) ? scheduledCredentialOf(credential) : undefined
      const verdict = scheduled && evaluateSchedule(scheduled, new Date(nowMs))
      if (!scheduled || !verdict?.late) return undefined
      const { nextByService } = scheduled
      if (verdict.state === 'skipped' && !nextByService) return undefined
      return {
        detail: nextByService
          ? `Secrets Manager was to rotate it by ${nextByService.toISOString().slice(0, 10)}.`
          : `Its tag ${EVERY_TAG} says ${ownTags(scheduled.tags).every}, and its value is of ${scheduled.currentSince.toISOString().slice(0, 10)}.`,
        remedy: nextByService
          ? secretCommand(credential, 'rotate-secret')
          : keyturnCommand(credential, 'status'),
      }
    },
  },
  {
    id: 'tags-refused',
    title: 'Its tags keep Keyturn from rotating it',
    severity: 'high',
    why: 'It looks as if it were enrolled, and will never rotate.',
    references: [],
    check(credential, { nowMs }) {
      if (isSecret(credential) && (credential.rotation.enabled || credential.primaryRegion !== undefined))
        return undefined
      const tags = requireKnown(credential.tags)
      if (!isScheduled(tags)) return undefined
      const now = new Date(nowMs)
      // With a value that is as good as new, only wrong tags make the verdict late.
      const verdict = evaluateSchedule(
        { store: credential.store, id: credential.name, tags, currentSince: now },
        now,
      )
      if (verdict.state !== 'skipped' || !verdict.late) return undefined
      return {
        detail: `${verdict.reason.replace(/\.$/, '')}.`,
        remedy: isManaged(tags)
          ? `Correct the tag that this names; docs/strategies.md and docs/schedules.md say what each may be.`
          : tagCommand(credential, MANAGED_TAG, 'true'),
      }
    },
  },
  {
    id: 'not-at-home',
    title: 'Its home is a Region that does not rotate it',
    severity: 'high',
    why: `The tag ${HOME_TAG} names another Region, and there is no secret of its own there: so no Region rotates it.`,
    references: [],
    check: forPrimaries((secret, fleet) => {
      const tags = requireKnown(secret.tags)
      const home = homeIn(tags)
      if (home === undefined || !isHomeElsewhere(secret.arn, home)) return undefined
      if (!isManaged(tags) || secret.owningService) return undefined
      const there = fleet.copiesOf(secret).find(({ region }) => region === home)
      if (there && isPrimary(there)) return undefined
      if (!there && requireKnown(fleet.regionFacts(home).secrets) !== 'all')
        throw new UnreadFact(`only replicas were looked at in ${home}`)
      return {
        detail: `Its tag ${HOME_TAG} names ${home}, where ${there ? 'its replica is' : 'there is no such secret'}.`,
        remedy: tagCommand(secret, HOME_TAG, secret.region),
      }
    }),
  },
]

/** How to give a credential a new value. It is a command only if something is known to rotate the credential. */
function renewRemedy(credential: CredentialFacts): string {
  if (isSecret(credential) && (credential.rotation.enabled || credential.owningService))
    return secretCommand(credential, 'rotate-secret')
  return isKnown(credential.tags) && isRotatedAutomatically(credential)
    ? keyturnCommand(credential, 'rotate')
    : ENROL_REMEDY
}

/** How to make a credential rotate so often that no value gets older than `maxAge` seconds. */
function rotateMoreOftenRemedy(credential: CredentialFacts, maxAge: number): string {
  if (!isSecret(credential) || !credential.rotation.enabled)
    return tagCommand(credential, EVERY_TAG, everyTagWithin(maxAge))
  if (maxAge < SERVICE_MIN_INTERVAL_SECONDS)
    return `Secrets Manager rotates every 4 hours at most: end its schedule by cancel-rotate-secret, and tag it ${EVERY_TAG}=${everyTagWithin(maxAge)} and ${MANAGED_TAG}=true.`
  const rules =
    maxAge < DAY_SECONDS
      ? `'{"ScheduleExpression":"rate(${Math.floor(maxAge / HOUR_SECONDS)} hours)"}'`
      : `AutomaticallyAfterDays=${Math.floor(maxAge / DAY_SECONDS)}`
  return secretCommand(credential, 'rotate-secret', `--no-rotate-immediately --rotation-rules ${rules}`)
}
