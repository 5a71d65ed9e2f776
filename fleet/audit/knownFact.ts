import type { Fact } from './facts.ts'

/** Ends the look at a rule: a fact that it needs could not be read. Its message says why. */
export class UnreadFact extends Error {
  override readonly name = 'UnreadFact'
}

/** What was found. @throws UnreadFact */
export function requireKnown<Found>(fact: Fact<Found>): Found {
  if ('unread' in fact) throw new UnreadFact(fact.unread)
  return fact.is
}

/** Whether a fact could be read. */
export const isKnown = <Found>(fact: Fact<Found>): fact is { is: Found } => 'is' in fact
