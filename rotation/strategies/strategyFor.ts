import type { Credential } from '../credential.ts'
import { engineTraits } from '../engines/traits.ts'
import { InvalidOption } from '../errors.ts'
import type { RollbackOptions } from '../options.ts'
import type { StrategyName } from './strategyNames.ts'

/**
 * The strategy that a credential rotates with: the one of its tag. Without the tag, it is alternating users if the value names an
 * admin and a single user if not, as with AWS's rotation templates.
 */
export function strategyFor(credential: Credential, options: RollbackOptions): StrategyName {
  return options.strategy ?? (credential.masterarn ? 'alternating-users' : 'single-user')
}

/** The strategy of strategyFor, for a rotation that begins. @throws InvalidOption if the engine does not allow that strategy */
export function allowedStrategy(credential: Credential, options: RollbackOptions): StrategyName {
  const strategy = strategyFor(credential, options)
  const allowed = engineTraits[credential.engine].actorByStrategy
  if (!allowed[strategy])
    throw new InvalidOption(
      'keyturn:strategy',
      `should be ${Object.keys(allowed).join(' or ')}, which is what ${credential.engine} allows`,
    )
  return strategy
}
