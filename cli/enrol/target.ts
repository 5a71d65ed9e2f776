import type { Context } from '../context.ts'
import type { FoundCredential, FoundSecret } from '../credential.ts'
import { findCredential } from '../findCredential.ts'
import type { Stack } from '../stack.ts'
import { completeWish } from './ask.ts'
import { requireAdminSecret, requireRotatable } from './requireRotatable.ts'
import { type RotationWish, requireConsistentWish, requireWishFits } from './wish.ts'

/** A credential, its admin, and how it is to rotate. It can be enrolled so, as far as that is visible without its value. */
export type EnrolTarget = { found: FoundCredential; admin: FoundSecret | undefined; wish: RotationWish }

/**
 * Looks up a credential to enrol, and checks that it can be enrolled as wished. If `mayAsk`, missing options are asked for at the
 * terminal. Nothing is changed.
 * @throws CommandError that says why it cannot be enrolled like that, and what to do
 */
export async function findTarget(
  context: Context,
  stack: Stack,
  id: string,
  asked: { wish: RotationWish; mayAsk: boolean },
): Promise<EnrolTarget> {
  const found = await findCredential(context, stack, id)
  // Before anything is asked.
  requireRotatable(found, undefined)
  const wish = await completeWish(context, stack, found, asked)
  requireConsistentWish(wish)
  requireWishFits(found, stack, wish)
  const admin = wish.admin ? requireAdminSecret(await findCredential(context, stack, wish.admin)) : undefined
  requireRotatable(found, admin)
  return { found, admin, wish }
}
