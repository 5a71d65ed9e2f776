import type { Credential } from '../credential.ts'
import { traits } from '../engines/traits.ts'
import { InvalidOption } from '../errors.ts'
import type { Essentials } from '../options.ts'
import type { StrategyName } from './names.ts'

/** The strategy that a credential rotates with: what its tag says, or what AWS's templates do with such a value. */
export function strategyFor(credential: Credential, options: Essentials): StrategyName {
  return options.strategy ?? (credential.masterarn ? 'alternating-users' : 'single-user')
}

/** The same, for a rotation that begins. @throws InvalidOption if the engine does not allow what was chosen */
export function allowedStrategy(credential: Credential, options: Essentials): StrategyName {
  const strategy = strategyFor(credential, options)
  const allowed = traits[credential.engine].strategies
  if (!allowed[strategy])
    throw new InvalidOption(
      'keyturn:strategy',
      `should be ${Object.keys(allowed).join(' or ')}, which is what ${credential.engine} allows`,
    )
  return strategy
}
