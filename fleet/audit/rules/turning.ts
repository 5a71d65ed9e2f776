import { isAway } from '../../../rotation/arn.ts'
import { EVERY, HOME, homeIn, isManaged, isScheduled, MANAGED, ownTags } from '../../../rotation/tags.ts'
import { judge } from '../../due.ts'
import { ageOf, sourceOf } from '../age.ts'
import { aboutSecret, keyturn, tagging } from '../command.ts'
import type { CredentialFacts } from '../facts.ts'
import { isParameter, isPrimary, isSecret, isToTurn } from '../kind.ts'
import { isKnown, known, UnreadFact } from '../known.ts'
import { intervalOf, isTurned, scheduledOf } from '../schedule.ts'
import { ageSpan, everyWithin, spanOf } from '../span.ts'
import { ENROL } from './enrol.ts'
import { type CredentialRule, ofPrimaries, securityHub } from './rule.ts'

const DAY = 86_400
const HOUR = 3600
/** Secrets Manager rotates no more often. https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html */
const SERVICE_LEAST = 4 * HOUR

const SWITCHED_OFF =
  'Find out why its rotation was switched off before you switch it on again, which rotates it at once: docs/audit.md, "What nothing rotates".'

/** Whether credentials turn, and as often as they should. */
export const turning: CredentialRule[] = [
  {
    id: 'never-rotates',
    title: 'Nothing rotates it',
    severity: 'medium',
    why: 'Whoever has once read a value that never changes can use it for ever.',
    references: [
      ...securityHub.rotates,
      'Config SECRETSMANAGER_ROTATION_ENABLED_CHECK',
      'Prowler secretsmanager_automatic_rotation_enabled',
    ],
    within: 'admin-not-rotated',
    check(credential, fleet) {
      if (!isToTurn(credential) || isTurned(credential)) return undefined
      if (!fleet.settingsOf(credential).mustRotate) return undefined
      const off = isSecret(credential) && credential.rotation.functionArn
      const service = off ? 'its rotation is switched off' : 'Secrets Manager has no rotation for it'
      return {
        detail: `It has no tag ${EVERY}${isSecret(credential) ? `, and ${service}` : ''}.`,
        remedy: off ? SWITCHED_OFF : ENROL,
      }
    },
  },
  {
    id: 'too-old',
    title: 'Its value is older than the policy allows',
    severity: 'medium',
    why: 'The older a value is, the more people, logs and backups have it.',
    references: [...securityHub.periodic, 'Prowler secretsmanager_secret_rotated_periodically'],
    check(credential, fleet) {
      if (!isToTurn(credential)) return undefined
      const { maxAge } = fleet.settingsOf(credential)
      const age = maxAge === 'never' ? undefined : ageOf(credential)
      if (!age || maxAge === 'never') return undefined
      const seconds = (fleet.now - Date.parse(age.at)) / 1000
      if (seconds <= maxAge) return undefined
      return {
        detail: `It is more than ${ageSpan(seconds, maxAge)} old, and the policy allows ${spanOf(maxAge)}: of ${age.at.slice(0, 10)}, by ${sourceOf[age.by]}.`,
        remedy: renewing(credential),
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
      if (!isToTurn(credential)) return undefined
      const { maxAge } = fleet.settingsOf(credential)
      const every = maxAge === 'never' ? undefined : intervalOf(credential)
      if (every === undefined || maxAge === 'never' || every <= maxAge) return undefined
      return {
        detail: `It rotates every ${spanOf(every)}, and its value may be ${spanOf(maxAge)} old.`,
        remedy: oftener(credential, maxAge),
      }
    },
  },
  {
    id: 'overdue',
    title: 'It should have rotated and has not',
    severity: 'high',
    why: 'A schedule that does not come to its turn is worse than none: everybody counts on it.',
    references: securityHub.succeeds,
    check(credential, { now }) {
      const scheduled = isParameter(credential) || isPrimary(credential) ? scheduledOf(credential) : undefined
      const verdict = scheduled && judge(scheduled, new Date(now))
      if (!scheduled || !verdict?.late) return undefined
      const { nextByService } = scheduled
      if (verdict.state === 'skipped' && !nextByService) return undefined
      return {
        detail: nextByService
          ? `Secrets Manager was to rotate it until ${nextByService.toISOString().slice(0, 10)}.`
          : `Its tag ${EVERY} says ${ownTags(scheduled.tags).every}, and it is of ${scheduled.since.toISOString().slice(0, 10)}.`,
        remedy: nextByService ? aboutSecret(credential, 'rotate-secret') : keyturn(credential, 'status'),
      }
    },
  },
  {
    id: 'tags-refused',
    title: 'Its tags keep Keyturn from rotating it',
    severity: 'high',
    why: 'It looks as if it were enrolled, and will never rotate.',
    references: [],
    check(credential, { now }) {
      if (isSecret(credential) && (credential.rotation.enabled || credential.primaryRegion !== undefined))
        return undefined
      const tags = known(credential.tags)
      if (!isScheduled(tags)) return undefined
      const since = new Date(now)
      const verdict = judge({ store: credential.store, id: credential.name, tags, since }, since)
      if (verdict.state !== 'skipped' || !verdict.late) return undefined
      return {
        detail: `${verdict.reason.replace(/\.$/, '')}.`,
        remedy: isManaged(tags)
          ? `Correct the tag that this names; docs/strategies.md and docs/schedules.md say what each may be.`
          : tagging(credential, MANAGED, 'true'),
      }
    },
  },
  {
    id: 'not-at-home',
    title: 'Its home is a Region that does not rotate it',
    severity: 'high',
    why: `The tag ${HOME} names another Region, and there is no secret of its own there: so no Region rotates it.`,
    references: [],
    check: ofPrimaries((secret, fleet) => {
      const tags = known(secret.tags)
      const home = homeIn(tags)
      if (home === undefined || !isAway(secret.arn, home)) return undefined
      if (!isManaged(tags) || secret.owningService) return undefined
      const there = fleet.copiesOf(secret).find(({ region }) => region === home)
      if (there && isPrimary(there)) return undefined
      if (!there && known(fleet.region(home).secrets) !== 'all')
        throw new UnreadFact(`only replicas were looked at in ${home}`)
      return {
        detail: `Its tag ${HOME} names ${home}, where ${there ? 'its replica is' : 'there is no such secret'}.`,
        remedy: tagging(secret, HOME, secret.region),
      }
    }),
  },
]

/** What gives a credential a new value: nothing to paste where nothing is known to do that by itself. */
function renewing(credential: CredentialFacts): string {
  if (isSecret(credential) && (credential.rotation.enabled || credential.owningService))
    return aboutSecret(credential, 'rotate-secret')
  return isKnown(credential.tags) && isTurned(credential) ? keyturn(credential, 'rotate') : ENROL
}

/** What has a credential rotate so often that no value gets older than so many seconds. */
function oftener(credential: CredentialFacts, maxAge: number): string {
  if (!isSecret(credential) || !credential.rotation.enabled)
    return tagging(credential, EVERY, everyWithin(maxAge))
  if (maxAge < SERVICE_LEAST)
    return `Secrets Manager rotates every 4 hours at most: end its schedule by cancel-rotate-secret, and tag it ${EVERY}=${everyWithin(maxAge)} and ${MANAGED}=true.`
  const rules =
    maxAge < DAY
      ? `'{"ScheduleExpression":"rate(${Math.floor(maxAge / HOUR)} hours)"}'`
      : `AutomaticallyAfterDays=${Math.floor(maxAge / DAY)}`
  return aboutSecret(credential, 'rotate-secret', `--no-rotate-immediately --rotation-rules ${rules}`)
}
