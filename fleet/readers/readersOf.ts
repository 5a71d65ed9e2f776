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

/** A credential, as far as a read may name it. */
type NamedCredential = Pick<CredentialFacts, 'store' | 'arn' | 'name'>

/**
 * Who read which credential, by ARN: of those of one Region, as its sweep tells. One that nobody asked for is not there; those
 * that were asked for by the same paths alone have one list together.
 * @param ownRoles names of the roles that Keyturn's stacks made, in the account of the credentials
 */
export function readersOf(
  tally: ReadTally,
  credentials: Iterable<NamedCredential>,
  ownRoles: ReadonlySet<string>,
): Map<string, Reader[]> {
  const index = new CredentialIndex(credentials)
  const rows = Map.groupBy(tally.rows(), ({ target }) => target)
  const asked = new Map<string, ReadTarget[]>()
  for (const target of rows.keys())
    for (const arn of index.findArns(target)) {
      const targets = asked.get(arn) ?? []
      targets.push(target)
      asked.set(arn, targets)
    }
  const lists = new Map<string, Reader[]>()
  const found = ([arn, targets]: [string, ReadTarget[]]) => {
    const key = targets.join('\n')
    const list = lists.get(key) ?? readersBy(targets.flatMap(target => rows.get(target) ?? []))
    lists.set(key, list)
    return [arn, list] as const
  }
  const readersBy = (about: ReadRow[]) =>
    [...Map.groupBy(about, ({ principal }) => principal)]
      .map(([principal, some]) => readerOf(principal, some, isOwn(principal)))
      .sort(byMostReads)
  const isOwn = (principal: string) => {
    const [, account, role = ''] = /^arn:[^:]+:iam::(\d+):role\/(?:.+\/)?([^/]+)$/.exec(principal) ?? []
    return account !== undefined && account === accountIn(index.anyArn) && ownRoles.has(role)
  }
  return new Map([...asked].map(found))
}

const byMostReads = (a: Reader, b: Reader) =>
  b.reads - a.reads || b.denied - a.denied || (a.principal < b.principal ? -1 : 1)

/** A read by reference counts once, whether Parameter Store's event is there, that of Secrets Manager, or both. */
function readerOf(principal: string, rows: ReadRow[], own: boolean): Reader {
  const denied = rows.filter(({ result }) => result === 'denied')
  const well = rows.filter(({ result }) => result !== 'denied')
  const forwarded = well.filter(({ result }) => result === 'forwarded')
  const references = well.filter(({ target }) => referenceIn(target) !== undefined)
  const indirect = [...forwarded, ...references]
  const told = well.length ? well : denied
  return {
    principal,
    own,
    reads: countReads(well) - countReads(indirect) + Math.max(countReads(forwarded), countReads(references)),
    denied: countReads(denied),
    first: told.map(({ first }) => first).sort()[0] ?? '',
    last:
      told
        .map(({ last }) => last)
        .sort()
        .at(-1) ?? '',
    sessions: newestSessions(rows.flatMap(({ sessions }) => sessions)).map(([name]) => name),
  }
}

const countReads = (rows: ReadRow[]) => rows.reduce((count, row) => count + row.count, 0)

/** The name of a parameter in a target, without the version or label that may stand behind it. */
function parameterIn(target: ReadTarget): string | undefined {
  if (!target.startsWith('parameter:')) return undefined
  const id = target.slice('parameter:'.length)
  const [, inArn, name] = /^(?:arn:[^:]*:ssm:[^:]*:[^:]*:parameter(\/[^:]*)|([^:]*))/.exec(id) ?? []
  return inArn ?? name
}

/** The secret that a target names by Parameter Store's name for it. */
function referenceIn(target: ReadTarget): string | undefined {
  const name = parameterIn(target)
  return name?.startsWith(SECRET_REFERENCE_PREFIX) ? name.slice(SECRET_REFERENCE_PREFIX.length) : undefined
}

/** Finds credentials by whatever a caller may have written. */
class CredentialIndex {
  /** By ARN, and by what else may be written for it. Another secret's ARN without its end may be the ARN of this one. */
  readonly #secrets = new Map<string, string>()
  readonly #others = new Map<string, string>()
  readonly #parameters = new Set<string>()
  /** Names of parameters as paths have them: each begins with a slash. */
  readonly #paths: [name: string, arn: string][] = []
  /** The ARN of one of them. */
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
      for (const id of [withoutSuffix(arn), name]) this.#others.set(id, arn)
    }
  }

  /** The ARNs of all that a target means. */
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
    const here = id.startsWith('arn:') ? arnInRegion(id, regionIn(this.anyArn) ?? '') : id
    const arn = this.#secrets.get(here) ?? this.#others.get(here)
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

/** An ARN of a secret as far as its name: the service's six characters may be left out. */
const withoutSuffix = (arn: string) => arn.replace(/-[^-]{6}$/, '')
