/** Who is whose admin: the credential of the admin, by the credential that needs it. */
export type AdminByCredential<T> = ReadonlyMap<T, T>

/**
 * The same without circles, in which each credential would wait for another one: the first credential of each circle is taken to
 * have no admin.
 */
export function withoutAdminCycles<T>(named: AdminByCredential<T>): AdminByCredential<T> {
  const admins = new Map(named)
  for (const credential of named.keys())
    if (adminsAbove(credential, admins).has(credential)) admins.delete(credential)
  return admins
}

/** The last in the chain of a credential's admins, which has no admin. If the credential has none, it is the credential itself. */
export const topAdminOf = <T>(credential: T, admins: AdminByCredential<T>): T =>
  [...adminsAbove(credential, admins)].at(-1) ?? credential

/**
 * Parts credentials into turns that rotate one after the other, so that an admin's own rotation has ended before it is needed: an
 * admin comes at least a turn before the credentials that need it, and all that are nobody's admin come in the last turn. Within
 * a turn the credentials keep their order.
 * @param admins without circles; admins that are not among the credentials make no difference
 */
export function turnsOf<T>(credentials: T[], admins: AdminByCredential<T>): T[][] {
  const rotating = new Set(credentials)
  /** How many turns have to follow the turn of an admin. */
  const followingCounts = new Map<T, number>()
  for (const credential of credentials) {
    const above = [...adminsAbove(credential, admins)].filter(admin => rotating.has(admin))
    for (const [i, admin] of above.entries())
      followingCounts.set(admin, Math.max(followingCounts.get(admin) ?? 0, i + 1))
  }
  const last = Math.max(0, ...followingCounts.values())
  const turns: T[][] = Array.from({ length: last + 1 }, () => [])
  for (const credential of credentials) turns[last - (followingCounts.get(credential) ?? 0)]?.push(credential)
  return turns
}

/** The admin of a credential, the admin's admin, and so on, up to one that has no admin or came before in the chain. */
function adminsAbove<T>(credential: T, admins: AdminByCredential<T>): Set<T> {
  const above = new Set<T>()
  let admin = admins.get(credential)
  while (admin !== undefined && !above.has(admin)) {
    above.add(admin)
    admin = admins.get(admin)
  }
  return above
}
