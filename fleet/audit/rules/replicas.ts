import { givenUpIn, HOME, homeIn, isManaged } from '../../../rotation/tags.ts'
import { keyturn, tagging } from '../command.ts'
import type { ReplicaFacts, SecretFacts } from '../facts.ts'
import type { Fleet } from '../fleet.ts'
import { isPrimary } from '../kind.ts'
import { known } from '../known.ts'
import { type CredentialRule, type Found, ofPrimaries } from './rule.ts'

/** Milliseconds that a new version has to come to a replica, and to the lists that tell of it. */
const SLACK = 3_600_000

/** Copies in other Regions. Each is looked at by its primary; one that was given up, by that rule alone. */
export const replicas: CredentialRule[] = [
  {
    id: 'replica-failed',
    title: 'A replica has failed',
    severity: 'high',
    why: 'Applications in that Region keep the value of before, which is closed one day, or have none.',
    references: [],
    check: ofPrimaries(secret =>
      eachReplica(secret, ({ region, status, message }) =>
        status === 'Failed'
          ? {
              detail: `In ${region}${message ? `: ${message}` : ''}`,
              remedy: keyturn(secret, 'replicas', `--repair ${region}`),
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
    check: ofPrimaries((secret, fleet) =>
      eachReplica(secret, ({ region, status }) => {
        if (status === 'Failed' || !isSettled(secret, fleet)) return undefined
        const copy = copyIn(secret, region, fleet)
        if (!copy || isPrimary(copy) || currentOf(copy) === currentOf(secret)) return undefined
        return {
          detail: `The current version in ${region} is ${currentOf(copy) ?? 'none'}, and ${currentOf(secret) ?? 'none'} in ${secret.region}.`,
          remedy: keyturn(secret, 'replicas', `--repair ${region}`),
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
    check: ofPrimaries((secret, fleet) =>
      eachReplica(secret, ({ region, status }) => {
        if (status === 'Failed' || !isSettled(secret, fleet)) return undefined
        const copy = copyIn(secret, region, fleet)
        if (copy && !isPrimary(copy)) return undefined
        return {
          detail: copy
            ? `In ${region} a secret of its own has that name.`
            : `In ${region} there is no such secret.`,
          remedy: keyturn(secret, 'replicas', copy ? '' : `--repair ${region}`),
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
    check: ofPrimaries(secret => {
      const listed = known(secret.replicas).map(({ region }) => region)
      const givenUp = Object.entries(listed.length ? givenUpIn(known(secret.tags)) : {})
      const its = givenUp.filter(([region]) => listed.includes(region))
      const [[region] = ['']] = its
      if (!its.length) return undefined
      return {
        detail: its.map(([region, why]) => `${region}, ${why}`).join('; '),
        remedy: keyturn(secret, 'replicas', `--repair ${region}`),
      }
    }),
  },
  {
    id: 'replica-without-home',
    title: 'It has replicas, and no home',
    severity: 'medium',
    why: 'A replica that is made a secret of its own would be rotated in its Region too, against the same server.',
    references: [],
    check: ofPrimaries(secret => {
      if (!known(secret.replicas).length) return undefined
      const tags = known(secret.tags)
      if (!isManaged(tags) || homeIn(tags) !== undefined) return undefined
      return {
        detail: `It has no tag ${HOME}.`,
        remedy: tagging(secret, HOME, secret.region),
      }
    }),
  },
]

/** What is found of its replicas, in one finding. @throws UnreadFact if one of them cannot be told */
function eachReplica(
  secret: SecretFacts,
  check: (replica: ReplicaFacts) => Found | undefined,
): Found | undefined {
  const all = known(secret.replicas)
  if (!all.length) return undefined
  const givenUp = givenUpIn(known(secret.tags))
  const found = all.filter(({ region }) => !givenUp[region]).flatMap(replica => check(replica) ?? [])
  if (!found[0]) return undefined
  return { detail: found.map(({ detail }) => detail).join(' '), remedy: found[0].remedy }
}

/** The secret of that name in a Region. @throws UnreadFact if that Region's secrets are not known */
function copyIn(secret: SecretFacts, region: string, fleet: Fleet): SecretFacts | undefined {
  const copy = fleet.copiesOf(secret).find(copy => copy.region === region)
  if (!copy) known(fleet.region(region).secrets)
  return copy
}

const currentOf = ({ labels }: SecretFacts) =>
  Object.keys(labels).find(version => labels[version]?.includes('AWSCURRENT'))

/** Whether its value is so old that every list tells of it. */
const isSettled = ({ current }: SecretFacts, { now }: Fleet) =>
  current === undefined || now - Date.parse(current.at) > SLACK
