import { DatabaseFailed, NotPermitted } from '../../errors.ts'
import { quoteText, type Rights, readRights } from './mysqlAccount.ts'
import type { AccountChange } from './mysqlClone.ts'
import { translate } from './mysqlErrors.ts'
import type { Flavour, PasswordMethod, SessionAccess } from './mysqlFlavour.ts'
import { type AccountPlan, holdsGlobally, missingPrivileges, uncertainties } from './mysqlRights.ts'

/**
 * That this session may make such changes, as far as the server tells: everybody may ask for what is asked here.
 * @returns what could not be looked at, a sentence each
 * @throws NotPermitted, naming what is missing; ReadOnly; or what a statement about a table that is gone throws
 */
export async function checkChanges(
  flavour: Flavour,
  session: SessionAccess,
  plan: AccountPlan,
): Promise<string[]> {
  if (!plan.drops) await flavour.refuseByRules(session)
  const rights = await readSessionRights(flavour, session)
  await refuseReadOnly(flavour, session, rights)
  if (!rights)
    return [
      `could not be looked at: what ${session.user} may do, as SHOW GRANTS says what Keyturn does not know`,
    ]
  const missing = missingPrivileges(flavour, rights, plan)
  if (missing.length)
    throw new NotPermitted(
      `${session.where}: lacks ${missing.join('; ')}, which it takes for ${plan.account}`,
    )
  await refuseDroppedObjects(session, plan.changes)
  return uncertainties(rights, plan.changes)
}

/**
 * The same of a user that changes its own password to `next`, or adds it to the one that it has.
 * @throws NotPermitted, ReadOnly
 */
export async function checkOwnPasswordChange(
  flavour: Flavour,
  session: SessionAccess,
  next: string,
  adds = false,
): Promise<void> {
  await flavour.refuseByRules(session, { old: session.password, new: next })
  const rights = await readSessionRights(flavour, session)
  await refuseReadOnly(flavour, session, rights)
  const { addPasswordPrivileges = [] } = flavour
  if (adds && rights && !addPasswordPrivileges.some(privilege => holdsGlobally(rights, privilege)))
    throw new NotPermitted(
      `${session.where}: lacks ${addPasswordPrivileges.join(' or ')}, which it takes to keep a second password`,
    )
}

/** Undefined if that is not understood: the change itself does not ask. */
async function readSessionRights(
  flavour: Flavour,
  { query, user }: SessionAccess,
): Promise<Rights | undefined> {
  const told = (await query('show grants')).map(row => String(Object.values(row)[0]))
  try {
    return readRights(flavour, user, told)
  } catch (error) {
    if (!(error instanceof DatabaseFailed)) throw error
    return undefined
  }
}

/** What says that a server takes no changes. A reader of Aurora has the last; the first may be more than on or off. */
export const READ_ONLY_SETTINGS_QUERY = `show global variables
  where variable_name in ('read_only', 'super_read_only', 'innodb_read_only')`

/** In MariaDB accounts are in no table of InnoDB. */
async function refuseReadOnly(
  flavour: Flavour,
  { query, where }: SessionAccess,
  rights: Rights | undefined,
): Promise<void> {
  const rows = await query(READ_ONLY_SETTINGS_QUERY)
  const on = new Set(rows.filter(({ Value }) => Value !== 'OFF').map(({ Variable_name }) => Variable_name))
  const writes =
    rights && flavour.readOnlyBypassPrivileges.some(privilege => holdsGlobally(rights, privilege))
  if (on.has('super_read_only') || (on.has('read_only') && !writes))
    throw translate({ errno: 1290, message: 'read-only' }, where)
  if (on.has('innodb_read_only') && flavour.engine === 'mysql') throw translate({ errno: 1836 }, where)
  const own = await query(
    `show session variables where variable_name in ('tx_read_only', 'transaction_read_only')`,
  )
  if (own.some(({ Value }) => Value === 'ON')) throw translate({ errno: 1792 }, where)
}

/** Privileges stay on a table or routine that was dropped, but nobody can give them to another. */
async function refuseDroppedObjects(
  { query, where }: SessionAccess,
  changes: AccountChange[],
): Promise<void> {
  const kinds = [
    { of: /^(`(?:[^`]|``)+`)\.(`(?:[^`]|``)+`)$/, all: 'tables', column: 'table', errno: 1146 },
    {
      of: /^(?:PROCEDURE|FUNCTION) (`(?:[^`]|``)+`)\.(`(?:[^`]|``)+`)$/,
      all: 'routines',
      column: 'routine',
      errno: 1305,
    },
  ]
  for (const { of, all, column, errno } of kinds) {
    const named = changes.flatMap(change => {
      const [, database = '', object = ''] =
        change.about === 'grant' && !change.privileges.includes('CREATE')
          ? (of.exec(change.on ?? '') ?? [])
          : []
      return object ? [`(${[database, object].map(unquoteName).map(quoteText).join(', ')})`] : []
    })
    if (!named.length) continue
    const [row] = await query(
      `select count(*) as found from information_schema.${all}
       where (${column}_schema, ${column}_name) in (${[...new Set(named)].join(', ')})`,
    )
    if (Number(row?.found) < new Set(named).size) throw translate({ errno }, where)
  }
}

const unquoteName = (quoted: string) => quoted.slice(1, -1).replaceAll('``', '`')

/** @throws NotPermitted if the account may run out of what a rollback needs, for up to an hour */
export function refuseIfHourlyLimited({ name, clauses: { limits = '' } }: PasswordMethod): void {
  const [limit] = /MAX_\w+_PER_HOUR [1-9]\d*/.exec(limits) ?? []
  if (limit)
    throw new NotPermitted(
      `${name} has ${limit}: when that is used up, a change of its only password could not be taken back`,
    )
}
