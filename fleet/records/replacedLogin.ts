import type { RotationRecord } from './rotationRecord.ts'

/** What a rotation replaced, in words: with two passwords, the user goes on and its old password is closed. */
export function replacedLoginText({ user, strategy }: Pick<RotationRecord, 'user' | 'strategy'>): string {
  if (!user) return 'the old user or password'
  return strategy === 'dual-password' ? `the old password of ${user}` : `the user ${user}`
}
