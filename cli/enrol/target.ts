import type { Context } from '../context.ts'
import type { FoundCredential, FoundSecret } from '../credential.ts'
import { findCredential } from '../findCredential.ts'
import type { Stack } from '../stack.ts'
import { completeWish } from './ask.ts'
import { requireAdminSecret, requireRotatable } from './requireRotatable.ts'
import { type RotationWish, requireConsistentWish, requireWishFits } from './wish.ts'

/** A credential that can be enrolled, as far as that shows without its value, and how. */
export type EnrolTarget = { found: FoundCredential; admin: FoundSecret | undefined; wish: RotationWish }

/**
 * What an id and a wish ask for; where `mayAsk`, somebody at the terminal says what is missing. Nothing is changed.
 * @throws CommandError that says why it cannot be enrolled so, and what to do
 */
export async function findTarget(
  context: Context,
  stack: Stack,
  id: string,
  asked: { wish: RotationWish; mayAsk: boolean },
): Promise<EnrolTarget> {
  const found = await findCredential(context, stack, id)
  requireRotatable(found, undefined)
  const wish = await completeWish(context, stack, found, asked)
  requireConsistentWish(wish)
  requireWishFits(found, stack, wish)
  const admin = wish.admin ? requireAdminSecret(await findCredential(context, stack, wish.admin)) : undefined
  requireRotatable(found, admin)
  return { found, admin, wish }
}
