import type { Credential } from './credential.ts'
import { engineTraits } from './engines/traits.ts'
import { InvalidCredential } from './errors.ts'
import { type Options, parseTags } from './options.ts'
import { generatePassword } from './password.ts'
import type { StorePipeline } from './pipeline.ts'
import { refuseJsonAsPassword, requireHost } from './refusals.ts'
import type { Description } from './stores/store.ts'
import { strategies } from './strategies/index.ts'
import { allowedStrategy } from './strategies/strategyFor.ts'
import type { StrategyName } from './strategies/strategyNames.ts'
import { withStrategyTag } from './tags.ts'
import { DAY_SECONDS } from './timeUnits.ts'

// The plan of a rotation: its options, users and new value, as far as the secret tells. createSecret follows the plan, and a check
// only reports it.

/**
 * The longest grace time of a secret with replicas: 350 days. The execution waits for the replicas first, and Step Functions ends
 * an execution after a year. https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
 */
export const MAX_GRACE_WITH_REPLICAS_SECONDS = 350 * DAY_SECONDS

/**
 * The options of a rotation, from its secret's tags and the deployment's defaults. With `moveBack` the strategy is temporary-clone
 * whatever the tags say.
 * @throws InvalidCredential if an AWS service rotates the secret; InvalidOption for a tag that is wrong
 */
export function optionsOf(
  { owner, tags }: Pick<Description, 'owner' | 'tags'>,
  { defaults }: Pick<StorePipeline, 'defaults'>,
  moveBack?: true | undefined,
): Options {
  if (owner)
    throw new InvalidCredential('id', `${owner} manages this secret and rotates it by itself`, {
      remedy: 'Leave it to that service, or keep the credential in a secret of your own.',
    })
  return parseTags(moveBack ? withStrategyTag(tags, 'temporary-clone') : tags, defaults)
}

/**
 * The strategy of a rotation of this value, and the user that the next value logs in as.
 * @throws InvalidCredential, InvalidOption if the value cannot rotate so
 */
export function planOf(current: Credential, options: Options): { strategy: StrategyName; nextUser: string } {
  requireHost(current)
  refuseJsonAsPassword(current, options)
  const strategy = allowedStrategy(current, options)
  return { strategy, nextUser: strategies[strategy].nextUser(current) }
}

/**
 * Makes the next value: the current one with another user name and a new password.
 * @throws InvalidOption if the password settings allow no safe password that the engine takes
 */
export function makeNextValue(
  current: Credential,
  { password: settings }: Options,
  username: string,
): Credential {
  const password = generatePassword(settings, engineTraits[current.engine].maxPasswordBytes)
  return current.with({ username, password })
}

/** Sentences about what does not stop the rotation but should be known. `replicas` are the Regions that have a replica. */
export function warningsOf(replicas: string[], { home, grace }: Options): string[] {
  if (!replicas.length) return []
  const homeless =
    'it has replicas and no tag keyturn:home: should one be made a secret of its own, a stack there may rotate it'
  const cut = `the grace time is cut to ${MAX_GRACE_WITH_REPLICAS_SECONDS / DAY_SECONDS} days, as replicas are waited for before it begins`
  return [
    ...(home ? [] : [homeless]),
    ...(grace !== 'never' && grace > MAX_GRACE_WITH_REPLICAS_SECONDS ? [cut] : []),
  ]
}
