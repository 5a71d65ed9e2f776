import type { Application, StoredValue } from './application.ts'

export type Proof = [claim: string, holds: boolean]

/** Prints what was proven. @returns true if all of it holds */
export function sayProofs(proofs: Proof[]): boolean {
  for (const [claim, holds] of proofs) console.log(`   ${holds ? '✓' : '✗ NOT TRUE:'} ${claim}`)
  return proofs.every(([, holds]) => holds)
}

/** That a rotation changed the password. `before` is what was current then. */
export async function proveRotated(application: Application, before: StoredValue): Promise<Proof[]> {
  const now = (await application.read()) as StoredValue
  return [
    ['current has a new password', now.password !== before.password],
    ['the new password is accepted', await application.canLogIn(now)],
    ['the old password is refused', !(await application.canLogIn(before))],
  ]
}

/** That a rotation was taken back. `before` is what was current when it began. */
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
