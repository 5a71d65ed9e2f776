import type { Credential } from '../credential.ts'
import { HostUnmapped, InvalidCredential } from '../errors.ts'
import type { ValueFormat } from '../options.ts'
import { requireHost } from '../refusals.ts'
import type { DatabaseCopies } from './databaseCopies.ts'
import { type HostAndPort, type HostMap, isHostInRegion, lookUpHost } from './hostMap.ts'

/** The sources for the host that replaces one in the lost Region. */
export type HostSources = {
  /** The deployment's host map. */
  map: HostMap
  /** Loads the calls of RDS when they are first used. */
  loadDatabaseCopies(): Promise<Pick<DatabaseCopies, 'endpointInGlobalCluster' | 'endpointOfReplica'>>
}

/**
 * The value with the host that it needs in this Region once Region `from` is lost. The deployment's host map names that host, or
 * the Aurora global cluster of the old host lists it. Without an answer of these two, the host stays, if its name does not say that
 * it is in `from`. No other source is used: whoever controls it could have every password sent to a server of their own. A value
 * that is a password alone is not changed: its host is in a parameter, which is this Region's own.
 * @throws HostUnmapped if the host would still be in the lost Region
 * @throws InvalidCredential if the host in the parameter is in the lost Region, or the text in `host` is no host
 */
export async function moveToThisRegion(
  credential: Credential,
  { connection }: ValueFormat,
  from: string,
  hosts: HostSources,
): Promise<Credential> {
  if (credential.engine === 'opaque') return credential
  requireHost(credential)
  const hostHere = connection ? undefined : await findHostHere(credential, from, hosts)
  const moved = hostHere ? credential.with(hostHere) : credential
  if (!isHostInRegion(moved.host, from)) return moved
  if (connection)
    throw new InvalidCredential(
      'keyturn:connection',
      `parameter ${connection} of this Region names host ${moved.host}, which is in ${from}: it should name the one here`,
    )
  if (moved.host !== credential.host)
    throw new HostUnmapped(
      `the file of the parameter hostMap leads from ${credential.host} to ${moved.host}, which is in ${from} too: correct that line`,
    )
  throw new HostUnmapped(await unmappedHostMessage(moved.host, from, hosts))
}

/**
 * Finds the host that replaces the value's host; undefined if no source names one. The result has a port only if that differs from
 * the value's.
 */
async function findHostHere(
  credential: Credential,
  from: string,
  { map, loadDatabaseCopies }: HostSources,
): Promise<HostAndPort | undefined> {
  const { host } = credential
  const port = Number(credential.address.split(':').at(-1))
  const mapped = lookUpHost(map, { host, port })
  if (mapped) return { host: mapped.host, ...(mapped.port !== port && { port: mapped.port }) }
  const endpoint = isHostInRegion(host, from)
    ? await (await loadDatabaseCopies()).endpointInGlobalCluster(host, from)
    : undefined
  return endpoint === undefined ? undefined : { host: endpoint }
}

/**
 * The message of HostUnmapped, with the line that the map lacks. The line has the new host if RDS tells it, as it does for a read
 * replica that is not promoted yet.
 */
async function unmappedHostMessage(
  host: string,
  from: string,
  { loadDatabaseCopies }: HostSources,
): Promise<string> {
  // An error of RDS is ignored here: the line is then shown without the new host.
  const copy = await loadDatabaseCopies()
    .then(copies => copies.endpointOfReplica(host, from))
    .catch(() => undefined)
  return `host ${host} is in ${from}, and the file of the parameter hostMap does not say what takes its place: add "${host}": "${copy ?? '…'}"`
}
