import type { StoreName } from '../../rotation/stores/store.ts'
import { isParameter, isPrimary } from '../audit/credentialKind.ts'
import type { Fact, Facts, ParameterFacts, SecretFacts } from '../audit/facts.ts'
import type { Comparison } from './costReport.ts'

type Losses = Comparison['losses']

/** The features that credentials of the other store would lose by a move into `store`, and how many of them use each now. */
export const lossesIn = (store: StoreName, facts: Facts): Losses =>
  store === 'parameter-store' ? lossesOfSecrets(facts) : lossesOfParameters(facts)

function lossesOfSecrets({ credentials, account }: Facts): Losses {
  const secrets = credentials.filter(isPrimary)
  const count = (uses: (secret: SecretFacts) => boolean) => secrets.filter(uses).length
  const policies = allKnown(secrets.map(({ policy }) => policy))
  const replicas = allKnown(secrets.map(({ replicas }) => replicas))
  return [
    { what: 'Staging labels: a new version can be read before it is current', credentials: secrets.length },
    { what: 'Replication to other Regions', ...credentialCount(replicas?.filter(found => found.length > 0)) },
    {
      what: 'A resource policy of its own',
      ...credentialCount(policies?.filter(found => found !== undefined)),
    },
    {
      what: 'Reads from other accounts by that policy',
      ...credentialCount(policies?.filter(found => namesOthers(found, account))),
    },
    {
      what: "Secrets Manager's own schedule and dates of rotation",
      credentials: count(({ rotation }) => rotation.enabled),
    },
    {
      what: 'A service of AWS that manages it, such as RDS',
      credentials: count(({ owningService }) => owningService !== undefined),
    },
    { what: 'Values of more than 4 KB, or 8 KB in the advanced tier; up to 64 KB as a secret' },
  ]
}

function lossesOfParameters({ credentials }: Facts): Losses {
  const parameters = credentials.filter(isParameter)
  const count = (uses: (parameter: ParameterFacts) => boolean) => parameters.filter(uses).length
  return [
    {
      what: 'Parameter policies, such as an expiration',
      credentials: count(({ policies }) => policies.length > 0),
    },
    {
      what: 'Reads of a whole path by one call',
      credentials: count(({ name }) => name.lastIndexOf('/') > 0),
    },
    {
      what: 'Plain values that need no key',
      credentials: count(({ type }) => type !== 'SecureString'),
    },
  ]
}

/** What the facts found; undefined if one of them could not be read. */
function allKnown<Found>(facts: Fact<Found>[]): Found[] | undefined {
  const found = facts.flatMap(fact => ('is' in fact ? [fact.is] : []))
  return found.length === facts.length ? found : undefined
}
const credentialCount = (found: unknown[] | undefined) => (found ? { credentials: found.length } : {})

/** Whether a policy names another account as a principal: by an ARN of IAM or STS, or by its twelve digits alone. */
const namesOthers = (policy = '', account: string): boolean =>
  [...policy.matchAll(/"(?:arn:[\w-]+:(?:iam|sts)::)?(\d{12})(?=[:"])/g)].some(
    ([, other]) => other !== account,
  )
