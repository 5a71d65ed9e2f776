import { formatSpan } from '../span.ts'
import type { Policy } from './policy.ts'

/** What a policy asks of a credential for which it has no section, in a line. */
export function describePolicy(policy: Policy): string {
  const { maxAge, unreadAfter, pendingAfter, mustRotate, customerKey, ownerTags, sections, exceptions } =
    policy
  return [
    maxAge === 'never' ? 'a value may be of any age' : `a value may be ${formatSpan(maxAge)} old`,
    mustRotate ? 'everything has to rotate' : 'nothing has to rotate',
    unreadAfter === 'never'
      ? 'it does not matter who reads'
      : `unread means not read for ${formatSpan(unreadAfter)}`,
    `a value may be pending for ${formatSpan(pendingAfter)}`,
    customerKey ? 'a key of your own has to encrypt it' : 'any key may encrypt it',
    ownerTags.length ? `it has to have a tag ${ownerTags.join(' or ')}` : 'it does not matter whose it is',
    ...(sections.length ? [`sections that ask otherwise: ${sections.length}`] : []),
    ...(exceptions.length ? [`exceptions: ${exceptions.length}`] : []),
  ].join('; ')
}
