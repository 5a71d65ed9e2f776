/** Who is whose admin: the credential of the admin, by the credential that needs it. */
export type AdminByCredential<T> = ReadonlyMap<T, T>

/** The same without circles, in which everybody would wait for everybody: the first of each circle needs nobody. */
export function withoutAdminCycles<T>(named: AdminByCredential<T>): AdminByCredential<T> {
  const admins = new Map(named)
  for (const credential of named.keys())
    if (adminsAbove(credential, admins).has(credential)) admins.delete(credential)
  return admins
}

/** The admin at the top, who needs nobody: the credential itself, if it needs none. */
export const topAdminOf = <T>(credential: T, admins: AdminByCredential<T>): T =>
  [...adminsAbove(credential, admins)].at(-1) ?? credential

/**
 * The turns in which credentials rotate, so that an admin's own password is settled before anybody needs it: an admin
 * comes a turn before the first who needs it, and whoever is nobody's admin comes last. Within a turn they keep their
 * order. `admins` is without circles, and those in it who do not rotate here do not count.
 */
export function turnsOf<T>(credentials: T[], admins: AdminByCredential<T>): T[][] {
  const here = new Set(credentials)
  /** How many turns have to follow on that of an admin. */
  const following = new Map<T, number>()
  for (const credential of credentials)
    for (const [i, admin] of [...adminsAbove(credential, admins)].filter(admin => here.has(admin)).entries())
      following.set(admin, Math.max(following.get(admin) ?? 0, i + 1))
  const most = Math.max(0, ...following.values())
  const turns: T[][] = Array.from({ length: most + 1 }, () => [])
  for (const credential of credentials) turns[most - (following.get(credential) ?? 0)]?.push(credential)
  return turns
}

/** The admin, the admin's admin, and so on, up to somebody who needs nobody or was met before. */
function adminsAbove<T>(credential: T, admins: AdminByCredential<T>): Set<T> {
  const met = new Set<T>()
  for (let admin = admins.get(credential); admin !== undefined && !met.has(admin); admin = admins.get(admin))
    met.add(admin)
  return met
}
