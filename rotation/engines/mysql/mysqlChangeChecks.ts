import { DatabaseFailed, NotPermitted } from '../../errors.ts'
import { quoteText, type Rights, readRights } from './mysqlAccount.ts'
import type { AccountChange } from './mysqlClone.ts'
import { translate } from './mysqlErrors.ts'
import type { Flavour, RotatableAccount, SessionAccess } from './mysqlFlavour.ts'
import { type AccountPlan, holdsGlobally, missingPrivileges, uncertainties } from './mysqlRights.ts'

/**
 * Checks whether this session may make the changes of a plan, without making them. Every user may ask what this asks.
 * @returns what could not be checked, one sentence each
 * @throws NotPermitted, naming the missing privileges; ReadOnly; DatabaseFailed if a table or routine was dropped
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
 * Checks whether a user may change its own password to `next` or, with `adds`, keep its password and add `next`.
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

/** @returns undefined if Keyturn does not know a part of them. That is no error, as the change itself does not read them. */
async function readSessionRights(
  flavour: Flavour,
  { query, user }: SessionAccess,
): Promise<Rights | undefined> {
  const grants = (await query('show grants')).map(row => String(Object.values(row)[0]))
  try {
    return readRights(flavour, user, grants)
  } catch (error) {
    if (!(error instanceof DatabaseFailed)) throw error
    return undefined
  }
}

/**
 * A query for the settings that make a server refuse changes. Aurora's readers have innodb_read_only
 * (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraMySQL.BestPractices.html). In MariaDB read_only may have
 * other values than ON and OFF.
 */
export const READ_ONLY_SETTINGS_QUERY = `show global variables
  where variable_name in ('read_only', 'super_read_only', 'innodb_read_only')`

/**
 * Refuses a session that cannot write to the tables of accounts. innodb_read_only matters only in MySQL, as MariaDB keeps
 * accounts in no InnoDB table. The errors are those of the server's numbers: see mysqlErrors.ts.
 * @throws ReadOnly
 */
async function refuseReadOnly(
  flavour: Flavour,
  { query, where }: SessionAccess,
  rights: Rights | undefined,
): Promise<void> {
  const rows = await query(READ_ONLY_SETTINGS_QUERY)
  const on = new Set(rows.filter(({ Value }) => Value !== 'OFF').map(({ Variable_name }) => Variable_name))
  const bypasses =
    rights && flavour.readOnlyBypassPrivileges.some(privilege => holdsGlobally(rights, privilege))
  if (on.has('super_read_only') || (on.has('read_only') && !bypasses))
    throw translate({ errno: 1290, message: 'read-only' }, where)
  if (on.has('innodb_read_only') && flavour.engine === 'mysql') throw translate({ errno: 1836 }, where)

  const sessionSettings = await query(
    `show session variables where variable_name in ('tx_read_only', 'transaction_read_only')`,
  )
  if (sessionSettings.some(({ Value }) => Value === 'ON')) throw translate({ errno: 1792 }, where)
}

/**
 * Refuses grants on tables and routines that were dropped. A user keeps its privileges on such an object, but nobody can
 * grant them to another user.
 * @throws DatabaseFailed with the server's number for a missing table or routine
 */
async function refuseDroppedObjects(
  { query, where }: SessionAccess,
  changes: AccountChange[],
): Promise<void> {
  const kinds = [
    { pattern: /^(`(?:[^`]|``)+`)\.(`(?:[^`]|``)+`)$/, view: 'tables', column: 'table', errno: 1146 },
    {
      pattern: /^(?:PROCEDURE|FUNCTION) (`(?:[^`]|``)+`)\.(`(?:[^`]|``)+`)$/,
      view: 'routines',
      column: 'routine',
      errno: 1305,
    },
  ]
  for (const { pattern, view, column, errno } of kinds) {
    const named = changes.flatMap(change => {
      // A grant that includes CREATE may name a table that does not exist.
      const [, database = '', object = ''] =
        change.about === 'grant' && !change.privileges.includes('CREATE')
          ? (pattern.exec(change.on ?? '') ?? [])
          : []
      return object ? [`(${[database, object].map(unquoteName).map(quoteText).join(', ')})`] : []
    })
    if (!named.length) continue
    const [row] = await query(
      `select count(*) as found from information_schema.${view}
       where (${column}_schema, ${column}_name) in (${[...new Set(named)].join(', ')})`,
    )
    if (Number(row?.found) < new Set(named).size) throw translate({ errno }, where)
  }
}

const unquoteName = (quoted: string) => quoted.slice(1, -1).replaceAll('``', '`')

/** @throws NotPermitted if the account has an hourly limit, so that a rollback might have to wait for up to an hour */
export function refuseIfHourlyLimited({ name, clauses: { limits = '' } }: RotatableAccount): void {
  const [limit] = /MAX_\w+_PER_HOUR [1-9]\d*/.exec(limits) ?? []
  if (limit)
    throw new NotPermitted(
      `${name} has ${limit}: when that is used up, a change of its only password could not be taken back`,
    )
}
