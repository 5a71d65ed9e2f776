import { nextRotationTime } from '../../due.ts'
import { minuteOf } from '../../minute.ts'
import { isParameter, isPrimary } from '../credentialKind.ts'
import type { CredentialFacts } from '../facts.ts'
import type { AuditedFleet } from '../fleet.ts'
import { requireKnown, UnreadFact } from '../knownFact.ts'
import { scheduledCredentialOf } from '../schedule.ts'
import type { RegionRule } from './rule.ts'

/** Rules about a Region as a whole. Each is checked once for each Region. */
export const deploymentRules: RegionRule[] = [
  {
    id: 'inventory',
    title: 'The lists of the Region are not complete',
    severity: 'high',
    why: 'A secret, a parameter or a rotation that is in no list is in none of the findings either.',
    references: [],
    check(region, { secrets, parameters }, { facts }) {
      requireKnown(secrets)
      requireKnown(parameters)
      // The rotations of all Regions are one fact, so that it is reported once.
      if (region === facts.region) requireKnown(facts.days)
      return undefined
    },
  },
  {
    id: 'alarms-unheard',
    title: 'The topic of the alarms has no confirmed subscriber',
    severity: 'high',
    why: 'A rotation that fails, or locks an application out, is announced to nobody, unless there is a webhook.',
    references: [],
    check(region, { subscribers, stack }, { facts }) {
      if (requireKnown(subscribers) !== 0) return undefined
      const [, partition = 'aws'] = (requireKnown(stack)?.rotateSecret ?? '').split(':')
      const topic = `arn:${partition}:sns:${region}:${facts.account}:keyturn-${facts.stage}-alarms`
      return {
        detail: 'The topic of the alarms has no subscriber that has confirmed.',
        // Not a deployment with an address: without all of its other parameters it would set those to their defaults.
        remedy: `aws sns subscribe --region ${region} --topic-arn ${topic} --protocol email --notification-endpoint ADDRESS`,
      }
    },
  },
  {
    id: 'same-minute',
    title: 'Many rotations are due in the same minute',
    severity: 'low',
    why: 'They ask AWS and the database servers for the same at once: some are throttled, and all are late.',
    references: [],
    check(region, _, fleet) {
      const { sameMinute } = fleet.policy
      const { when, count, more } = busiestTimeIn(region, fleet)
      if (count <= sameMinute) return undefined
      return {
        detail: `${more ? 'At least ' : ''}${count} are due at ${when}; the policy allows ${sameMinute}.`,
        remedy:
          'Set the tag keyturn:jitter=6h on those that Keyturn rotates; give the others schedules of different hours.',
      }
    },
  },
]

/**
 * The time at which most credentials of a Region are due next, and how many are due then. `more`: when some others are due is not
 * known.
 * @throws UnreadFact if the number could be too large with these others
 */
function busiestTimeIn(region: string, fleet: AuditedFleet): { when: string; count: number; more: boolean } {
  const counts = new Map<string, number>()
  const unread: string[] = []
  for (const credential of fleet.facts.credentials) {
    if (credential.region !== region || !(isParameter(credential) || isPrimary(credential))) continue
    try {
      const when = nextOf(credential, fleet)
      if (when) counts.set(when, (counts.get(when) ?? 0) + 1)
    } catch (error) {
      if (!(error instanceof UnreadFact)) throw error
      unread.push(error.message)
    }
  }
  const [when, count] = [...counts].toSorted(([, a], [, b]) => b - a)[0] ?? ['', 0]
  const [why] = unread
  const { sameMinute } = fleet.policy
  if (why && count <= sameMinute && count + unread.length > sameMinute) throw new UnreadFact(why)
  return { when, count, more: why !== undefined }
}

/**
 * When a credential is due next: a minute, or for a secret with a cron expression of Secrets Manager, that expression. A secret
 * with a rate has no such time, as Secrets Manager gives only the day's last second as its next date. A credential that is due
 * already has none either, as credentials that are due are started one after the other.
 */
function nextOf(credential: CredentialFacts, { nowMs }: AuditedFleet): string | undefined {
  if (isPrimary(credential) && credential.rotation.enabled) {
    const { schedule = '' } = credential.rotation
    return schedule.startsWith('cron(') ? schedule : undefined
  }
  const scheduled = scheduledCredentialOf(credential)
  const next = scheduled && nextRotationTime(scheduled, new Date(nowMs))
  return next && next.getTime() > nowMs ? minuteOf(next.toISOString()) : undefined
}
