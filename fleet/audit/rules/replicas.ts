import { givenUpIn, HOME_TAG, homeIn, isManaged } from '../../../rotation/tags.ts'
import { currentVersionIn } from '../../versionLabels.ts'
import { isPrimary } from '../credentialKind.ts'
import type { ReplicaFacts, SecretFacts } from '../facts.ts'
import type { AuditedFleet } from '../fleet.ts'
import { requireKnown } from '../knownFact.ts'
import { keyturnCommand, tagCommand } from '../shellCommand.ts'
import { type CredentialRule, forPrimaries, type RuleBreach } from './rule.ts'

/** How long a new version may take to come to a replica, and into the lists of secrets. */
const REPLICATION_SLACK_MS = 3_600_000

/**
 * Rules about replicas. Each is a rule about the primary, with one finding for all of its replicas. A replica that was given up is
 * left to the rule replica-given-up.
 */
export const replicaRules: CredentialRule[] = [
  {
    id: 'replica-failed',
    title: 'A replica has failed',
    severity: 'high',
    why: 'Applications in that Region keep the value of before, which is closed one day, or have none.',
    references: [],
    check: forPrimaries(secret =>
      findInReplicas(secret, ({ region, status, message }) =>
        status === 'Failed'
          ? {
              detail: `In ${region}${message ? `: ${message}` : ''}`,
              remedy: keyturnCommand(secret, 'replicas', `--repair ${region}`),
            }
          : undefined,
      ),
    ),
  },
  {
    id: 'replica-behind',
    title: 'A replica has another version',
    severity: 'high',
    why: 'Applications in that Region log in with the value of before, until it is closed.',
    references: [],
    check: forPrimaries((secret, fleet) =>
      findInReplicas(secret, ({ region, status }) => {
        if (status === 'Failed' || !isSettled(secret, fleet)) return undefined
        const copy = secretInRegion(secret, region, fleet)
        if (!copy || isPrimary(copy) || currentVersionOf(copy) === currentVersionOf(secret)) return undefined
        return {
          detail: `The current version in ${region} is ${currentVersionOf(copy) ?? 'none'}, and ${currentVersionOf(secret) ?? 'none'} in ${secret.region}.`,
          remedy: keyturnCommand(secret, 'replicas', `--repair ${region}`),
        }
      }),
    ),
  },
  {
    id: 'replica-unseen',
    title: 'A replica is not there, or follows no more',
    severity: 'medium',
    why: 'Whoever counts on that Region when this one is lost finds no secret, or another one.',
    references: [],
    check: forPrimaries((secret, fleet) =>
      findInReplicas(secret, ({ region, status }) => {
        if (status === 'Failed' || !isSettled(secret, fleet)) return undefined
        const copy = secretInRegion(secret, region, fleet)
        if (copy && !isPrimary(copy)) return undefined
        return {
          detail: copy
            ? `In ${region} a secret of its own has that name.`
            : `In ${region} there is no such secret.`,
          remedy: keyturnCommand(secret, 'replicas', copy ? '' : `--repair ${region}`),
        }
      }),
    ),
  },
  {
    id: 'replica-given-up',
    title: 'A replica was given up',
    severity: 'medium',
    why: 'Rotations go on without that Region: it has an old value, and that is closed.',
    references: [],
    check: forPrimaries(secret => {
      const listed = requireKnown(secret.replicas).map(({ region }) => region)
      const givenUp = Object.entries(listed.length ? givenUpIn(requireKnown(secret.tags)) : {})
      const replicas = givenUp.filter(([region]) => listed.includes(region))
      const [[region] = ['']] = replicas
      if (!replicas.length) return undefined
      return {
        detail: replicas.map(([region, why]) => `${region}, ${why}`).join('; '),
        remedy: keyturnCommand(secret, 'replicas', `--repair ${region}`),
      }
    }),
  },
  {
    id: 'replica-without-home',
    title: 'It has replicas, and no home',
    severity: 'medium',
    why: 'A replica that is made a secret of its own would be rotated in its Region too, against the same server.',
    references: [],
    check: forPrimaries(secret => {
      if (!requireKnown(secret.replicas).length) return undefined
      const tags = requireKnown(secret.tags)
      if (!isManaged(tags) || homeIn(tags) !== undefined) return undefined
      return {
        detail: `It has no tag ${HOME_TAG}.`,
        remedy: tagCommand(secret, HOME_TAG, secret.region),
      }
    }),
  },
]

/** One breach with the details of all replicas that break a rule. @throws UnreadFact if one of them could not be checked */
function findInReplicas(
  secret: SecretFacts,
  check: (replica: ReplicaFacts) => RuleBreach | undefined,
): RuleBreach | undefined {
  const all = requireKnown(secret.replicas)
  if (!all.length) return undefined
  const givenUp = givenUpIn(requireKnown(secret.tags))
  const breaches = all.filter(({ region }) => !givenUp[region]).flatMap(replica => check(replica) ?? [])
  if (!breaches[0]) return undefined
  return { detail: breaches.map(({ detail }) => detail).join(' '), remedy: breaches[0].remedy }
}

/** The secret with the same ARN in another Region, if there is one. @throws UnreadFact if that Region's secrets are not known */
function secretInRegion(secret: SecretFacts, region: string, fleet: AuditedFleet): SecretFacts | undefined {
  const copy = fleet.copiesOf(secret).find(copy => copy.region === region)
  if (!copy) requireKnown(fleet.regionFacts(region).secrets)
  return copy
}

const currentVersionOf = ({ labels }: SecretFacts) => currentVersionIn(labels)

/** Whether the current version is so old that all replicas and lists should have it. */
const isSettled = ({ current }: SecretFacts, { nowMs }: AuditedFleet) =>
  current === undefined || nowMs - Date.parse(current.at) > REPLICATION_SLACK_MS
