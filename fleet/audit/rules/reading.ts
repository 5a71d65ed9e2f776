import { aboutSecret, keyturn, word } from '../command.ts'
import type { CredentialFacts } from '../facts.ts'
import type { Fleet } from '../fleet.ts'
import { holdsSecret, isPrimary, isSecret } from '../kind.ts'
import { UnreadFact } from '../known.ts'
import { type Reading, readingOf } from '../lastRead.ts'
import { type CredentialRule, securityHub } from './rule.ts'

const why = 'What nobody needs can still leak, and costs money. Nobody notices when it is deleted.'

/** Whether anybody reads what is stored. Admins are left out: they are there for Keyturn. */
export const reading: CredentialRule[] = [
  {
    id: 'never-read',
    title: 'Nobody has ever read it',
    severity: 'medium',
    why,
    references: [...securityHub.used, 'Prowler secretsmanager_secret_unused'],
    check(credential, fleet) {
      const reading = lookAt(credential, fleet)
      if (reading?.is !== 'not-read' || reading.since !== undefined || isAdmin(credential, fleet))
        return undefined
      return {
        detail: `It has not been read in any Region since it was made${made(credential)}.`,
        remedy: deletion(credential),
      }
    },
  },
  {
    id: 'not-read',
    title: 'Nobody has read it for a long time',
    severity: 'medium',
    why,
    references: [...securityHub.used, 'Prowler secretsmanager_secret_unused'],
    check(credential, fleet) {
      const reading = lookAt(credential, fleet)
      if (reading?.is !== 'not-read' || reading.since === undefined || isAdmin(credential, fleet))
        return undefined
      return {
        detail: `The last read in any Region, by whomever, was on ${reading.since}.`,
        remedy: deletion(credential),
      }
    },
  },
  {
    id: 'read-by-keyturn-alone',
    title: 'Nobody reads it but Keyturn',
    severity: 'medium',
    why: `${why} A rotation reads it, so its date of the last access never gets old.`,
    references: securityHub.used,
    check(credential, fleet) {
      const reading = lookAt(credential, fleet)
      if (reading?.is !== 'alone' && reading?.is !== 'unknown') return undefined
      if (isAdmin(credential, fleet)) return undefined
      if (reading.is === 'unknown') throw new UnreadFact(reading.why)
      return {
        detail: `CloudTrail tells of no read by others since ${reading.since.slice(0, 10)}; what was before is not known.`,
        remedy: keyturn(credential, 'readers', '--since 90d'),
      }
    },
  },
]

/** @throws UnreadFact */
function lookAt(credential: CredentialFacts, fleet: Fleet): Reading | undefined {
  if (!holdsSecret(credential) || (isSecret(credential) && credential.owningService)) return undefined
  const { unreadAfter } = fleet.settingsOf(credential)
  return unreadAfter === 'never' ? undefined : readingOf(credential, unreadAfter * 1000, fleet)
}

const isAdmin = (credential: CredentialFacts, fleet: Fleet) =>
  isPrimary(credential) && fleet.isAdmin(credential)

const made = (credential: CredentialFacts) =>
  isSecret(credential) && credential.created ? `, on ${credential.created.slice(0, 10)}` : ''

const deletion = (credential: CredentialFacts) =>
  isSecret(credential)
    ? aboutSecret(credential, 'delete-secret', '--recovery-window-in-days 30')
    : `aws ssm delete-parameter --region ${credential.region} --name ${word(credential.name)}`
