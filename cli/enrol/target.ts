import type { Context } from '../context.ts'
import type { Found, FoundSecret } from '../credentialId.ts'
import { findCredential } from '../findCredential.ts'
import type { Stack } from '../stack.ts'
import { completed } from './ask.ts'
import { adminSecret, requireOurs } from './refuse.ts'
import { requireFit, requireSense, type Wish } from './wish.ts'

/** A credential that can be enrolled, as far as that shows without its value, and how. */
export type Target = { found: Found; admin: FoundSecret | undefined; wish: Wish }

/**
 * What an id and a wish ask for; where `mayAsk`, somebody at the terminal says what is missing. Nothing is changed.
 * @throws CommandError that says why it cannot be enrolled so, and what to do
 */
export async function targetOf(
  context: Context,
  stack: Stack,
  id: string,
  asked: { wish: Wish; mayAsk: boolean },
): Promise<Target> {
  const found = await findCredential(context, stack, id)
  requireOurs(found, undefined)
  const wish = await completed(context, stack, found, asked)
  requireSense(wish)
  requireFit(found, stack, wish)
  const admin = wish.admin ? adminSecret(await findCredential(context, stack, wish.admin)) : undefined
  requireOurs(found, admin)
  return { found, admin, wish }
}
