import { holdsSecret, isPrimary, isSecret } from '../credentialKind.ts'
import type { CredentialFacts } from '../facts.ts'
import type { AuditedFleet } from '../fleet.ts'
import { UnreadFact } from '../knownFact.ts'
import { type ReadStatus, readStatusOf } from '../lastRead.ts'
import { keyturnCommand, secretCommand, shellWord } from '../shellCommand.ts'
import { type CredentialRule, SECURITY_HUB_CONTROLS } from './rule.ts'

const UNREAD_WHY = 'What nobody needs can still leak, and costs money. Nobody notices when it is deleted.'

/** Rules about credentials that nobody reads. The secrets of admins are left out, as only Keyturn needs them. */
export const readingRules: CredentialRule[] = [
  {
    id: 'never-read',
    title: 'Nobody has ever read it',
    severity: 'medium',
    why: UNREAD_WHY,
    references: [...SECURITY_HUB_CONTROLS.used, 'Prowler secretsmanager_secret_unused'],
    check(credential, fleet) {
      const status = relevantReadStatusOf(credential, fleet)
      if (status?.is !== 'not-read' || status.since !== undefined || isAdmin(credential, fleet))
        return undefined
      return {
        detail: `It has not been read in any Region since it was made${creationDay(credential)}.`,
        remedy: deleteCommand(credential),
      }
    },
  },
  {
    id: 'not-read',
    title: 'Nobody has read it for a long time',
    severity: 'medium',
    why: UNREAD_WHY,
    references: [...SECURITY_HUB_CONTROLS.used, 'Prowler secretsmanager_secret_unused'],
    check(credential, fleet) {
      const status = relevantReadStatusOf(credential, fleet)
      if (status?.is !== 'not-read' || status.since === undefined || isAdmin(credential, fleet))
        return undefined
      return {
        detail: `The last read in any Region, by whomever, was on ${status.since}.`,
        remedy: deleteCommand(credential),
      }
    },
  },
  {
    id: 'read-by-keyturn-alone',
    title: 'Nobody reads it but Keyturn',
    severity: 'medium',
    why: `${UNREAD_WHY} A rotation reads it, so its date of the last access never gets old.`,
    references: SECURITY_HUB_CONTROLS.used,
    check(credential, fleet) {
      const status = relevantReadStatusOf(credential, fleet)
      if (status?.is !== 'alone' && status?.is !== 'unknown') return undefined
      if (isAdmin(credential, fleet)) return undefined
      if (status.is === 'unknown') throw new UnreadFact(status.why)
      return {
        detail: `CloudTrail tells of no read by others since ${status.since.slice(0, 10)}; what was before is not known.`,
        remedy: keyturnCommand(credential, 'readers', '--since 90d'),
      }
    },
  },
]

/**
 * Whether others read a credential; undefined if the policy does not ask that of it, or a service of AWS manages it.
 * @throws UnreadFact
 */
function relevantReadStatusOf(credential: CredentialFacts, fleet: AuditedFleet): ReadStatus | undefined {
  if (!holdsSecret(credential) || (isSecret(credential) && credential.owningService)) return undefined
  const { unreadAfter } = fleet.settingsOf(credential)
  return unreadAfter === 'never' ? undefined : readStatusOf(credential, unreadAfter * 1000, fleet)
}

const isAdmin = (credential: CredentialFacts, fleet: AuditedFleet) =>
  isPrimary(credential) && fleet.isAdmin(credential)

const creationDay = (credential: CredentialFacts) =>
  isSecret(credential) && credential.created ? `, on ${credential.created.slice(0, 10)}` : ''

const deleteCommand = (credential: CredentialFacts) =>
  isSecret(credential)
    ? secretCommand(credential, 'delete-secret', '--recovery-window-in-days 30')
    : `aws ssm delete-parameter --region ${credential.region} --name ${shellWord(credential.name)}`
