import type { Credential } from './credential.ts'
import { engineTraits } from './engines/traits.ts'
import { Conflict, InvalidCredential } from './errors.ts'
import { type Options, parseTags } from './options.ts'
import { generatePassword } from './password.ts'
import type { StorePipeline } from './pipeline.ts'
import { refuseJsonAsPassword, requireHost } from './refusals.ts'
import type { Description, Store, Version } from './stores/store.ts'
import { strategies } from './strategies/index.ts'
import { allowedStrategy } from './strategies/strategyFor.ts'
import type { StrategyName } from './strategies/strategyNames.ts'
import { withStrategyTag } from './tags.ts'

// What a rotation would be, as far as its secret tells: for who begins one, and for who only says whether it would go well.

/** Seconds. Step Functions ends an execution after a year, and replicas are waited for before. */
export const MAX_GRACE_WITH_REPLICAS_SECONDS = 350 * 86_400

/** @throws InvalidCredential if a service of AWS rotates the secret; InvalidOption for a tag that is wrong */
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

/** The version with that label, which the description says there is. @throws InvalidCredential, Conflict */
export async function readStaged(
  store: Store,
  id: string,
  found: Description,
  stage: 'current' | 'previous',
): Promise<Version> {
  const token = found[stage]
  if (!token) throw new InvalidCredential('value', `the secret has no ${stage} version; store a first value`)
  const version = await store.read(id, { token, stage })
  if (!version) throw new Conflict(`version ${token} is no longer ${stage}`)
  return version
}

/** Which users a rotation of this value turns. @throws InvalidCredential, InvalidOption */
export function planOf(current: Credential, options: Options): { strategy: StrategyName; nextUser: string } {
  requireHost(current)
  refuseJsonAsPassword(current, options)
  const strategy = allowedStrategy(current, options)
  return { strategy, nextUser: strategies[strategy].nextUser(current) }
}

/** A value that could take current's place, with a new password. @throws InvalidOption for settings that make none */
export function makeNextValue(
  current: Credential,
  { password: settings }: Options,
  username: string,
): Credential {
  const password = generatePassword(settings, engineTraits[current.engine].maxPasswordBytes)
  return current.with({ username, password })
}

/** What stops no rotation, and somebody should know of it, a sentence each. */
export function warningsOf(replicas: string[], { home, grace }: Options): string[] {
  if (!replicas.length) return []
  const homeless =
    'it has replicas and no tag keyturn:home: should one be made a secret of its own, a stack there may rotate it'
  const cut = `the grace time is cut to ${MAX_GRACE_WITH_REPLICAS_SECONDS / 86_400} days, as replicas are waited for before it begins`
  return [
    ...(home ? [] : [homeless]),
    ...(grace !== 'never' && grace > MAX_GRACE_WITH_REPLICAS_SECONDS ? [cut] : []),
  ]
}
