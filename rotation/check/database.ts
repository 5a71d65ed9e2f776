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
import type { Finding, NoFinding, Report } from './report.ts'

/** So few connections are left that a warning is due. */
const MIN_FREE_CONNECTIONS_COUNT = 3

/** An engine of its own, that tells each certificate it sees, and whose test queries may only read. */
export type LoadCheckEngine = (
  name: EngineName,
  onCertificate: (certificate: PeerCertificate) => void,
) => Promise<Engine>

/** What the looks at a database have of those before. */
export type LookContext = {
  pipeline: Pipeline
  loadCheckEngine: LoadCheckEngine
  /** Whether the deployment's test queries may write. */
  testMayWrite: boolean
  options: Options
  current: Credential
  strategy: StrategyName
  nextUser: string
  /** Unset: no new value could be made. */
  next?: Credential | undefined
}

const okFinding = (says: string): Finding<undefined> => ({ says, value: undefined })

/** Whether there is a way to the server. */
export async function lookAtNetwork({ host, address }: Credential, report: Report): Promise<boolean> {
  const named = await report.look('name', async () => {
    const addresses = await countAddresses(host)
    return okFinding(addresses ? `${host} has ${addresses} addresses` : `${host} is an address`)
  })
  if (!named) return false
  const port = Number(address.split(':').at(-1))
  const opened = await report.look('port', async () => {
    await tryConnect(host, port)
    return okFinding(`port ${port} is open`)
  })
  return opened !== undefined
}

/**
 * One login with current, and with the admin once that is proven; and all that their sessions tell. They are not open at one
 * time, as they are not in a rotation: the server may have room for one.
 */
export async function lookAtDatabase(known: LookContext, report: Report): Promise<void> {
  const open = await lookAtLogin(known, report)
  if (!open) return
  const { engine, session } = open
  {
    await using own = session
    await lookAtSession(known, own, report)
  }
  if (needsAdmin(known)) await lookAtAdmin(known, engine, session, report)
}

const needsAdmin = ({ current, strategy }: LookContext) =>
  engineTraits[current.engine].actorByStrategy[strategy] === 'admin'

async function lookAtLogin(
  { loadCheckEngine, current }: LookContext,
  report: Report,
): Promise<{ engine: Engine; session: Session } | undefined> {
  if (!report.begin('login')) return undefined
  let seen: PeerCertificate | undefined
  const see = (certificate: PeerCertificate) => {
    seen ??= certificate
  }
  try {
    const engine = await loadCheckEngine(current.engine, see)
    const session = await openProvenSession(engine, current)
    await lookAtTls(current, seen, report, true)
    report.add('login', { state: 'ok', says: `${JSON.stringify(current.username)} logs in` })
    return { engine, session }
  } catch (error) {
    if (error instanceof TlsFailed) report.fail('tls', error)
    else {
      // What refuses a password has shown its certificate.
      await lookAtTls(current, seen, report, error instanceof LoginRefused)
      report.fail(error instanceof TooManyConnections ? 'connections' : 'login', error)
    }
    return undefined
  }
}

async function lookAtTls(
  { ssl, host }: Credential,
  seen: PeerCertificate | undefined,
  report: Report,
  isTrusted: boolean,
): Promise<void> {
  if (!ssl)
    report.add('tls', {
      state: 'warning',
      says: 'the value says "ssl": false: the connection is in clear text',
      remedy: 'Remove "ssl": false from the value, if the server takes TLS.',
    })
  else if (seen) await report.look('tls', () => describeCertificate(host, seen))
  else if (isTrusted) report.add('tls', { state: 'ok', says: 'the certificate of the server is trusted' })
}

async function lookAtSession(known: LookContext, own: Session, report: Report): Promise<void> {
  const { current, nextUser, options } = known
  await report.look('connections', () => lookAtFreeConnections(own, current.username))
  await report.look('pooler', () => {
    if (nextUser === current.username) requireAuthQuery(own, current, options.pooler)
    return okFinding(own.behindPooler ? 'a pooler stands in between' : 'no pooler is seen')
  })
  if (!needsAdmin(known)) await lookAtPrivileges(known, own, report)
  // Last, as a session that is refused may be of no further use.
  if (options.testQuery) await report.look('test-query', () => runTestQuery(known, own))
}

async function lookAtFreeConnections(
  session: Session,
  user: string,
): Promise<Finding<undefined> | NoFinding> {
  const room = await session.countFreeConnections(user)
  if (room === undefined) return { untold: 'the server does not tell how many connections it has left' }
  const says =
    room > 0
      ? `${room} more ${room === 1 ? 'connection' : 'connections'} may be opened`
      : `this look had the last connection of ${JSON.stringify(user)}`
  if (room >= MIN_FREE_CONNECTIONS_COUNT) return okFinding(says)
  return { ...okFinding(says), warning: 'Raise the limit, or let the application hold fewer connections.' }
}

/** Of the query that whoever may tag has written nothing is told, lest it answers questions about the data. */
async function runTestQuery(
  { options, testMayWrite }: LookContext,
  session: Session,
): Promise<Finding<undefined> | NoFinding> {
  if (testMayWrite) return { untold: 'it is not run, as in this deployment a test query may write' }
  try {
    await session.requireTransactions?.()
    await session.runTestQuery(options.testQuery ?? '')
  } catch {
    throw new TestFailed('refused')
  }
  return okFinding('ran')
}

/** `proof` is the user's own session, which has ended. */
async function lookAtAdmin(
  known: LookContext,
  engine: Engine,
  proof: Session,
  report: Report,
): Promise<void> {
  const { pipeline, current, nextUser } = known
  const admin = await report.look('admin', async () => {
    const value = await readAdminOf(pipeline, current, [current.username, nextUser])
    return { says: `${value}, of ${current.masterarn}`, value }
  })
  if (!admin) return
  const login = await report.look('admin-login', async () => {
    const value = await loginAsAdminOnce(engine, admin.value, { session: proof, user: current })
    return { says: `${JSON.stringify(admin.value.username)} logs in`, value }
  })
  if (!login) return
  await using acting = login.value
  await lookAtPrivileges(known, acting.session, report, admin.value.username)
}

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
      return { untold: 'the rules for passwords have refused the change before' }
    }
    const warning = 'See docs/strategies.md for what stays with a user, or grant what is named.'
    return left.length
      ? { ...okFinding(left.join('; ')), warning }
      : okFinding(`${strategy} may do what it has to`)
  })
}
