import type { PeerCertificate } from 'node:tls'
import { readAdminOf } from '../admin.ts'
import type { Credential } from '../credential.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { RefusedByPasswordRules } from '../engines/passwordRules.ts'
import { TooManyConnections } from '../engines/tooManyConnections.ts'
import { type EngineName, engineTraits } from '../engines/traits.ts'
import { LoginRefused, TestFailed, TlsFailed } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Pipeline } from '../pipeline.ts'
import { loginAsAdminOnce } from '../strategies/adminSession.ts'
import { strategies } from '../strategies/index.ts'
import { openProvenSession } from '../strategies/login.ts'
import { requireAuthQuery } from '../strategies/pooler.ts'
import type { StrategyName } from '../strategies/strategyNames.ts'
import { describeCertificate } from './certificate.ts'
import { addGrantHint } from './grantHint.ts'
import { countAddresses, tryConnect } from './network.ts'
import type { NotSeen, Report, Seen } from './report.ts'

/** If fewer connections than this are left, the check warns. */
const MIN_FREE_CONNECTIONS_COUNT = 3

/** Loads an engine for a check. The engine reports each server certificate that it sees, and its test queries may only read. */
export type LoadCheckEngine = (
  name: EngineName,
  onCertificate: (certificate: PeerCertificate) => void,
) => Promise<Engine>

/** What the looks at a database need: the pipeline, the deployment's settings, and what was seen in the store. */
export type LookContext = {
  pipeline: Pipeline
  loadCheckEngine: LoadCheckEngine
  /** Whether the deployment allows test queries that write. The check then runs none. */
  testMayWrite: boolean
  options: Options
  current: Credential
  strategy: StrategyName
  nextUser: string
  /** A new value as a rotation would make it. Unset if none could be made. */
  next?: Credential | undefined
}

/** The result of a look that went well and has nothing for later looks. */
const okSeen = (says: string): Seen<undefined> => ({ says, value: undefined })

/** Checks whether the host's name is resolved and its port is open. @returns false if one of them failed */
export async function lookAtNetwork({ host, address }: Credential, report: Report): Promise<boolean> {
  const resolved = await report.look('name', async () => {
    const addresses = await countAddresses(host)
    const says = addresses
      ? `${host} has ${addresses} ${addresses === 1 ? 'address' : 'addresses'}`
      : `${host} is an address`
    return okSeen(says)
  })
  if (!resolved) return false
  const port = Number(address.split(':').at(-1))
  const connected = await report.look('port', async () => {
    await tryConnect(host, port)
    return okSeen(`port ${port} is open`)
  })
  return connected !== undefined
}

/**
 * Checks what needs a login: with the current value, and then with the admin's, if the strategy needs an admin. The first
 * session is closed before the second is opened, as in a rotation: the server may have only one connection left.
 */
export async function lookAtDatabase(context: LookContext, report: Report): Promise<void> {
  const login = await lookAtLogin(context, report)
  if (!login) return
  const { engine, session } = login
  {
    await using userSession = session
    await lookAtSession(context, userSession, report)
  }
  if (needsAdmin(context)) await lookAtAdmin(context, engine, session, report)
}

/** Whether an admin makes the change on this engine with this strategy. */
const needsAdmin = ({ current, strategy }: LookContext) =>
  engineTraits[current.engine].actorByStrategy[strategy] === 'admin'

/** Logs in with the current value. @returns undefined if that failed, or the time is over */
async function lookAtLogin(
  { loadCheckEngine, current }: LookContext,
  report: Report,
): Promise<{ engine: Engine; session: Session } | undefined> {
  if (!report.begin('login')) return undefined
  let certificate: PeerCertificate | undefined
  const onCertificate = (seen: PeerCertificate) => {
    certificate ??= seen
  }
  try {
    const engine = await loadCheckEngine(current.engine, onCertificate)
    const session = await openProvenSession(engine, current)
    await lookAtTls(current, certificate, report, true)
    report.add('login', { state: 'ok', says: `${JSON.stringify(current.username)} logs in` })
    return { engine, session }
  } catch (error) {
    if (error instanceof TlsFailed) report.fail('tls', error)
    else {
      // A server that refuses a password has shown its certificate before, and it was trusted.
      await lookAtTls(current, certificate, report, error instanceof LoginRefused)
      report.fail(error instanceof TooManyConnections ? 'connections' : 'login', error)
    }
    return undefined
  }
}

/**
 * Adds the line about TLS. If no certificate was seen, the line says only that it is trusted (`isTrusted`); if not even that is
 * known, there is no line.
 */
