import {
  accountIn,
  arnInRegion,
  parameterArn,
  regionIn,
  SECRET_REFERENCE_PREFIX,
} from '../../rotation/arn.ts'
import type { CredentialFacts, Reader } from '../audit/facts.ts'
import type { ReadTarget } from './readTarget.ts'
import { newestSessions, type ReadRow, type ReadTally } from './tally.ts'

/** The fields of a credential by which a call may name it. */
type NamedCredential = Pick<CredentialFacts, 'store' | 'arn' | 'name'>

/**
 * Who read which credential, by the credential's ARN. A credential that nobody asked for is left out.
 * @param tally the reads of one Region
 * @param credentials those of the same Region
 * @param ownRoles names of the roles that Keyturn's stacks made in the account of the credentials
 */
export function readersOf(
  tally: ReadTally,
  credentials: Iterable<NamedCredential>,
  ownRoles: ReadonlySet<string>,
): Map<string, Reader[]> {
  const index = new CredentialIndex(credentials)
  const rows = Map.groupBy(tally.rows(), ({ target }) => target)
  const targetsByArn = new Map<string, ReadTarget[]>()
  for (const target of rows.keys())
    for (const arn of index.findArns(target)) {
      const targets = targetsByArn.get(arn) ?? []
      targets.push(target)
      targetsByArn.set(arn, targets)
    }

  const isOwn = (principal: string) => {
    const [, account, role = ''] = /^arn:[^:]+:iam::(\d+):role\/(?:.+\/)?([^/]+)$/.exec(principal) ?? []
    return account !== undefined && account === accountIn(index.anyArn) && ownRoles.has(role)
  }
  const readersIn = (credentialRows: ReadRow[]) =>
    [...Map.groupBy(credentialRows, ({ principal }) => principal)]
      .map(([principal, principalRows]) => readerOf(principal, principalRows, isOwn(principal)))
      .sort(byMostReads)

  // Many parameters are read by the same path: they share one list, which saves memory.
  const sharedLists = new Map<string, Reader[]>()
  const entryOf = ([arn, targets]: [string, ReadTarget[]]) => {
    const key = targets.join('\n')
    const list = sharedLists.get(key) ?? readersIn(targets.flatMap(target => rows.get(target) ?? []))
    sharedLists.set(key, list)
    return [arn, list] as const
  }
  return new Map([...targetsByArn].map(entryOf))
}

const byMostReads = (a: Reader, b: Reader) =>
  b.reads - a.reads || b.denied - a.denied || (a.principal < b.principal ? -1 : 1)

/**
 * The reads of one principal. A secret that is read by Parameter Store's name for it leaves two events, one of Parameter Store and
 * one of Secrets Manager. Such a read counts once, also where one of the events is missing.
 */
function readerOf(principal: string, rows: ReadRow[], own: boolean): Reader {
  const denied = rows.filter(({ result }) => result === 'denied')
  const successful = rows.filter(({ result }) => result !== 'denied')
  const forwarded = successful.filter(({ result }) => result === 'forwarded')
  const references = successful.filter(({ target }) => referenceIn(target) !== undefined)
  const indirect = [...forwarded, ...references]
  const dated = successful.length ? successful : denied
  return {
    principal,
    own,
    reads:
      countReads(successful) - countReads(indirect) + Math.max(countReads(forwarded), countReads(references)),
    denied: countReads(denied),
    first: dated.map(({ first }) => first).sort()[0] ?? '',
    last:
      dated
        .map(({ last }) => last)
        .sort()
        .at(-1) ?? '',
    sessions: newestSessions(rows.flatMap(({ sessions }) => sessions)).map(([name]) => name),
  }
}

const countReads = (rows: ReadRow[]) => rows.reduce((count, row) => count + row.count, 0)

/** The name of a parameter in a target, without the version or label that may follow it after a colon. */
function parameterIn(target: ReadTarget): string | undefined {
  if (!target.startsWith('parameter:')) return undefined
  const id = target.slice('parameter:'.length)
  const [, nameInArn, name] = /^(?:arn:[^:]*:ssm:[^:]*:[^:]*:parameter(\/[^:]*)|([^:]*))/.exec(id) ?? []
  return nameInArn ?? name
}

/** The secret that a target names by Parameter Store's name for it, `/aws/reference/secretsmanager/NAME`. */
function referenceIn(target: ReadTarget): string | undefined {
  const name = parameterIn(target)
  return name?.startsWith(SECRET_REFERENCE_PREFIX) ? name.slice(SECRET_REFERENCE_PREFIX.length) : undefined
}

/** Finds the ARNs of credentials by the names and ARNs that callers may write for them. */
class CredentialIndex {
  /** The ARNs of the secrets. */
  readonly #secrets = new Map<string, string>()
  /**
   * The ARN of a secret by its name, and by its ARN without the suffix. They are looked up after #secrets, as one secret's ARN may
   * be another one's ARN without its suffix.
   */
  readonly #secretsByOtherName = new Map<string, string>()
  readonly #parameters = new Set<string>()
  /** The names of the parameters, each with a slash at the beginning as in a path. */
  readonly #paths: [name: string, arn: string][] = []
  /** The ARN of one of the credentials; '' if there are none. */
  readonly anyArn: string = ''

  constructor(credentials: Iterable<NamedCredential>) {
    for (const { store, arn, name } of credentials) {
      this.anyArn ||= arn
      if (store === 'parameter-store') {
        this.#parameters.add(arn)
        this.#paths.push([name.startsWith('/') ? name : `/${name}`, arn])
        continue
      }
      this.#secrets.set(arn, arn)
      for (const id of [withoutSuffix(arn), name]) this.#secretsByOtherName.set(id, arn)
    }
  }

  /** The ARNs of all credentials that a target names. */
  findArns(target: ReadTarget): string[] {
    const kind = target.slice(0, target.indexOf(':'))
    const id = target.slice(kind.length + 1)
    if (kind === 'secret') return this.#secret(id)
    if (kind === 'parameter') return this.#parameter(target)
    const folder = id.endsWith('/') ? id : `${id}/`
    const isBelow = ([name]: [string, string]) =>
      name.startsWith(folder) && (kind === 'far-below' || !name.slice(folder.length).includes('/'))
    return this.#paths.filter(isBelow).map(([, arn]) => arn)
  }

  #secret(id: string): string[] {
    const localId = id.startsWith('arn:') ? arnInRegion(id, regionIn(this.anyArn) ?? '') : id
    const arn = this.#secrets.get(localId) ?? this.#secretsByOtherName.get(localId)
    return arn ? [arn] : []
  }

  #parameter(target: ReadTarget): string[] {
    const secret = referenceIn(target)
    if (secret !== undefined) return this.#secret(secret)
    const id = target.slice('parameter:'.length)
    const arn = id.startsWith('arn:')
      ? id.split(':').slice(0, 6).join(':')
      : parameterArn(parameterIn(target) ?? '', this.anyArn)
    return this.#parameters.has(arn) ? [arn] : []
  }
}

/** The ARN of a secret up to its name, without the hyphen and the six random characters that the service adds. */
const withoutSuffix = (arn: string) => arn.replace(/-[^-]{6}$/, '')
