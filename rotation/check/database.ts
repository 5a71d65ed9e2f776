import type { PeerCertificate } from 'node:tls'
import { adminOf } from '../admin.ts'
import type { Credential } from '../credential.ts'
import { AgainstRules } from '../engines/againstRules.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { NoConnection } from '../engines/noConnection.ts'
import { type EngineName, traits } from '../engines/traits.ts'
import { LoginRefused, TestFailed, TlsFailed } from '../errors.ts'
import type { Options } from '../options.ts'
import type { Pipeline } from '../pipeline.ts'
import { adminOnce } from '../strategies/adminSession.ts'
import { strategies } from '../strategies/index.ts'
import { provenLogin } from '../strategies/login.ts'
import type { StrategyName } from '../strategies/names.ts'
import { requireAsking } from '../strategies/pooler.ts'
import { aboutCertificate } from './certificate.ts'
import { withGrant } from './grant.ts'
import { connect, resolve } from './network.ts'
import type { Found, Report, Untold } from './report.ts'

/** So few connections are left that a warning is due. */
const FEW = 3

/** An engine of its own, that tells each certificate it sees, and whose test queries may only read. */
export type Engines = (
  name: EngineName,
  onCertificate: (certificate: PeerCertificate) => void,
) => Promise<Engine>

/** What the looks at a database have of those before. */
export type Known = {
  pipeline: Pipeline
  engines: Engines
  /** Whether the deployment's test queries may write. */
  testMayWrite: boolean
  options: Options
  current: Credential
  strategy: StrategyName
  nextUser: string
  /** Unset: no new value could be made. */
  next?: Credential | undefined
}

const whole = (says: string): Found<undefined> => ({ says, value: undefined })

/** Whether there is a way to the server. */
export async function lookAtNetwork({ host, address }: Credential, report: Report): Promise<boolean> {
  const named = await report.look('name', async () => {
    const addresses = await resolve(host)
    return whole(addresses ? `${host} has ${addresses} addresses` : `${host} is an address`)
  })
  if (!named) return false
  const port = Number(address.split(':').at(-1))
  const opened = await report.look('port', async () => {
    await connect(host, port)
    return whole(`port ${port} is open`)
  })
  return opened !== undefined
}

/**
 * One login with current, and with the admin once that is proven; and all that their sessions tell. They are not open at one
 * time, as they are not in a rotation: the server may have room for one.
 */
export async function lookAtDatabase(known: Known, report: Report): Promise<void> {
  const open = await logIn(known, report)
  if (!open) return
  const { engine, session } = open
  {
    await using own = session
    await lookAtSession(known, own, report)
  }
  if (takesAdmin(known)) await lookAtAdmin(known, engine, session, report)
}

const takesAdmin = ({ current, strategy }: Known) => traits[current.engine].strategies[strategy] === 'admin'

async function logIn(
  { engines, current }: Known,
  report: Report,
): Promise<{ engine: Engine; session: Session } | undefined> {
  if (!report.begin('login')) return undefined
  let seen: PeerCertificate | undefined
  const see = (certificate: PeerCertificate) => {
    seen ??= certificate
  }
  try {
    const engine = await engines(current.engine, see)
    const session = await provenLogin(engine, current)
    await lookAtTls(current, seen, report, true)
    report.add('login', { state: 'ok', says: `${JSON.stringify(current.username)} logs in` })
    return { engine, session }
  } catch (error) {
    if (error instanceof TlsFailed) report.fail('tls', error)
    else {
      // What refuses a password has shown its certificate.
      await lookAtTls(current, seen, report, error instanceof LoginRefused)
      report.fail(error instanceof NoConnection ? 'connections' : 'login', error)
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
  else if (seen) await report.look('tls', () => aboutCertificate(host, seen))
  else if (isTrusted) report.add('tls', { state: 'ok', says: 'the certificate of the server is trusted' })
}

async function lookAtSession(known: Known, own: Session, report: Report): Promise<void> {
  const { current, nextUser, options } = known
  await report.look('connections', () => roomOf(own, current.username))
  await report.look('pooler', () => {
    if (nextUser === current.username) requireAsking(own, current, options.pooler)
    return whole(own.pooled ? 'a pooler stands in between' : 'no pooler is seen')
  })
  if (!takesAdmin(known)) await lookAtPrivileges(known, own, report)
  // Last, as a session that is refused may be of no further use.
  if (options.testQuery) await report.look('test-query', () => tried(known, own))
}

async function roomOf(session: Session, user: string): Promise<Found<undefined> | Untold> {
  const room = await session.roomFor(user)
  if (room === undefined) return { untold: 'the server does not tell how many connections it has left' }
  const says =
    room > 0
      ? `${room} more ${room === 1 ? 'connection' : 'connections'} may be opened`
      : `this look had the last connection of ${JSON.stringify(user)}`
  if (room >= FEW) return whole(says)
  return { ...whole(says), warning: 'Raise the limit, or let the application hold fewer connections.' }
}

/** Of the query that whoever may tag has written nothing is told, lest it answers questions about the data. */
async function tried({ options, testMayWrite }: Known, session: Session): Promise<Found<undefined> | Untold> {
  if (testMayWrite) return { untold: 'it is not run, as in this deployment a test query may write' }
  try {
    await session.testable?.()
    await session.run(options.testQuery ?? '')
  } catch {
    throw new TestFailed('refused')
  }
  return whole('ran')
}

/** `proof` is the user's own session, which has ended. */
async function lookAtAdmin(known: Known, engine: Engine, proof: Session, report: Report): Promise<void> {
  const { pipeline, current, nextUser } = known
  const admin = await report.look('admin', async () => {
    const value = await adminOf(pipeline, current, [current.username, nextUser])
    return { says: `${value}, of ${current.masterarn}`, value }
  })
  if (!admin) return
  const login = await report.look('admin-login', async () => {
    const value = await adminOnce(engine, admin.value, { session: proof, user: current })
    return { says: `${JSON.stringify(admin.value.username)} logs in`, value }
  })
  if (!login) return
  await using acting = login.value
  await lookAtPrivileges(known, acting.session, report, admin.value.username)
}

async function lookAtPrivileges(
  { pipeline, current, strategy, next, options }: Known,
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
      if (!(error instanceof AgainstRules)) throw withGrant(error, current, admin)
      report.fail('password-rules', error)
      return { untold: 'the rules for passwords have refused the change before' }
    }
    const warning = 'See docs/strategies.md for what stays with a user, or grant what is named.'
    return left.length ? { ...whole(left.join('; ')), warning } : whole(`${strategy} may do what it has to`)
  })
}