async function lookAtTls(
  { ssl, host }: Credential,
  certificate: PeerCertificate | undefined,
  report: Report,
  isTrusted: boolean,
): Promise<void> {
  if (!ssl)
    report.add('tls', {
      state: 'warning',
      says: 'the value says "ssl": false: the connection is in clear text',
      remedy: 'Remove "ssl": false from the value, if the server takes TLS.',
    })
  else if (certificate) await report.look('tls', () => describeCertificate(host, certificate))
  else if (isTrusted) report.add('tls', { state: 'ok', says: 'the certificate of the server is trusted' })
}

/** Checks what the user's own session shows. */
async function lookAtSession(context: LookContext, session: Session, report: Report): Promise<void> {
  const { current, nextUser, options } = context
  await report.look('connections', () => lookAtFreeConnections(session, current.username))
  await report.look('pooler', () => {
    // After a rotation that keeps the user, only a pooler that asks the database knows the new password.
    if (nextUser === current.username) requireAuthQuery(session, current, options.pooler)
    return okSeen(session.isBehindPooler ? 'a pooler stands in between' : 'no pooler is seen')
  })
  if (!needsAdmin(context)) await lookAtPrivileges(context, session, report)
  // The test query comes last, as the session may not be usable after a query that was refused.
  if (options.testQuery) await report.look('test-query', () => runTestQuery(context, session))
}

async function lookAtFreeConnections(session: Session, user: string): Promise<Seen<undefined> | NotSeen> {
  const free = await session.countFreeConnections(user)
  if (free === undefined) return { notSeen: 'the server does not tell how many connections it has left' }
  const says =
    free > 0
      ? `${free} more ${free === 1 ? 'connection' : 'connections'} may be opened`
      : `this look had the last connection of ${JSON.stringify(user)}`
  if (free >= MIN_FREE_CONNECTIONS_COUNT) return okSeen(says)
  return { ...okSeen(says), remedy: 'Raise the limit, or let the application hold fewer connections.' }
}

/**
 * Runs the test query, and says only whether the server accepted it. Everybody who may tag the secret can write that query, and
 * must not learn anything about the data from the server's message.
 */
async function runTestQuery(
  { options, testMayWrite }: LookContext,
  session: Session,
): Promise<Seen<undefined> | NotSeen> {
  if (testMayWrite) return { notSeen: 'it is not run, as in this deployment a test query may write' }
  try {
    await session.requireTransactions?.()
    await session.runTestQuery(options.testQuery ?? '')
  } catch {
    throw new TestFailed('refused')
  }
  return okSeen('ran')
}

/** Checks the admin's value, its login and its privileges. `proof` is the user's own session, which is closed by now. */
async function lookAtAdmin(
  context: LookContext,
  engine: Engine,
  proof: Session,
  report: Report,
): Promise<void> {
  const { pipeline, current, nextUser } = context
  const admin = await report.look('admin', async () => {
    const value = await readAdminOf(pipeline, current, [current.username, nextUser])
    // A credential as a text is its user and address, without the password.
    return { says: `${value}, of ${current.masterarn}`, value }
  })
  if (!admin) return
  const login = await report.look('admin-login', async () => {
    const value = await loginAsAdminOnce(engine, admin.value, { session: proof, user: current })
    return { says: `${JSON.stringify(admin.value.username)} logs in`, value }
  })
  if (!login) return
  await using acting = login.value
  await lookAtPrivileges(context, acting.session, report, admin.value.username)
}

/** Checks whether the session may make the change of a rotation. `admin` is the admin's name, if the session is an admin's. */
async function lookAtPrivileges(
  { pipeline, current, strategy, next, options }: LookContext,
  session: Session,
  report: Report,
  admin?: string,
): Promise<void> {
  if (!next) return
  await report.look('privileges', async () => {
    let left: string[]
    try {
      left = await strategies[strategy].wouldApply({
        session,
        current,
        pending: next,
        rds: pipeline.rds,
        drop: options.clone !== 'keep',
      })
    } catch (error) {
      if (!(error instanceof RefusedByPasswordRules)) throw addGrantHint(error, current, admin)
      report.fail('password-rules', error)
      return { notSeen: 'the server refuses the new password first, and says nothing of privileges then' }
    }
    const remedy = 'See docs/strategies.md for what stays with a user, or grant what is named.'
    return left.length ? { ...okSeen(left.join('; ')), remedy } : okSeen(`${strategy} may do what it has to`)
  })
}
