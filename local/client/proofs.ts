import type { Application, StoredValue } from './application.ts'

/** A claim that is printed, and whether it is true. */
export type Proof = [claim: string, holds: boolean]

/** Prints each claim with its result. @returns true if all of them are true */
export function sayProofs(proofs: Proof[]): boolean {
  for (const [claim, holds] of proofs) console.log(`   ${holds ? '✓' : '✗ NOT TRUE:'} ${claim}`)
  return proofs.every(([, holds]) => holds)
}

/** Proves that a rotation changed the password. `before` is the current value from before the rotation. */
export async function proveRotated(application: Application, before: StoredValue): Promise<Proof[]> {
  const now = (await application.read()) as StoredValue
  return [
    ['current has a new password', now.password !== before.password],
    ['the new password is accepted', await application.canLogIn(now)],
    ['the old password is refused', !(await application.canLogIn(before))],
  ]
}

/** Proves that a rotation was rolled back. `before` is the current value from before the rotation. */
export async function proveUnchanged(application: Application, before: StoredValue): Promise<Proof[]> {
  const now = (await application.read()) as StoredValue
  return [
    [
      'current is what it was, and still logs in',
      now.password === before.password && (await application.canLogIn(now)),
    ],
    ['nothing is left pending', (await application.read('pending')) === undefined],
  ]
}
