import { nextBeginning } from '../due.ts'
import { ageOf, daysSince } from './age.ts'
import type { CredentialFacts } from './facts.ts'
import type { Fleet } from './fleet.ts'
import { isPrimary, isToTurn, kindOf } from './kind.ts'
import { isKnown, UnreadFact } from './known.ts'
import { readingOf } from './lastRead.ts'
import type { Policy } from './policy/policy.ts'
import { type Finding, type Row, severities } from './report.ts'
import { scheduledOf } from './schedule.ts'
import { teamOf } from './team.ts'

const DAY = 86_400

/** Whose a credential is, as the policy has it; undefined also if its tags could not be read. */
export const teamIn = ({ tags }: CredentialFacts, { teamTags }: Policy): string | undefined =>
  isKnown(tags) ? teamOf(tags.is, teamTags) : undefined

/** A credential's row, with the findings about it that count. What is not known is left out. */
export function rowOf(credential: CredentialFacts, findings: Finding[], fleet: Fleet): Row {
  const { store, region, name, arn, history } = credential
  const newest = isKnown(history) ? history.is.rotations[0] : undefined
  const age = orNothing(() => (isToTurn(credential) ? ageOf(credential) : undefined))
  const settings = orNothing(() => fleet.settingsOf(credential))
  const maxAge = settings?.maxAge === 'never' ? undefined : settings?.maxAge
  const whole = maxAge === undefined || maxAge % DAY === 0
  const row: { [Key in keyof Row]: Row[Key] | undefined } = {
    store,
    kind: kindOf(credential),
    region,
    name,
    arn,
    team: teamIn(credential, fleet.policy),
    engine: newest?.engine,
    strategy: newest?.strategy,
    host: newest?.host,
    rotatedAt: age?.at,
    rotatedBy: age?.by,
    ageDays: age && (whole ? daysSince(age.at, fleet.now) : hundredths(fleet.now - Date.parse(age.at))),
    maxAgeDays: age && maxAge && hundredths(maxAge * 1000),
    next: orNothing(() => nextOf(credential, fleet)),
    lastOutcome: newest?.outcome,
    lastRead: orNothing(() => lastReadOf(credential, fleet)),
    findings: Object.fromEntries(
      severities.flatMap(severity => {
        const count = findings.filter(finding => finding.severity === severity).length
        return count ? [[severity, count]] : []
      }),
    ),
  }
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as Row
}

function nextOf(credential: CredentialFacts, { now }: Fleet): string | undefined {
  const scheduled = scheduledOf(credential)
  const next = scheduled && (scheduled.nextByService ?? nextBeginning(scheduled, new Date(now)))
  return next?.toISOString()
}

function lastReadOf(credential: CredentialFacts, fleet: Fleet): string | undefined {
  if (credential.store === 'secrets-manager' && !isPrimary(credential)) return undefined
  const { unreadAfter } = fleet.settingsOf(credential)
  const after = unreadAfter === 'never' ? Number.POSITIVE_INFINITY : unreadAfter * 1000
  const reading = readingOf(credential, after, fleet)
  if (reading.is === 'read') return reading.on
  if (reading.is === 'not-read') return reading.since ?? 'never'
  return reading.is === 'alone' ? 'never' : undefined
}

/** Milliseconds in days, to the next hundredth that is no less: what is older than a part of a day is not called as old. */
const hundredths = (milliseconds: number) => Math.ceil(milliseconds / DAY / 10) / 100

/** What was found, or nothing if a fact for it could not be read. */
function orNothing<Found>(look: () => Found): Found | undefined {
  try {
    return look()
  } catch (error) {
    if (error instanceof UnreadFact) return undefined
    throw error
  }
}
