import type { Fact } from './facts.ts'

/** A fact that a rule needs could not be read. It ends the check of that rule; its message is the reason. */
export class UnreadFact extends Error {
  override readonly name = 'UnreadFact'
}

/** What a fact found. @throws UnreadFact if the fact could not be read */
export function requireKnown<Found>(fact: Fact<Found>): Found {
  if ('unread' in fact) throw new UnreadFact(fact.unread)
  return fact.is
}

/** Whether a fact could be read. */
export const isKnown = <Found>(fact: Fact<Found>): fact is { is: Found } => 'is' in fact
